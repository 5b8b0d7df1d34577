"""``python -m reset_pl why`` as it is typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reset_pl.__main__ import main
from tests.lineage.test_life import build


def test_it_prints_the_life(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "qa/7", "--run", str(build(tmp_path))]) == 0
    assert capsys.readouterr().out.startswith("qa/7 · extractive_qa · run ")


def test_json_holds_everything_in_ascii(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["why", "qa/7", "--json", "--run", str(build(tmp_path, ["w7", "\x1b[2J‮"]))]) == 0
    output = capsys.readouterr().out
    assert output.isascii()
    assert "\x1b" not in output
    content = json.loads(output)
    assert content["example"]["question"] == "Which word 7?"
    (one,) = content["rounds"]
    assert [rival["candidate"]["text"] for rival in one["candidates"]] == ["w7", "\x1b[2J‮"]
    assert one["candidates"][0]["verdicts"][1]["detail"] == "s1 d1 .50"
    assert (one["held_out"], one["candidates"][0]["rank"], one["weights"]["faithfulness"]) == (["oracle"], 0, 2.0)


def test_the_newest_run_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["why", "qa/7"]) == 2
    assert "expected --run RUN" in capsys.readouterr().err
    build(tmp_path / "runs" / "mine")
    assert main(["why", "qa/7"]) == 0
    assert "run runs/mine" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["why"], "required: id; see python -m reset_pl why --help"),
        (["why", "qa/7", "--run", "nowhere"], "nowhere is not a directory"),
        (["why", "qa/8", "--run", "{run}"], "the nearest of 1: qa/7"),
    ],
)
def test_bad_input_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    run = build(tmp_path)
    assert main([argument.format(run=run) for argument in arguments]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
