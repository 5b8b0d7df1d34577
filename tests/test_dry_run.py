"""``fit --dry_run`` against the fit itself, and on a configuration for GPUs where there are none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from reset_pl.configured import load_fit
from reset_pl.planning.plan import lines_of, plan_of
from tests.preparation.mirror import write_mirror
from tests.test_configs import resolved
from tests.test_paper_data import run
from tests.test_restart import finish, write_config

ROOT = Path(__file__).parent.parent
MINI = ROOT / "reset_pl" / "mini" / "models"


@pytest.mark.integration
def test_the_run_does_what_the_plan_says(tmp_path: Path, tiny_model: Path) -> None:
    config = write_config(tmp_path, tiny_model)
    settings = yaml.safe_load(config.read_text())
    settings["trainer"]["callbacks"].insert(2, {"class_path": "callbacks.ExportPolicy"})
    config.write_text(yaml.safe_dump(settings))
    plan = plan_of(load_fit(["--config", str(config)]))
    assert not (tmp_path / "run").exists()

    finish(config)
    root = tmp_path / "run"
    steps = 0
    for stage in plan.stages:
        evaluated = json.loads((root / "evaluation" / f"{stage.name}.json").read_text())
        taken, steps = evaluated["step"] - steps, evaluated["step"]
        assert taken == stage.steps if stage.is_exact else taken <= stage.steps
    assert plan.evaluations is not None
    assert plan.evaluations.times == len(list((root / "evaluation").glob("*.json")))
    for each in plan.rounds:
        counts = json.loads((root / "rounds" / f"round-{each.number:03d}" / "manifest.json").read_text())["counts"]
        assert (counts["prompts"], counts["candidates"]) == (each.prompts, each.candidates)

    kept = list((root / "checkpoints").iterdir())
    weights, state = plan.memory.weights, plan.memory.optimizer
    for path in kept:  # small models have names and settings beside their numbers
        assert weights + state <= path.stat().st_size <= 1.5 * (weights + state) + 100_000
    assert len(kept) * (weights + state) <= plan.disk.checkpoints
    exported = sum(path.stat().st_size for path in (root / "policy").rglob("*.safetensors"))
    assert plan.disk.exports <= exported <= 1.2 * plan.disk.exports + 10_000
    ledgers = sum(path.stat().st_size for path in (root / "rounds").rglob("*.parquet"))
    assert ledgers > 0


@pytest.mark.integration
def test_an_arm_of_the_paper_is_planned_without_its_gpus(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = resolved(monkeypatch, capsys, "--config", "configs/paper/mtl_reset.yaml")
    settings["model"]["init_args"]["model"] = settings["data"]["tokenizer"] = str(MINI / "chat")
    (tmp_path / "arm.yaml").write_text(yaml.safe_dump(settings))
    write_mirror(tmp_path / "mirror", rows=40)
    prepare = ["--config", str(ROOT / "configs/data/paper.yaml"), "--data_dir", "mirror"]
    assert run(tmp_path, "prepare", *prepare).returncode == 0
    before = sorted(path.name for path in tmp_path.iterdir())

    monkeypatch.chdir(tmp_path)
    plan = plan_of(load_fit(["--config", "arm.yaml"]))
    (stage, curated), (work,) = plan.stages, plan.rounds
    assert plan.hardware.processes == 8
    assert plan.hardware.zero_stage == 3
    assert stage.name == "mtl"
    largest = max(map(len, load_fit(["--config", "arm.yaml"]).data.examples("train").values()))
    assert stage.steps == 4 * largest // 32 + (4 * largest % 32 >= 8)
    assert work.candidates == 7 * work.prompts
    assert curated.rows == work.prompts
    judges = {forecast.judge: forecast for forecast in work.forecasts}
    assert set(judges) == {"gpt_4", "summac_zs"}
    assert judges["gpt_4"].dollars > 0
    assert "8 × GPU, strategy DeepSpeed stage 3, precision bf16-true" in "\n".join(lines_of(plan))
    assert sorted(path.name for path in tmp_path.iterdir()) == before
