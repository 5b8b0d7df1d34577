"""Test answers before and after: of every test set how many rose and fell, and those that did most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reset_pl.evaluation.results import Stage
from reset_pl.evaluation.table import short_names
from reset_pl.records import Aspect
from reset_pl.visible import visible

__all__ = ["ChangedAnswer", "ChangedSet", "changed_sets"]

_SHOWN = 2
"""Gains of a set, and as many losses."""
_TEXT_LIMIT = 700
_SAME = 0.005
"""Difference below which two scores print alike."""


@dataclass(frozen=True, kw_only=True)
class ChangedAnswer:
    """One test example, answered by both stages."""

    example_id: str
    before: str
    """The earlier answer, cut when very long."""
    after: str
    scores: list[tuple[str, float | None, float | None]]
    """Score, before and after; the one that the set measures first."""
    delta: float
    """After less before, of that one."""


@dataclass(frozen=True, kw_only=True)
class ChangedSet:
    """A test set."""

    name: str
    short: str
    seen: bool
    aspect: str
    """What the set measures: ``faithfulness`` or ``instruction``."""
    rose: int
    """Answers with a higher score than before."""
    fell: int
    same: int
    unpaired: int
    """Examples without that score at one of the stages: declines, failures, or rows that were not kept."""
    gains: list[ChangedAnswer]
    """The largest gains, at most a few."""
    losses: list[ChangedAnswer]
    """The largest losses, as many."""


def changed_sets(run_dir: Path, before: Stage | None, after: Stage) -> list[ChangedSet]:
    """Every test set that both stages answered, the seen ones first.

    Args:
        run_dir: The run's directory.
        before: The earlier stage.
        after: The later one.

    Returns:
        The sets; none where there is no earlier stage, or the rows of either were not kept.
    """
    earlier = _rows(run_dir, before.name) if before else {}
    later = _rows(run_dir, after.name) if earlier else {}
    names = short_names(after.datasets)
    found = []
    for name, entry in sorted(after.datasets.items(), key=lambda item: not item[1].seen):
        aspect = str(Aspect.FAITHFULNESS if entry.is_context_dependent else Aspect.INSTRUCTION)
        ids = [key for key, row in later.items() if row["dataset"] == name and key in earlier]
        pairs = [(earlier[key], later[key]) for key in ids]
        scored = [pair for pair in pairs if None not in (_score(pair[0], aspect), _score(pair[1], aspect))]
        if scored:
            held_out = [f"{aspect}_{judge}" for judge in after.held_out_judges(Aspect(aspect))]
            answers = [_answer(*pair, [aspect, *held_out, "task"]) for pair in scored]
            found.append(_set(name, names[name], entry.seen, aspect, answers, unpaired=entry.n - len(scored)))
    return found


def _set(
    name: str, short: str, seen: bool, aspect: str, answers: Sequence[ChangedAnswer], *, unpaired: int
) -> ChangedSet:
    rose = [one for one in answers if one.delta >= _SAME]
    fell = [one for one in answers if one.delta <= -_SAME]

    def largest(some: Sequence[ChangedAnswer]) -> list[ChangedAnswer]:
        # Of equal changes the shorter answers: they are read sooner.
        order = sorted(some, key=lambda one: (-round(abs(one.delta), 6), len(one.before + one.after), one.example_id))
        return order[:_SHOWN]

    return ChangedSet(
        name=name, short=short, seen=seen, aspect=aspect, rose=len(rose), fell=len(fell),
        same=len(answers) - len(rose) - len(fell), unpaired=max(unpaired, 0), gains=largest(rose), losses=largest(fell),
    )  # fmt: skip


def _answer(before: Mapping[str, Any], after: Mapping[str, Any], columns: Sequence[str]) -> ChangedAnswer:
    scores = [(column, _score(before, column), _score(after, column)) for column in columns]
    _, first, second = scores[0]
    return ChangedAnswer(
        example_id=visible(str(after["example_id"])),
        before=_text(before),
        after=_text(after),
        scores=[entry for entry in scores if entry[1:] != (None, None)],
        delta=(second or 0.0) - (first or 0.0),
    )


def _rows(run_dir: Path, stage: str) -> dict[str, dict[str, Any]]:
    """Example id → its row; nothing where the rows were not kept, cannot be read or have no texts."""
    try:
        table = pq.read_table(run_dir / "evaluation" / f"{stage}.parquet")
    except (OSError, pa.ArrowException):
        return {}
    if not {"example_id", "dataset", "text"} <= set(table.column_names):
        return {}
    return {row["example_id"]: row for row in table.to_pylist()}


def _score(row: Mapping[str, Any], column: str) -> float | None:
    value = row.get(column)
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None


def _text(row: Mapping[str, Any]) -> str:
    text = str(row["text"] or "")
    cut = text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT].rstrip()} … [{len(text):,} characters]"
    return visible(cut)
