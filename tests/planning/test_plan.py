"""The plan as it is printed."""

from __future__ import annotations

from pathlib import Path

import pytest

from reset_pl.__main__ import main
from reset_pl.configured import load_fit
from reset_pl.planning.plan import lines_of, plan_of
from tests.test_restart import write_config

JUDGE = [
    "--trainer.callbacks.judges+=LLMJudge",
    "--trainer.callbacks.judges.model=m",
    "--trainer.callbacks.judges.dollars_per_million_prompt_tokens=1000",
    "--trainer.callbacks.judges.dollars_per_million_completion_tokens=1000",
]


@pytest.fixture
def config(tmp_path: Path, tiny_model: Path) -> Path:
    return write_config(tmp_path, tiny_model)


@pytest.mark.parametrize("flag", ["--dry_run", "--dry-run"])
def test_both_spellings_print_and_touch_nothing(flag: str, config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fit", "--config", str(config), flag]) == 0
    out = capsys.readouterr().out
    assert "round-001" in out
    assert out.splitlines()[-1] == "Nothing was trained and no run directory was touched."
    assert sorted(path.name for path in config.parent.iterdir()) == ["config.yaml", "qa.jsonl"]


def test_a_budget_that_does_not_suffice_is_red(config: Path) -> None:
    text = config.read_text().replace("extractive_qa", "instruction").replace("question", "instruction")
    config.write_text(text)
    rows = (config.parent / "qa.jsonl").read_text()
    (config.parent / "qa.jsonl").write_text(
        rows.replace('"question"', '"instruction"').replace("passages", "references")
    )
    enough = plan_of(load_fit(["--config", str(config), *JUDGE, "--trainer.callbacks.judges.budget=1000000"]))
    assert enough.over_budget == []
    (forecast,) = enough.rounds[0].forecasts
    assert forecast.calls == 20 * (7 + 1)
    plan = plan_of(load_fit(["--config", str(config), *JUDGE, "--trainer.callbacks.judges.budget=1"]))
    assert len(plan.over_budget) == 1
    assert any(line.strip().startswith("red: ResetRounds may ask llm for $") for line in lines_of(plan))


def test_it_is_an_option_of_fit_only(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["preview", "--config", str(config), "--dry_run"]) == 2
    assert "--dry_run with fit only" in capsys.readouterr().err
