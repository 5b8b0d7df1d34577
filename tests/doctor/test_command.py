"""The whole command: lines, exit status, nothing touched, no traceback."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reset_pl.__main__ import main
from reset_pl.doctor import versions
from reset_pl.doctor.command import _line
from reset_pl.doctor.finding import red
from tests.test_restart import write_config


@pytest.fixture
def config(tmp_path: Path, tiny_model: Path) -> Path:
    return write_config(tmp_path, tiny_model)


def test_a_configuration_that_runs(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--config", str(config)]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1].startswith("0 red, ")
    assert "\x1b" not in out
    assert "train: qa 24" in out
    assert sorted(path.name for path in config.parent.iterdir()) == ["config.yaml", "qa.jsonl"]


def set_model(settings: dict[str, Any]) -> None:
    settings["model"]["init_args"]["model"] = "/no/such/model"


def set_data(settings: dict[str, Any]) -> None:
    settings["data"]["train"][0]["init_args"]["path"] = "/no/such/file.jsonl"


def set_template(settings: dict[str, Any]) -> None:
    settings["data"]["template"] = "chat"


def set_run_dir(settings: dict[str, Any]) -> None:
    settings["trainer"]["default_root_dir"] = str(Path(__file__) / "run")


def set_cache(settings: dict[str, Any]) -> None:
    judge = {"class_path": "LLMJudge", "init_args": {"model": "m", "cache_dir": str(Path(__file__) / "cache")}}
    settings["trainer"]["callbacks"][-1]["init_args"]["judges"].append(judge)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (set_model, "model: expected a model at --model.model '/no/such/model'"),
        (set_data, "data: expected a JSONL file at /no/such/file.jsonl"),
        (set_template, "template: expected a tokenizer with a chat template"),
        (set_run_dir, "cannot be written"),
        (set_cache, "give judges.cache_dir another one"),
    ],
)
def test_one_thing_is_broken(
    change: Callable[[dict[str, Any]], None], said: str, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = yaml.safe_load(config.read_text())
    change(settings)
    config.write_text(yaml.safe_dump(settings))
    assert main(["doctor", "--config", str(config)]) == 1
    reds = [line for line in capsys.readouterr().out.splitlines() if line.startswith("red ")]
    assert any(said in line for line in reds)


def test_a_check_that_fails_is_a_red_line_and_the_others_go_on(
    config: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(versions, "requires", lambda _: 1 / 0)
    assert main(["doctor", "--config", str(config)]) == 1
    out = capsys.readouterr().out
    assert "red      packages: the check itself failed: ZeroDivisionError" in out
    assert "ok       slurm" in out


def test_bad_input_is_status_two(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--config", str(config), "--data.batch_sise", "3"]) == 2
    assert "batch_sise" in capsys.readouterr().err


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--help"]) == 0
    assert "exit status" in capsys.readouterr().out


def test_colour_is_for_terminals() -> None:
    finding = red("disk", "full", "free some")
    assert _line(finding, colour=False) == "red      disk: full → free some"
    assert _line(finding, colour=True).startswith("\x1b[31mred")
