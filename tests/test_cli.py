"""The command line: help, configuration, precedence, bad input."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from jsonargparse import Namespace

from reset_pl.__main__ import main
from reset_pl.cli import SHORT_NAMES, ResetCLI
from reset_pl.data.sources import Source
from tests.test_restart import ROOT, write_config


def resolved(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str, command: str = "fit"
) -> dict[str, Any]:
    """What ``fit … --print_config`` prints, or another command."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["reset_pl", command, *arguments, "--print_config"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    return yaml.safe_load(capsys.readouterr().out)


def refused(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str, command: str = "fit"
) -> str:
    """The message of a command that ends with status 2."""
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", ["reset_pl", command, *arguments])
    assert main() == 2
    message = capsys.readouterr().err
    assert message.startswith("error: ")
    assert "Traceback" not in message
    return message


def test_top_level_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from reset_pl.__main__ import main; main(['--help']); "
        "print(sorted({'torch', 'lightning', 'transformers', 'pyarrow'} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT).stdout
    assert "fit" in out
    assert out.splitlines()[-1] == "[]"


def test_fit_help_shows_every_option_of_ours_with_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["reset_pl", "fit", "--help"])
    with pytest.raises(SystemExit):
        main()
    out = capsys.readouterr().out
    assert out.startswith("usage: python -m reset_pl [options] fit ")
    described = dict(re.findall(r"^  (--data\.\w+) [^\n]*\n((?: {20,}[^\n]*\n)+)", out, re.MULTILINE))
    assert {"--data.template", "--data.max_length", "--data.batch_size", "--data.num_workers"} <= set(described)
    for name, text in described.items():
        words = text.split("(type:")[0].split()
        assert len(words) >= 3, f"{name} says nothing of itself"


@pytest.mark.parametrize(
    ("command", "config", "owner"),
    [
        ("fit", "configs/data/paper.yaml", "prepare"),
        ("preview", "configs/data/paper.yaml", "prepare"),
        ("prepare", "configs/mini/reset.yaml", "fit"),
    ],
)
def test_a_file_for_another_command(
    command: str, config: str, owner: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(monkeypatch, capsys, "--config", config, command=command)
    assert f"{owner} has one: is the file for python -m reset_pl {owner} --config?" in message


@pytest.mark.parametrize("command", ["fit", "validate", "test", "preview"])
def test_what_is_missing_is_named_as_it_is_given(
    command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    message = refused(monkeypatch, capsys, command=command)
    assert message == "error: expected --data.train and --model, but got none: give a --config FILE that has them\n"


def test_every_short_name_is_unique() -> None:
    names = [cls.__name__ for cls in SHORT_NAMES]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("source", [cls for cls in SHORT_NAMES if hasattr(cls, "load")])
def test_every_source_passes_for_one(source: type) -> None:
    from jsonargparse._typehints import implements_protocol  # how the parser decides; it compares annotations

    assert implements_protocol(source, Source)


def test_composition_and_overrides(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write_config(tmp_path, tiny_model)
    overlay = tmp_path / "overlay.yaml"
    overlay.write_text("data: {batch_size: 6}\ntrainer: {accumulate_grad_batches: 2}\n")
    config = resolved(
        monkeypatch,
        capsys,
        *("--config", str(base), "--config", str(overlay)),
        *("--data.max_length", "99", "--trainer.callbacks.rounds", "5", "--seed_everything", "7"),
    )
    assert (config["data"]["batch_size"], config["data"]["max_length"]) == (6, 99)
    assert config["trainer"]["accumulate_grad_batches"] == 2
    rounds = config["trainer"]["callbacks"][-1]
    assert (rounds["class_path"], rounds["init_args"]["rounds"]) == ("callbacks.ResetRounds", 5)
    assert config["seed_everything"] == 7


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--config", "configs/absent.yaml"], "configs/absent.yaml"),
        (["--config", "{config}", "--data.batch_sise", "3"], "batch_sise"),
        (["--config", "{config}", "--data.batch_size", "many"], "data.batch_size"),
        (["--config", "{config}", "--data.template", "alpaka"], "template"),
        (["--config", "{config}", "--trainer.callbacks.plan", '{"temperatures": [0.0], "top_ks": []}'], "can differ"),
        (["--config", "{config}", "--trainer.callbacks.rounds", "0"], "ResetRounds.rounds of at least 1"),
        (["--config", "{config}", "--trainer.callbacks.judges", "[]"], "at least one judge"),
        (["--config", "{config}", "--data.train.path", "absent.jsonl"], "expected a JSONL file at absent.jsonl"),
        (["--config", "{config}", "--model.model", "absent/model"], "absent/model"),
        (["--config", "{config}", "--trainer.strategy", "ddpp"], "invalid strategy name"),
    ],
)
def test_bad_input_is_one_message_and_status_2(
    arguments: list[str],
    expected: str,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = str(write_config(tmp_path, tiny_model))
    assert expected in refused(monkeypatch, capsys, *(part.replace("{config}", config) for part in arguments))


def test_unknown_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert "expected a command" in refused(monkeypatch, capsys, command="fitt")


def test_report_of_no_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert str(tmp_path) in refused(monkeypatch, capsys, str(tmp_path), command="report")


@pytest.mark.parametrize(("restarts", "taken"), [(None, "given.ckpt"), ("0", "given.ckpt"), ("1", "mtl-000007.ckpt")])
def test_a_requeued_job_goes_on_from_its_own_checkpoints(
    restarts: str | None, taken: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "checkpoints").mkdir()
    torch.save({}, tmp_path / "checkpoints" / "mtl-000007.ckpt")
    if restarts is not None:
        monkeypatch.setenv("SLURM_RESTART_COUNT", restarts)
    settings = Namespace(trainer=Namespace(default_root_dir=str(tmp_path)), ckpt_path="given.ckpt")
    cli = object.__new__(ResetCLI)  # no arguments are parsed and nothing is made
    cli.subcommand, cli.config, cli.config_init = "fit", Namespace(fit=settings), Namespace(fit=settings)
    monkeypatch.setattr(cli, "_save", lambda: None)
    cli.before_fit()
    assert Path(settings.ckpt_path).name == taken


def test_validate_looks_for_its_checkpoint_first(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    config = str(write_config(tmp_path, tiny_model))
    message = refused(monkeypatch, capsys, "--config", config, "--ckpt_path", "absent.ckpt", command="validate")
    assert "expected a checkpoint at --ckpt_path absent.ckpt, but there is none" in message


def test_another_python_than_the_projects_is_one_line() -> None:
    bare = [sys.executable, "-S", "-m", "reset_pl", "report", "runs/demo"]  # -S: without the installed packages
    done = subprocess.run(bare, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    said = r"error: expected a Python with the project's packages, but \S+ lacks \w+: make install .*activate.*\n"
    assert re.fullmatch(said, done.stderr), done.stderr
