"""``training.jsonl``, a line an optimizer step, and ``trained.parquet``: in which step each curated example was."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from reset_pl.errors import InputError
from reset_pl.files import committed

__all__ = ["Trained", "TrainingStep", "append_steps", "drop_steps_after", "read_steps", "read_trained", "write_trained"]

_STEPS = "training.jsonl"
_TRAINED = "trained.parquet"
_SCHEMA = pa.schema([("example_id", pa.string()), ("round", pa.int64()), ("step", pa.int64())])


@dataclass(frozen=True, kw_only=True)
class TrainingStep:
    """One optimizer step of a run."""

    step: int
    """Its number in the run, from 1: the optimizer steps taken when it was done."""
    stage: str
    """The stage that it belongs to."""
    loss: float | None
    """Mean over the step's target tokens, in nats, before the update."""
    lr: float | None
    """Learning rate of the update."""


@dataclass(frozen=True, kw_only=True)
class Trained:
    """A curated example in a stage."""

    example_id: str
    """The prompt, with ``#<rank>`` behind it where a selector chose several answers."""
    round: int
    """The round that curated it: the stage's own, or an earlier one where rounds accumulate."""
    step: int
    """The optimizer step of the run that it was in."""


# ---------------------------------------------------------------------- steps


def append_steps(run_dir: Path, steps: Sequence[TrainingStep]) -> None:
    """Put steps at the end of ``training.jsonl``, on the disk when this returns.

    Args:
        run_dir: The run's directory.
        steps: In order.

    Raises:
        InputError: The disk is full or cannot be written.
    """
    path = run_dir / _STEPS
    try:
        run_dir.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(asdict(step)) + "\n" for step in steps)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; free some space or mend the folder's rights, then start "
            "the same command again and it goes on from its newest checkpoint"
        ) from error


def drop_steps_after(run_dir: Path, step: int) -> None:
    """Leave the steps up to one from which a run goes on; it takes the others again.

    Args:
        run_dir: The run's directory.
        step: Optimizer steps of the checkpoint; 0 drops all.

    Raises:
        InputError: The disk is full or cannot be written.
    """
    path = run_dir / _STEPS
    if not path.exists():
        return
    before = path.read_bytes()
    kept = "".join(json.dumps(asdict(one)) + "\n" for one in read_steps(run_dir) if one.step <= step).encode()
    if kept != before:
        with committed(path) as file:
            file.write(kept)


def read_steps(run_dir: Path) -> list[TrainingStep]:
    """The steps of a run, in order; none of an older run, and without a last line that was cut short by a kill."""
    try:
        lines = (run_dir / _STEPS).read_bytes().splitlines()
    except OSError:
        return []
    steps = []
    for line in lines:
        try:
            steps.append(TrainingStep(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return steps


# ---------------------------------------------------------------------- curated examples


def write_trained(round_dir: Path, rows: Sequence[Trained]) -> None:
    """Write ``trained.parquet`` of the stage that tuned on a round's curated pool.

    Args:
        round_dir: ``<run>/rounds/round-NNN``.
        rows: In the order of the steps.

    Raises:
        InputError: The disk is full or cannot be written.
    """
    with committed(round_dir / _TRAINED) as file:
        pq.write_table(pa.Table.from_pylist([asdict(row) for row in rows], schema=_SCHEMA), file)


def read_trained(round_dir: Path) -> list[Trained] | None:
    """What the stage of a round was tuned on; none where that is not known: before its end, or of an older run."""
    try:
        rows = pq.read_table(round_dir / _TRAINED, columns=_SCHEMA.names).to_pylist()
    except (OSError, pa.ArrowException):
        return None
    return [Trained(**row) for row in rows]
