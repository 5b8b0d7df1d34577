"""Figures 4 and 9 to 14: length, faithfulness, task and instruction following over the checkpoints of a run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reset_pl.evaluation.intervals import Interval, macro_interval
from reset_pl.evaluation.paired import read_scores
from reset_pl.figures.curves import Panel, curves
from reset_pl.figures.style import plain
from reset_pl.figures.subjects import NotPossible, Result, Source, Subject
from reset_pl.records import Objective

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["lengths", "scores_of_sets"]

_GROUPS = {
    Objective.INSTRUCTION: "instructions",
    Objective.SUMMARIZATION: "summaries",
    Objective.ABSTRACTIVE_QA: "abstractive QA",
    Objective.EXTRACTIVE_QA: "extractive QA",
}
_LINES: Mapping[str, tuple[tuple[Objective, ...], Mapping[str, str]]] = {
    "extractive": (
        (Objective.EXTRACTIVE_QA,),
        {
            "faithfulness": "span coverage",
            "task": "task (exact match)",
            "unigram_coverage": "unigram coverage",
            "bigram_coverage": "bigram coverage",
        },
    ),
    "instruction": ((Objective.INSTRUCTION,), {"instruction": "instruction following"}),
    "abstractive": (
        (Objective.ABSTRACTIVE_QA, Objective.SUMMARIZATION),
        {"faithfulness": "faithfulness", "task": "task (ROUGE-L)"},
    ),
}
"""Kind of test sets → their objectives, and their scores with the names of the lines."""


def lengths(source: Source, arms: Sequence[str]) -> Figure:
    """Mean length of the answers by kind of test set, each set weighing the same, over the checkpoints.

    Args:
        source: A study or a run.
        arms: Of a study; the first is drawn that was evaluated twice at least.

    Raises:
        NotPossible: There are not two checkpoints with rows.
    """
    panel = Panel()
    checkpoints, steps = _checkpoints(source, arms)
    for step, subject in checkpoints:
        for group, title in _GROUPS.items():
            length = subject.score(lambda result, group=group: _length(result, group))  # type: ignore[misc]
            if length:
                panel.lines.setdefault(title, []).append((step, length))
    if not panel.lines:
        raise NotPossible("needs the rows of the evaluations, evaluation/*.parquet")
    return curves([panel], steps, f"length, tokens ({source.bars})", bounded=False)


def scores_of_sets(source: Source, arms: Sequence[str], kind: str) -> Figure:
    """A panel a test set, a line a score.

    Args:
        source: A study or a run.
        arms: Of a study; the first is drawn that was evaluated twice at least.
        kind: ``extractive``, ``instruction`` or ``abstractive``.

    Raises:
        NotPossible: There are not two checkpoints, or no test set of the kind.
    """
    objectives, scores = _LINES[kind]
    panels: dict[str, Panel] = {}
    checkpoints, steps = _checkpoints(source, arms)
    for step, subject in checkpoints:
        sets = {
            name
            for result in subject.results
            for name, entry in result.stage.datasets.items()
            if entry.group in objectives
        }
        for name in sorted(sets):
            panel = panels.setdefault(name, Panel(title=name))
            for key, title in scores.items():
                score = subject.score(lambda result, name=name, key=key: _score(result, name, key))  # type: ignore[misc]
                if score:
                    panel.lines.setdefault(title, []).append((step, score))
    found = [panel for _, panel in sorted(panels.items()) if panel.lines]
    if not found:
        raise NotPossible(f"needs scores of a test set of the kind {', '.join(objectives)}")
    return curves(found, steps, f"score ({source.bars})")


def _checkpoints(source: Source, arms: Sequence[str]) -> tuple[list[tuple[int, Subject]], str]:
    """What was evaluated at each step, and what the steps are of."""
    if not source.is_study:
        found = source.checkpoints("")
        if len(found) > 1:
            return found, "optimizer steps"
        raise NotPossible(f"needs evaluations of two checkpoints at least, but there are {len(found)}")
    for arm in arms:
        found = source.checkpoints(arm)
        if len(found) > 1:
            return found, f"optimizer steps of {plain(source.subject(arm).title)}"
    raise NotPossible(f"needs evaluations of two checkpoints of the arm {' or '.join(arms)} at least")


def _score(result: Result, name: str, key: str) -> Interval | None:
    entry = result.stage.datasets.get(name)
    return entry.scores.get(key) if entry else None


def _length(result: Result, group: Objective) -> Interval | None:
    names = {name for name, entry in result.stage.datasets.items() if entry.group == group}
    counts: defaultdict[str, list[float]] = defaultdict(list)
    for name, own in read_scores(result.run, result.stage.name, "token_count").items():
        if name in names:
            counts[name] = [own[example] for example in sorted(own)]
    return macro_interval(counts, seed=0) if counts else None
