"""The files of the training record."""

from __future__ import annotations

from pathlib import Path

import pytest

from reset_pl.errors import InputError
from reset_pl.training_record import (
    Trained,
    TrainingStep,
    append_steps,
    drop_steps_after,
    read_steps,
    read_trained,
    write_trained,
)

STEPS = [TrainingStep(step=n, stage="mtl", loss=1.0 / n, lr=1e-5) for n in range(1, 6)]


def test_steps_come_back(tmp_path: Path) -> None:
    append_steps(tmp_path, STEPS[:2])
    append_steps(tmp_path, STEPS[2:])
    assert read_steps(tmp_path) == STEPS
    assert (
        (tmp_path / "training.jsonl").read_text().startswith('{"step": 1, "stage": "mtl", "loss": 1.0, "lr": 1e-05}\n')
    )


@pytest.mark.parametrize("cut", [1, 5, 30, 55])
def test_a_last_line_that_was_cut_short_is_no_step(tmp_path: Path, cut: int) -> None:
    append_steps(tmp_path, STEPS)
    path = tmp_path / "training.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    assert read_steps(tmp_path) == STEPS[: 5 if cut == 1 else 4]
    drop_steps_after(tmp_path, 4)
    append_steps(tmp_path, STEPS[4:])
    assert read_steps(tmp_path) == STEPS
    assert path.read_text().count("\n") == 5


def test_a_file_that_is_as_it_should_be_is_not_written(tmp_path: Path) -> None:
    drop_steps_after(tmp_path, 3)
    assert list(tmp_path.iterdir()) == []
    append_steps(tmp_path, STEPS)
    before = (tmp_path / "training.jsonl").stat()
    drop_steps_after(tmp_path, 5)
    assert (tmp_path / "training.jsonl").stat().st_ino == before.st_ino
    drop_steps_after(tmp_path, 0)
    assert read_steps(tmp_path) == []


def test_a_disk_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "training.jsonl").mkdir()
    with pytest.raises(InputError, match=r"cannot write .*training.jsonl: Is a directory; free some space"):
        append_steps(tmp_path, STEPS)


def test_trained_examples_come_back_and_older_rounds_have_none(tmp_path: Path) -> None:
    rows = [Trained(example_id="qa/‮1#2", round=0, step=7)]
    assert read_trained(tmp_path) is None
    write_trained(tmp_path, rows)
    assert read_trained(tmp_path) == rows
    (tmp_path / "trained.parquet").write_bytes(b"PAR1")
    assert read_trained(tmp_path) is None
