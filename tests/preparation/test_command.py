"""The command: the paper's configuration on a mirror, killed and started again; what is wrong, in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from reset_pl.__main__ import main
from reset_pl.data.prepared import PreparedSource
from tests.preparation.mirror import SHARED_INSTRUCTION, write_mirror

ROOT = Path(__file__).parents[2]
PAPER = ROOT / "configs" / "data" / "paper.yaml"
SETS = {
    "train": ["instruction", "nq", "cnn_dailymail", "ms_marco"],
    "validation": ["nq", "cnn_dailymail", "instruction", "ms_marco"],
    "test": ["nq", "searchqa", "bioasq", "ms_marco", "cnn_dailymail", "wikisum", "alpaca", "vicuna_eval", "koala_eval"],
}


def start(folder: Path, *options: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "HF_HOME": str(folder / "cache"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-m", "reset_pl", "prepare", "--config", str(PAPER), "--num_proc", "2", *options]
    return subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finish(process: subprocess.Popen[str]) -> str:
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err[-3000:]
    return out


def data_files(folder: Path) -> dict[str, bytes]:
    paths = [path for path in folder.rglob("*") if path.suffix in (".arrow", ".npy")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.integration
def test_the_papers_sets_killed_and_resumed_are_those_of_one_run(tmp_path: Path) -> None:
    write_mirror(tmp_path / "mirror", rows=60)
    mirror = ("--data_dir", str(tmp_path / "mirror"))
    killed, whole = tmp_path / "killed", tmp_path / "whole"

    process = start(tmp_path, *mirror, "--output_dir", str(killed))
    while process.poll() is None and len(list(killed.rglob("*.arrow"))) < 4:
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(1)  # its workers end with it
    before = {path: path.stat().st_mtime_ns for path in killed.rglob("*.arrow")}
    assert before
    assert not (killed / "manifest.json").exists()

    said = finish(start(tmp_path, *mirror, "--output_dir", str(killed)))
    assert said.splitlines()[-1] == f"report: {killed}/report.html"
    assert f"examples of 17 sets: {killed}" in said
    assert all(path.stat().st_mtime_ns == time_ for path, time_ in before.items()), "a part was written twice"
    finish(start(tmp_path, *mirror, "--output_dir", str(whole)))

    assert (killed / "manifest.json").read_bytes() == (whole / "manifest.json").read_bytes()
    files = [path.relative_to(whole) for path in whole.rglob("*") if path.suffix in (".arrow", ".npy")]
    assert sorted(files) == sorted(
        path.relative_to(killed) for path in killed.rglob("*") if path.suffix in (".arrow", ".npy")
    )
    assert all((killed / path).read_bytes() == (whole / path).read_bytes() for path in files)
    reports = [json.loads((folder / "report.json").read_text()) for folder in (killed, whole)]
    assert reports[0]["sets"] == reports[1]["sets"]
    assert reports[0]["overlaps"] == reports[1]["overlaps"]
    assert not list(killed.rglob(".*")), "nothing temporary is left"
    check_content(whole, reports[1])


def check_content(folder: Path, report: dict[str, Any]) -> None:
    splits = json.loads((folder / "manifest.json").read_text())["splits"]
    assert {split: sorted(own) for split, own in splits.items()} == {k: sorted(v) for k, v in SETS.items()}
    sets = {
        (split, name): PreparedSource(str(folder), name, split).load()  # type: ignore[arg-type]
        for split, names in SETS.items()
        for name in names
    }
    for (split, name), examples in sets.items():
        assert len(examples) > 0
        assert {example.dataset for example in examples} == {name}
        assert len({example.id for example in examples}) == len(examples), (split, name)
    instruction = [*sets["train", "instruction"], *sets["validation", "instruction"]]
    assert [example.instruction for example in instruction].count(SHARED_INSTRUCTION) == 1
    assert {example.id.split("/")[1] for example in instruction} == {"dolly", "oasst1", "self_instruct", "sharegpt"}
    marco = [{example.id for example in sets[split, "ms_marco"]} for split in ("train", "validation")]
    assert marco[0].isdisjoint(marco[1])
    pairs = {(own["evaluation"], own["training"]): own["exact"] for own in report["overlaps"]}
    trained_on = "train/instruction"
    if not any(example.instruction == SHARED_INSTRUCTION for example in sets["train", "instruction"]):
        trained_on = ""  # the draw held it out
    expected = {("test/nq", "train/nq"): 1}
    if trained_on:
        expected |= {("test/alpaca", trained_on): 1, ("test/vicuna_eval", trained_on): 1}
    assert pairs == expected


def one_line(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    """What the command says of bad input."""
    assert main(["prepare", *arguments]) == 2
    lines = capsys.readouterr().err.splitlines()
    [error] = [line for line in lines if line.startswith("error: ")]
    assert error is lines[-1]
    return error


def config(folder: Path, **content: Any) -> str:
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(content))
    return str(path)


def test_offline_without_a_mirror_it_says_what_to_put_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    out = ("--output_dir", str(tmp_path / "out"), "--num_proc", "1")
    said = one_line(capsys, "--config", str(PAPER), *out)
    assert "--data_dir DIR with DIR/databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl" in said
    said = one_line(capsys, "--config", str(PAPER), *out, "--data_dir", str(tmp_path / "mirror"))
    assert f"at {tmp_path}/mirror/databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl" in said


def test_bad_settings_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def train(**own: Any) -> str:
        return config(tmp_path, output_dir=str(tmp_path / "out"), train=[{"name": "a", **own}])

    assert "at least one set" in one_line(capsys)
    assert "no-such.yaml" in one_line(capsys, "--config", "no-such.yaml")
    assert "Doly" in one_line(capsys, "--config", train(sources=["Doly"]))
    assert "split" in one_line(
        capsys, "--config", train(sources=[{"class_path": "Dolly", "init_args": {"split": "test"}}])
    )
    assert "unknwon" in one_line(capsys, "--config", train(sources=["Dolly"], unknwon=1))
    good = train(sources=[{"class_path": "JsonlSource", "init_args": {"path": str(tmp_path / "no.jsonl")}}])
    assert "a JSONL file at" in one_line(capsys, "--config", good, "--num_proc", "1")
    assert "--limit of at least 1" in one_line(capsys, "--config", good, "--limit", "0")
    assert "--num_proc of at least 1" in one_line(capsys, "--config", good, "--num_proc", "0")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_the_mirror_reaches_every_source_that_has_none_of_its_own(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sources = [{"class_path": "Dolly", "init_args": {"data_dir": str(tmp_path / "own")}}, "Alpaca"]
    out = str(tmp_path / "out")
    path = config(
        tmp_path,
        output_dir=out,
        train=[{"name": name, "sources": [own]} for name, own in zip("ab", sources, strict=True)],
    )
    options = (
        "--config",
        path,
        "--data_dir",
        str(tmp_path / "mirror"),
        "--num_proc",
        "1",
        "--output_dir",
        str(tmp_path),
    )
    assert f"at {tmp_path}/own/databricks" in one_line(capsys, *options)
    config(tmp_path, output_dir=out, train=[{"name": "b", "sources": sources[1:]}])
    assert f"at {tmp_path}/mirror/tatsu-lab" in one_line(capsys, *options)


def test_a_short_run_from_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"id": str(n), "instruction": f"Do {n}.", "response": "Done."} for n in range(3)]
    (tmp_path / "own.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    init = {"path": str(tmp_path / "own.jsonl"), "objective": "instruction"}
    path = config(tmp_path, train=[{"name": "own", "sources": [{"class_path": "JsonlSource", "init_args": init}]}])
    assert main(["prepare", "--config", path, "--output_dir", str(tmp_path / "out"), "--num_proc", "1"]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-2:] == [f"3 examples of 1 sets: {tmp_path}/out", f"report: {tmp_path}/out/report.html"]
    examples = PreparedSource(str(tmp_path / "out"), "own").load()
    assert [example.id for example in examples] == ["own/0", "own/1", "own/2"]


def test_help_says_once_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["prepare", "--help"])
    text = capsys.readouterr().out
    assert text.count("Read data sets once, filter, merge") == 1
    assert "--num_proc" in text
