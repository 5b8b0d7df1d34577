"""What changed between two stages: each score before and after, with the paired interval of the difference."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from reset_pl.evaluation import numbers
from reset_pl.evaluation.intervals import Interval, macro_paired_interval
from reset_pl.evaluation.paired import of_datasets, read_scores
from reset_pl.evaluation.results import DatasetScores, Stage
from reset_pl.records import Aspect, Objective

__all__ = ["Change", "change_of", "compared", "headline", "macro_changes"]

_SEED = 0
Predicate = Callable[[DatasetScores], bool]

_MACROS: dict[str, tuple[str, str, Predicate]] = {
    "faithfulness": ("Faithfulness", "faithfulness", lambda entry: True),
    "faithfulness_seen": ("… on seen sets", "faithfulness", lambda entry: entry.seen),
    "faithfulness_unseen": ("… on unseen sets", "faithfulness", lambda entry: not entry.seen),
    "instruction": ("Instruction following", "instruction", lambda entry: True),
    "task": ("Task score", "task", lambda entry: entry.group != Objective.INSTRUCTION),
}


@dataclass(frozen=True, kw_only=True)
class Change:
    """One score at two stages."""

    title: str
    """What was measured, in words."""
    before: Interval | None
    """At the earlier stage."""
    after: Interval
    """At the later stage."""
    difference: Interval | None
    """Paired difference with its interval; none without the rows of both stages."""

    @property
    def delta(self) -> float | None:
        """The difference, paired where that is known."""
        if self.difference:
            return self.difference.mean
        return self.after.mean - self.before.mean if self.before else None

    @property
    def direction(self) -> int:
        """1 risen, -1 fallen, 0 when the interval includes no change (without one: when it rounds to none)."""
        if self.difference:
            return (self.difference.low > 0) - (self.difference.high < 0)
        delta = self.delta or 0.0
        return 0 if abs(delta) < 0.005 else int(math.copysign(1, delta))


def compared(stages: Sequence[Stage]) -> tuple[Stage | None, Stage]:
    """The two stages that a report compares: MTL (else the first) and the last; no earlier one if there is but one.

    Stages that were rolled back are passed over: the run's weights are not theirs.
    """
    *earlier, after = [stage for stage in stages if not stage.rolled_back] or stages
    return next((stage for stage in earlier if stage.name == "mtl"), earlier[0] if earlier else None), after


def macro_changes(run_dir: Path, before: Stage | None, after: Stage) -> dict[str, Change]:
    """Macro average → its change, for those that the later stage has."""
    changes = {}
    held_out: dict[str, tuple[str, str, Predicate]] = {
        f"faithfulness_{name}": (f"… by the {name}", f"faithfulness_{name}", lambda entry: True)
        for name in after.held_out
    } | {
        f"instruction_{name}": (f"Instruction following by the {name}", f"instruction_{name}", lambda entry: True)
        for name in after.held_out_judges(Aspect.INSTRUCTION)
    }
    faithful = {key: entry for key, entry in _MACROS.items() if key.startswith("faithfulness")}
    for key, (title, column, keep) in (faithful | held_out | _MACROS).items():
        if key in after.macro:
            difference = _paired(run_dir, before, after, column, keep) if before else None
            earlier = before.macro.get(key) if before else None
            changes[key] = Change(title=title, before=earlier, after=after.macro[key], difference=difference)
    return changes


def change_of(before: Stage | None, after: Stage, dataset: str, score: str) -> Change | None:
    """The change of one score on one test set; None when the later stage lacks it."""
    later = after.datasets[dataset].scores.get(score)
    if later is None:
        return None
    earlier = before.datasets.get(dataset) if before else None
    return Change(title=dataset, before=earlier.scores.get(score) if earlier else None, after=later, difference=None)


def headline(changes: Mapping[str, Change], before: Stage | None, after: Stage) -> str:
    """One sentence with the run's numbers, that claims no more than the intervals allow."""
    names = {"faithfulness": "Faithfulness", "instruction": "instruction following"}
    found = {key: changes[key] for key in names if key in changes}
    if not found:
        return f"Evaluated at {after.label}"
    if before is None:
        said = " and ".join(f"{names[key]} {numbers.score(change.after.mean)}" for key, change in found.items())
        return f"{said[0].upper()}{said[1:]} at {after.label}"
    said = "; ".join(f"{names[key]} {_said(change)}" for key, change in found.items())
    return f"{said[0].upper()}{said[1:]}"


def _said(change: Change) -> str:
    """``rose from .62 to .81``, or that nothing can be said."""
    after = numbers.score(change.after.mean)
    if change.before is None:
        return f"is {after}"
    verb = {1: "rose", -1: "fell"}.get(change.direction)
    before = numbers.score(change.before.mean)
    return f"{verb} from {before} to {after}" if verb else f"shows no clear change, {before} to {after}"


def _paired(run_dir: Path, before: Stage, after: Stage, column: str, keep: Predicate) -> Interval | None:
    """The paired difference of a macro average; None when either stage's rows are missing or share no example."""
    names = {name for name, entry in after.datasets.items() if keep(entry) and column in entry.scores}
    first, second = (of_datasets(read_scores(run_dir, stage.name, column), names) for stage in (before, after))
    shared = {name: sorted(first[name].keys() & second[name].keys()) for name in first.keys() & second.keys()}
    # A macro average over some of its sets would be another number than the one beside it.
    if not names or any(not shared.get(name) for name in names):
        return None
    return macro_paired_interval(
        {name: [first[name][example] for example in ids] for name, ids in shared.items()},
        {name: [second[name][example] for example in ids] for name, ids in shared.items()},
        seed=_SEED,
    )
