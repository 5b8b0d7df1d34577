"""``python -m reset_pl test``: what it evaluates, what it takes from before, what it refuses."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import torch
import yaml

from reset_pl import interruption
from reset_pl.__main__ import main
from reset_pl.evaluation.results import read_run
from tests.conftest import save_causal_lm, save_tokenizer
from tests.synthetic_run import write_round
from tests.test_restart import ROOT, write_config

pytestmark = pytest.mark.integration
EXAMPLES = 24
Command = Callable[..., int]


@pytest.fixture(scope="module")
def command() -> Iterator[Command]:
    """Runs a command in this process, as its arguments are given, and leaves no signal handler behind."""
    handlers = {number: signal.getsignal(number) for number in interruption.SIGNALS}

    def run(*arguments: object) -> int:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(sys, "argv", ["reset_pl", *map(str, arguments)])
            return main()

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory, command: Command) -> Path:
    """A run of one stage: ``start`` and ``mtl`` evaluated, a checkpoint after 12 steps, ``policy/mtl``."""
    folder = tmp_path_factory.mktemp("evaluate")
    model = folder / "model"
    save_tokenizer(model)
    save_causal_lm(model)
    path = write_config(folder, model)
    settings = yaml.safe_load(path.read_text())
    saving, evaluation, _ = settings["trainer"]["callbacks"]
    log = {"log": str(folder / "sampled.log"), "seconds": 0.0}
    evaluation["init_args"]["sampler"] = {"class_path": "tests.witnesses.LoggedSampler", "init_args": log}
    settings["trainer"]["callbacks"] = [saving, {"class_path": "callbacks.ExportPolicy"}, evaluation]
    settings["model"] = {"class_path": "MTL", "init_args": {"model": str(model), "lr": 0.02}}
    path.write_text(yaml.safe_dump(settings))
    assert command("fit", "--config", path) == 0
    return folder


@pytest.fixture
def folder(fitted: Path, tmp_path: Path) -> Path:
    """A copy of that run, whose configuration names it."""
    copy = tmp_path / "copy"
    shutil.copytree(fitted, copy)
    config = copy / "run" / "config.yaml"
    config.write_text(config.read_text().replace(str(fitted), str(copy)))
    return copy


def num_answered(folder: Path) -> int:
    return len((folder / "sampled.log").read_text().splitlines())


def scores(folder: Path, name: str) -> dict[str, Any]:
    content = json.loads((folder / "run" / "evaluation" / f"{name}.json").read_text())
    return {key: value for key, value in content.items() if key not in ("stage", "commit")}


def add_checkpoint(folder: Path, step: int) -> Path:
    """Another checkpoint of the run: its last one with smaller weights."""
    states = torch.load(folder / "run" / "checkpoints" / "mtl-000012.ckpt", weights_only=False)
    states["global_step"] = step
    states["state_dict"] = {name: value * 0.5 for name, value in states["state_dict"].items()}
    path = folder / "run" / "checkpoints" / f"mtl-{step:06d}.ckpt"
    torch.save(states, path)
    return path


def refused(command: Command, capsys: pytest.CaptureFixture[str], *arguments: object) -> str:
    """The one line of a command that ends with status 2."""
    capsys.readouterr()
    assert command("test", *arguments) == 2
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    return lines[0]


def test_a_sweep_over_a_run_does_what_is_new(
    folder: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    run, config = folder / "run", folder / "run" / "config.yaml"
    before, text = num_answered(folder), config.read_text()
    add_checkpoint(folder, 8)
    write_round(run, 0, parquet=False)
    assert command("test", "--config", config, "--ckpt_path", run) == 0
    assert num_answered(folder) == before + EXAMPLES  # those of mtl-000012 were answered as stage mtl
    assert scores(folder, "mtl-000012") == scores(folder, "mtl")
    assert scores(folder, "mtl-000008")["policy"] != scores(folder, "mtl")["policy"]
    assert scores(folder, "mtl-000008")["step"] == 8
    assert [stage.name for stage in read_run(run).stages] == ["start", "mtl-000008", "mtl-000012", "mtl"]
    output = capsys.readouterr().out
    assert output.splitlines()[-1] == f"evaluation: {run / 'evaluation'}, 2 evaluated"
    assert "mtl-000008" in output
    assert "round 0" not in output  # it is none of the test's
    written = {path: path.stat().st_mtime_ns for path in (run / "evaluation").glob("*.json")}
    assert command("test", "--config", config, "--ckpt_path", run / "checkpoints", run / "policy" / "mtl") == 0
    assert capsys.readouterr().out.splitlines()[-1].endswith("evaluation, 0 evaluated, 3 had been")
    assert written == {path: path.stat().st_mtime_ns for path in (run / "evaluation").glob("*.json")}
    assert num_answered(folder) == before + EXAMPLES
    assert config.read_text() == text


def test_another_judge_scores_again_without_a_new_answer(folder: Path, command: Command) -> None:
    config = folder / "run" / "config.yaml"
    judge = '[{"class_path": "tests.slow_judge.SlowJudge", "init_args": {"log": "%s", "seconds": 0}}]'
    more = ("--trainer.callbacks.held_out_judges", judge % (folder / "judged.log"))
    before = num_answered(folder), scores(folder, "mtl")
    assert command("test", "--config", config, "--ckpt_path", folder / "run" / "policy", *more) == 0
    assert num_answered(folder) == before[0]
    after = scores(folder, "mtl")
    assert after["datasets"]["qa"]["task"] == before[1]["datasets"]["qa"]["task"]
    assert after["datasets"]["qa"]["faithfulness_slow"]["n"] == EXAMPLES
    judged = (folder / "judged.log").read_text()
    (folder / "run" / "evaluation" / "mtl.json").unlink()
    assert command("test", "--config", config, "--ckpt_path", folder / "run" / "policy", *more) == 0
    assert scores(folder, "mtl") == after
    assert (folder / "judged.log").read_text() == judged  # no answer was judged twice


def test_the_configured_model_in_a_directory_of_its_own(folder: Path, command: Command) -> None:
    """The start of a run, without one: the same scores, and a directory that reads as a run's; its limit holds."""
    config, own = folder / "config.yaml", folder / "own"
    assert command("test", "--config", config, "--trainer.default_root_dir", own, "--limit", 5) == 0
    content = json.loads((own / "evaluation" / "start.json").read_text())
    assert content["policy"] == scores(folder, "start")["policy"]
    assert content["datasets"]["qa"]["n"] == 5
    assert read_run(own).config is not None
    with pytest.raises(SystemExit, match="0"):  # config.yaml is one of fit
        command("fit", "--config", own / "config.yaml", "--print_config")


