"""Figures 3, 5, 6 and 7: what tuning on the other objective did, all in all and where the lengths are alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from reset_pl.evaluation.changes import compared
from reset_pl.evaluation.intervals import Interval, macro_interval
from reset_pl.evaluation.paired import read_scores
from reset_pl.figures.bars import grouped_bars
from reset_pl.figures.subjects import NotPossible, Result, Source, Subject
from reset_pl.records import Objective

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["by_reference_length", "change", "like_length"]

Arms: TypeAlias = tuple[str, str, str]
"""Before, after, and a control of as many steps after the same start, which may be missing."""
Values: TypeAlias = Mapping[str, Sequence[float]]
"""Test set → scores of its examples."""

_ABSTRACTIVE = (Objective.ABSTRACTIVE_QA, Objective.SUMMARIZATION)
_SCORES = {
    "instruction": "instruction\nfollowing",
    "faithfulness_abstractive": "faithfulness,\nabstractive",
    "faithfulness_extractive": "faithfulness,\nextractive",
    "task": "task",
}


def change(source: Source, arms: Arms) -> Figure:
    """Macro averages of the arms.

    Raises:
        NotPossible: One of the first two has no result.
    """
    shown = _arms(source, arms)
    keys = [key for key in _SCORES if any(subject.macro(key) for subject in shown)]
    bars = [(subject.title, [subject.macro(key) for key in keys]) for subject in shown]
    return grouped_bars([_SCORES[key] for key in keys], bars, f"score ({source.bars})")


def by_reference_length(source: Source, arms: Arms, longer: int) -> Figure:
    """Faithfulness of abstractive answers no longer than the reference, and of those much longer, before and after.

    Args:
        source: A study or a run.
        arms: Of a study; of a run the two stages that its report compares.
        longer: By how many tokens an answer is much longer (paper: 100).

    Raises:
        NotPossible: The lengths of the references were not kept, or no answer is that long.
    """
    subjects = _subjects(source, arms)
    groups: dict[str, Callable[[float, float], bool]] = {
        "no longer than\nthe reference": lambda length, reference: length <= reference,
        f"more than {longer} tokens\nlonger": lambda length, reference: length > reference + longer,
    }
    found = {
        title: [[_of_length(result, keep) for result in subject.results] for subject in subjects]
        for title, keep in groups.items()
    }
    for title, values in found.items():
        if not _shared(values):
            raise NotPossible(
                f"needs abstractive answers that are {' '.join(title.split())}, before and after (--longer)"
            )
    return _bars(source, subjects, found, "faithfulness")


def like_length(source: Source, arms: Arms, similar: int) -> Figure:
    """Instruction following before and after: all examples, and those whose two answers are of like length.

    Args:
        source: A study or a run.
        arms: Of a study; of a run the two stages that its report compares.
        similar: By how many tokens the lengths differ at most (paper: 10).

    Raises:
        NotPossible: The rows were not kept, or no two answers are so alike.
    """
    first, second = _subjects(source, arms)[:2]
    seeds = [(before, after) for after in second.results if (before := _partner(first, after))]
    limits = {"all examples": math.inf, f"lengths differ by\nat most {similar} tokens": similar}
    found = {}
    for title, limit in limits.items():
        pairs = [_alike(before, after, limit) for before, after in seeds]
        found[title] = [[before for before, _ in pairs], [after for _, after in pairs]]
        if not _shared(found[title]):
            raise NotPossible(f"needs rows of both with instruction following, {' '.join(title.split())} (--similar)")
    return _bars(source, (first, second), found, "instruction following")


def _partner(subject: Subject, other: Result) -> Result | None:
    """The result of the same seed; that of an arm that is run once stands for all seeds."""
    found = [result for result in subject.results if result.seed == other.seed]
    return found[0] if found else subject.results[0] if len(subject.results) == 1 else None


def _arms(source: Source, arms: Arms) -> list[Subject]:
    first, second, control = arms
    controls = [subject for subject in source.subjects if subject.name == control]
    return [source.subject(first), source.subject(second), *controls]


def _subjects(source: Source, arms: Arms) -> list[Subject]:
    if source.is_study:
        return _arms(source, arms)
    before, after = compared([subject.results[0].stage for subject in source.subjects])
    if before is None:
        raise NotPossible("needs two stages of a run")
    by_name = {subject.name: subject for subject in source.subjects}
    return [by_name[before.name], by_name[after.name]]


def _of_length(result: Result, keep: Callable[[float, float], bool]) -> Values:
    """Faithfulness of the abstractive answers whose length and whose reference's satisfy ``keep``."""
    scores, lengths, references = (
        read_scores(result.run, result.stage.name, column)
        for column in ("faithfulness", "token_count", "reference_token_count")
    )
    if not references:
        raise NotPossible("needs the column reference_token_count in evaluation/*.parquet; older runs lack it")
    names = [name for name, entry in result.stage.datasets.items() if entry.group in _ABSTRACTIVE and name in scores]
    return {
        name: [
            score
            for example, score in sorted(scores[name].items())
            if example in references.get(name, {}) and keep(lengths[name][example], references[name][example])
        ]
        for name in names
    }


def _alike(before: Result, after: Result, limit: float) -> tuple[Values, Values]:
    """The scores of both on the examples that both answer at like length."""
    scores = [read_scores(result.run, result.stage.name, "instruction") for result in (before, after)]
    lengths = [read_scores(result.run, result.stage.name, "token_count") for result in (before, after)]
    kept = {
        name: [
            example
            for example in sorted(scores[0][name].keys() & scores[1][name].keys())
            if abs(lengths[0][name][example] - lengths[1][name][example]) <= limit
        ]
        for name in scores[0].keys() & scores[1].keys()
    }
    one, other = ({name: [own[name][example] for example in ids] for name, ids in kept.items()} for own in scores)
    return one, other


def _shared(sides: Sequence[Sequence[Values]]) -> list[str]:
    """The test sets that have a value on both sides at every seed: only these can be averaged over and compared."""
    names = [{name for name, own in values.items() if own} for side in sides for values in side]
    return sorted(set.intersection(*names)) if names else []


def _bars(
    source: Source, subjects: Sequence[Subject], found: Mapping[str, Sequence[Sequence[Values]]], ylabel: str
) -> Figure:
    """Group → for each side, for each seed, its values → bars of macro averages, with the numbers of examples."""
    bars: list[tuple[str, list[Interval | None]]] = []
    counts: list[list[int]] = []
    for index, subject in enumerate(subjects):
        averages = [
            [macro_interval({name: own[name] for name in _shared(sides)}, seed=0) for own in sides[index]]
            for sides in found.values()
        ]
        bars.append((subject.title, [subject.averaged(seeds) for seeds in averages]))
        counts.append([sum(average.n for average in seeds) for seeds in averages])
    return grouped_bars(list(found), bars, f"{ylabel} ({source.bars})", counts=counts)
