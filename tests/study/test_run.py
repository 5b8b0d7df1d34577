"""What a worker takes for done, and what its commands find in their environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reset_pl.errors import InputError
from reset_pl.study.graph import Node, Study, read_study
from reset_pl.study.node import read_record, write_record
from reset_pl.study.results import read_results
from reset_pl.study.run import Worker, environment_of, refuse_changes

TEXT = """\
seeds: [0]
arms:
  first: {title: First, commands: [--]}
  second: {title: Second, commands: ["report {first}"]}
  third: {title: Third, commands: ["report {second}"]}
"""
NODES = [Node(name, 0) for name in ("first", "second", "third")]


def study_of(folder: Path, first: str = "report x") -> Study:
    (folder / "study.yaml").write_text(TEXT.replace("--", first))
    return read_study(folder / "study.yaml")


def record(folder: Path, study: Study, node: Node, **changes: Any) -> None:
    own = {"status": "complete", "commands": list(study.arms[node.arm].commands), "recipe": study.recipe(node.arm)}
    write_record(folder / node.path, {**own, **changes})


def states(folder: Path, study: Study) -> list[str]:
    worker = Worker(study, folder, NODES, jobs=1)
    return [worker._state(node) for node in NODES]


def test_a_node_is_ready_when_what_it_needs_is_complete(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    assert states(tmp_path, study) == ["ready", "waiting", "waiting"]
    record(tmp_path, study, NODES[0])
    assert states(tmp_path, study) == ["complete", "ready", "waiting"]


def test_a_failure_of_an_earlier_start_is_tried_again(tmp_path: Path) -> None:
    study = study_of(tmp_path)
    record(tmp_path, study, NODES[0], status="failed", ended=0.0)
    record(tmp_path, study, NODES[1], status="not run", ended=0.0)
    assert states(tmp_path, study) == ["ready", "waiting", "waiting"]
    record(tmp_path, study, NODES[0], status="failed", ended=4e9)  # since this worker has begun
    assert states(tmp_path, study) == ["failed", "not run", "not run"]


def test_changed_commands_are_refused(tmp_path: Path) -> None:
    before, after = study_of(tmp_path), study_of(tmp_path, "report y")
    refuse_changes(after, tmp_path, NODES)
    record(tmp_path, before, NODES[1])
    with pytest.raises(InputError, match="second seed 0 .* was made on other arms' runs: give --out a new directory"):
        refuse_changes(after, tmp_path, NODES)
    record(tmp_path, before, NODES[0])
    with pytest.raises(InputError, match=r"made by \['report x'\], not by \['report y'\]"):
        refuse_changes(after, tmp_path, NODES)
    record(tmp_path, before, NODES[0], status="failed")
    (tmp_path / NODES[1].path / "node.json").unlink()
    refuse_changes(after, tmp_path, NODES)


def test_nothing_left_is_nothing_done(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    study = study_of(tmp_path)
    for node in NODES:
        record(tmp_path, study, node)
    before = [read_record(tmp_path / node.path) for node in NODES]
    assert Worker(study, tmp_path, NODES, jobs=2).run() == 0
    assert "all 3 runs are complete" in capsys.readouterr().err
    assert [read_record(tmp_path / node.path) for node in NODES] == before
    assert read_study(tmp_path / "study.yaml") == study


def test_commands_share_the_cores_and_know_no_slurm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr("os.sched_getaffinity", lambda _: set(range(8)), raising=False)
    assert environment_of(2)["OMP_NUM_THREADS"] == "4"
    assert environment_of(9)["OMP_NUM_THREADS"] == "1"
    assert "SLURM_JOB_ID" not in environment_of(2)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert environment_of(2)["OMP_NUM_THREADS"] == "3"


def test_the_study_says_what_ran_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.argv", ["__main__.py", "study", "my study.yaml", "--out", "a\nb"])
    study = study_of(tmp_path)
    Worker(study, tmp_path / "out", NODES, jobs=1)._write_study()
    assert read_study(tmp_path / "out" / "study.yaml") == study
    assert read_results(tmp_path / "out").command == "python -m reset_pl study 'my study.yaml' --out 'a b'"