def test_predictions_cut_by_hand_are_answered_again(folder: Path, command: Command) -> None:
    run = folder / "run"
    before, policy = scores(folder, "mtl"), scores(folder, "mtl")["policy"]
    (part,) = (run / "evaluation" / "predictions" / policy).glob("answers-*.parquet")
    pq.write_table(pq.read_table(part).slice(0, EXAMPLES - 3), part)
    (run / "evaluation" / "mtl.json").unlink()
    count = num_answered(folder)
    assert command("test", "--config", run / "config.yaml", "--ckpt_path", run / "policy" / "mtl") == 0
    assert num_answered(folder) == count + 3
    assert scores(folder, "mtl")["datasets"]["qa"]["n"] == EXAMPLES
    assert scores(folder, "mtl")["examples"] == before["examples"]


# ---------------------------------------------------------------- bad input


def test_a_name_that_other_weights_have(folder: Path, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    run = folder / "run"
    other = add_checkpoint(folder, 8).rename(folder / "mtl-000012.ckpt")
    assert command("test", "--config", run / "config.yaml", "--ckpt_path", run) == 0
    before = scores(folder, "mtl-000012")
    message = refused(command, capsys, "--config", run / "config.yaml", "--ckpt_path", other)
    assert "holds scores of others" in message
    assert scores(folder, "mtl-000012") == before
    message = refused(command, capsys, "--config", run / "config.yaml", "--ckpt_path", run, other)
    assert "would both be evaluation/mtl-000012.json" in message
    message = refused(command, capsys, "--config", run / "config.yaml", "--ckpt_path", run, "--limit", 3)
    assert "of the same test examples, template and length limit" in message


def test_a_checkpoint_of_another_model(folder: Path, command: Command, capsys: pytest.CaptureFixture[str]) -> None:
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    checkpoint, own = folder / "run" / "checkpoints" / "mtl-000012.ckpt", ("--trainer.default_root_dir", folder / "own")
    config = AutoConfig.from_pretrained(folder / "model")
    models = {}
    for name, changes in {"wide": {"intermediate_size": 48}, "flat": {"num_hidden_layers": 1}, "same": {}}.items():
        models[name] = folder / name
        save_tokenizer(models[name])
        model = AutoModelForCausalLM.from_config(type(config)(**{**config.to_dict(), **changes}))
        model.save_pretrained(models[name])
    arguments = ("--config", folder / "config.yaml", *own, "--ckpt_path")
    message = refused(command, capsys, *arguments, checkpoint, "--model.model", models["wide"])
    assert "policy.model.layers.0.mlp.gate_proj.weight, (48, 16), the checkpoint has the shape (32, 16)" in message
    message = refused(command, capsys, *arguments, checkpoint, "--model.model", models["flat"])
    assert "policy.model.layers.1.input_layernorm.weight is none of its parameters" in message
    message = refused(command, capsys, *arguments, models["wide"])
    assert "(32, 16), the checkpoint has the shape (48, 16)" in message
    tokenizer = AutoTokenizer.from_pretrained(models["same"])
    vocabulary = json.loads((models["same"] / "tokenizer.json").read_text())
    tokens = vocabulary["model"]["vocab"]
    tokens["a"], tokens["b"] = tokens["b"], tokens["a"]
    (models["same"] / "tokenizer.json").write_text(json.dumps(vocabulary))
    message = refused(command, capsys, *arguments, models["same"])
    assert f"2 of {len(tokenizer)} tokens differ, 'a' among them" in message
    assert not list((folder / "own").glob("evaluation/*.json"))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("{folder}/absent", "but there is none"),
        ("{folder}/absent.ckpt", "but there is none"),
        ("{folder}/empty", "expected checkpoints (NAME.ckpt) or Hugging Face folders in --ckpt_path"),
        ("{folder}/config.yaml", "it is none of these"),
        ("{folder}/half", "a part of it is missing or cut short"),
        ("{folder}/foreign.ckpt", "its contents are another's"),
        ("no-such-model", "expected a model at --ckpt_path 'no-such-model'"),
    ],
)
def test_a_bad_path_is_one_line(
    given: str, expected: str, fitted: Path, tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "config.yaml").touch()
    (tmp_path / "half" / "checkpoints").mkdir(parents=True)
    whole = (fitted / "run" / "checkpoints" / "mtl-000012.ckpt").read_bytes()
    (tmp_path / "half" / "checkpoints" / "mtl-000012.ckpt").write_bytes(whole[: len(whole) // 2])
    torch.save({"state_dict": {}}, tmp_path / "foreign.ckpt")
    arguments = ("--config", fitted / "config.yaml", "--trainer.default_root_dir", tmp_path / "run")
    path = given.replace("{folder}", str(tmp_path))
    message = refused(command, capsys, *arguments, "--ckpt_path", path)
    assert expected in message
    assert path in message


def test_adapters_are_not_put_on_whole_weights_and_no_evaluation_is_configured(
    fitted: Path, tmp_path: Path, command: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("--config", fitted / "config.yaml", "--trainer.default_root_dir", tmp_path)
    lora = ("--model.lora", "{rank: 2}")
    message = refused(command, capsys, *arguments, "--ckpt_path", fitted / "run" / "policy" / "mtl", *lora)
    assert "expected --model.lora null" in message
    message = refused(command, capsys, *arguments, "--trainer.callbacks", "null")
    assert "expected callbacks.CheckpointEvaluation in trainer.callbacks" in message


# ---------------------------------------------------------------- several processes


def test_two_processes_under_zero_3_score_as_one(folder: Path) -> None:
    strategy = {"class_path": "reset_pl.tuning.strategies.CpuDeepSpeedStrategy", "init_args": {"stage": 3}}
    overlay = folder / "zero.yaml"
    trainer = {"devices": 2, "strategy": strategy, "default_root_dir": str(folder / "own")}
    overlay.write_text(yaml.safe_dump({"trainer": trainer}))
    checkpoint = folder / "run" / "checkpoints" / "mtl-000012.ckpt"
    files = ("--config", folder / "config.yaml", "--config", overlay)
    process = subprocess.run(
        [sys.executable, "-m", "reset_pl", "test", *map(str, files), "--ckpt_path", str(checkpoint)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    assert process.stdout.count("evaluation: ") == 1
    content = json.loads((folder / "own" / "evaluation" / "mtl-000012.json").read_text())
    alone = scores(folder, "mtl")
    assert {key: content[key] for key in ("policy", "step", "examples")} == {
        key: alone[key] for key in ("policy", "step", "examples")
    }
    assert content["macro"] == alone["macro"]
