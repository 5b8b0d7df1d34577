"""Table 4 of the paper from a run's stages, and a table of its rounds, as plain text.

One row a stage; columns as in the paper: faithfulness of each context-dependent test set, abstractive ones (summaries
among them) and extractive ones with their averages, then instruction following and task score, and where there are
any, declines.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TextIO

from reset_pl.evaluation import numbers
from reset_pl.evaluation.intervals import Interval
from reset_pl.evaluation.results import DatasetScores, Round, Stage, read_run
from reset_pl.evaluation.round_notes import gate_of, reason_of, scale_of, warning_of
from reset_pl.records import Objective

__all__ = [
    "RATES",
    "Column",
    "columns_of",
    "format_rounds",
    "format_table",
    "print_tables",
    "short_names",
    "shown_rates",
]

_GROUPS = {
    "abstractive": (Objective.SUMMARIZATION, Objective.ABSTRACTIVE_QA),
    "extractive": (Objective.EXTRACTIVE_QA,),
}
_SPLITS = {"faithfulness_seen": "seen", "faithfulness_unseen": "unseen"}
_GAP, _GROUP_GAP = "  ", "   "
RATES = {
    "tie": "ties",
    "duplicate": "duplicates",
    "all_equal": "all equal",
    "truncated": "truncated",
    "abstained": "abstained",
    "failed": "failed",
    "declined": "dodged",
    "declined_unanswerable": "honest declines",
}
"""Rate of a round → its heading, in the order shown."""
_DECLINED = {"declined": "dodge", "declined_unanswerable": "honest"}
"""Share of questions that were declined → its heading: a dodge where the passages answer, honest where they do not."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of scores."""

    group: str
    """Heading that it shares with its neighbours."""
    heading: str
    """Its own heading."""
    score: str
    """Key of the score, in a data set's scores or in ``macro``."""
    dataset: str | None = None
    """The test set; none for an average."""
    unseen: bool = False
    """Whether the test set's domain was not trained on."""

    def value(self, stage: Stage) -> Interval | None:
        """The score of a stage; None where it does not apply or was not measured."""
        if self.dataset is None:
            return stage.macro.get(self.score)
        entry = stage.datasets.get(self.dataset)
        return entry.scores.get(self.score) if entry else None


def columns_of(stages: Sequence[Stage], *, splits: bool = True) -> list[Column]:
    """The columns that these stages fill, from left to right.

    Args:
        stages: the rows.
        splits: whether to give the averages over seen and over unseen sets too.
    """
    datasets = {name: entry for stage in stages for name, entry in stage.datasets.items()}
    names = short_names(datasets)
    columns = []
    for group, objectives in _GROUPS.items():
        members = [entry for objective in objectives for entry in datasets.values() if entry.group == objective]
        members.sort(key=lambda entry: not entry.seen)
        columns += [_faithfulness_of(entry, group, names) for entry in members]
        columns.append(Column(group=group, heading="mean", score=f"faithfulness_{group}"))
    columns.append(Column(group="all sets", heading="mean", score="faithfulness"))
    if splits:
        columns += [Column(group="all sets", heading=heading, score=key) for key, heading in _SPLITS.items()]
    held_out = dict.fromkeys(name for stage in stages for name in stage.held_out)
    columns += [Column(group="all sets", heading=name, score=f"faithfulness_{name}") for name in held_out]
    columns.append(Column(group="", heading="IF", score="instruction"))
    columns.append(Column(group="", heading="task", score="task"))
    if any(stage.has_declines for stage in stages):
        columns += [Column(group="declines", heading=heading, score=key) for key, heading in _DECLINED.items()]
    return [column for column in columns if any(column.value(stage) for stage in stages)]


def short_names(datasets: Iterable[str]) -> dict[str, str]:
    """Data set → its name without the prefix that all of them share.

    >>> short_names(["mini_nq", "mini_cnn"])["mini_nq"], short_names(["nq", "nq_open"])["nq"]
    ('nq', 'nq')
    """
    names = list(datasets)
    prefixes = {name.partition("_")[0] for name in names if "_" in name}
    shared = len(prefixes) == 1 and len(names) > 1 and all("_" in name for name in names)
    return {name: name.partition("_")[2] if shared else name for name in names}


def format_table(stages: Sequence[Stage], *, width: int = 118) -> str:
    """Table 4 as plain text.

    Args:
        stages: the rows, in order.
        width: number of characters that a line may have. Seen and unseen averages give way first, then the
            half-intervals behind the averages; the scores themselves always stand.

    Returns:
        The table with a legend, lines ended by newlines; one line when there is nothing to show.
    """
    if not stages:
        return "no stage evaluated yet\n"
    lines: list[str] = []
    for splits, intervals in ((True, True), (False, True), (True, False), (False, False)):
        columns = columns_of(stages, splits=splits)
        lines = _lines(stages, columns, intervals)
        if max(map(len, lines)) <= width:
            break
    legend = ["faithfulness by data set"] if any(column.dataset for column in columns) else []
    if any(column.score == "instruction" for column in columns):
        legend.append("IF: instruction following")
    if any(column.unseen for column in columns):
        legend.append("* unseen in training")
    if any("±" in line for line in lines):
        legend.append("±: half of the 95% interval")
    notes = ["; ".join(legend)] if legend else []
    if any(column.score in _DECLINED for column in columns):
        notes.append("declines: share of questions; a dodge where the passages answer, honest where they do not")
    return "\n".join([*lines, *(["", *notes] if notes else [])]) + "\n"


def format_rounds(rounds: Sequence[Round]) -> str:
    """Each round as a small table: per data set how much was drawn and kept, and how often judging could not decide."""
    rates = shown_rates(rounds)
    return "\n".join("\n".join(_round_lines(entry, rates)) + "\n" for entry in rounds)


def shown_rates(rounds: Sequence[Round]) -> dict[str, str]:
    """Rate → its heading, as in ``RATES``; those of declines only where a round has some to tell of."""
    if any(entry.has_declines for entry in rounds):
        return RATES
    return {key: heading for key, heading in RATES.items() if key not in _DECLINED}


def print_tables(run_dir: Path, stream: TextIO | None = None) -> None:
    """Write both tables of a run; to standard output unless told otherwise."""
    run = read_run(run_dir)
    stream = stream or sys.stdout
    stream.write(format_table(run.stages))
    if run.rounds:
        stream.write("\n" + format_rounds(run.rounds))
    stream.flush()  # or a later error line would stand before the table where both go to one file


def _faithfulness_of(entry: DatasetScores, group: str, names: dict[str, str]) -> Column:
    """The column of one test set."""
    heading = names[entry.name] if entry.seen else f"{names[entry.name]}*"
    return Column(group=group, heading=heading, score="faithfulness", dataset=entry.name, unseen=not entry.seen)


def _lines(stages: Sequence[Stage], columns: Sequence[Column], intervals: bool) -> list[str]:
    """Headings, a rule and the rows, aligned."""
    cells = [[_cell(column, stage, intervals) for column in columns] for stage in stages]
    widths = [
        max(len(column.heading), *map(len, column_cells))
        for column, column_cells in zip(columns, zip(*cells, strict=True), strict=True)
    ]
    labels = ["stage", *(stage.label for stage in stages)]
    label_width = max(map(len, labels))
    gaps = [_GAP if left.group == right.group else _GROUP_GAP for left, right in pairwise(columns)]
    rows = [[column.heading for column in columns], *cells]
    lines = [
        label.ljust(label_width)
        + "".join(gap + cell.rjust(w) for gap, cell, w in zip([_GROUP_GAP, *gaps], row, widths, strict=True))
        for label, row in zip(labels, rows, strict=True)
    ]
    groups = _group_line(columns, widths, gaps, label_width)
    return [groups, lines[0], "─" * max(map(len, [groups, *lines])), *lines[1:]]


def _group_line(columns: Sequence[Column], widths: Sequence[int], gaps: Sequence[str], start: int) -> str:
    """The groups' names, each ruled to the right end of its columns."""
    line = " " * start
    position = start
    for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
        position += len(_GROUP_GAP if index == 0 else gaps[index - 1])
        if index == 0 or columns[index - 1].group != column.group:
            line = line.ljust(position) + (f"{column.group} " if column.group else "")
        position += width
        if column.group:
            line = line.ljust(position, "─")
    return line.rstrip()


def _cell(column: Column, stage: Stage, intervals: bool) -> str:
    """A score, with its half-interval when it is one of the averages that have one."""
    value = column.value(stage)
    if value is None:
        return numbers.MISSING
    text = numbers.score(value.mean)
    if not intervals or column.dataset is not None or column.score in {**_SPLITS, **_DECLINED}:
        return text
    return f"{text} ±{numbers.score(value.half_width)}"


def _round_lines(entry: Round, rates: Mapping[str, str]) -> list[str]:
    """A title, the table of data sets, then the mean scores, the seconds and what was left out."""
    datasets = list(
        dict.fromkeys([*entry.numbers_by_dataset("counts_per_dataset"), *entry.numbers_by_dataset("rates_per_dataset")])
    )
    heading = ["data set", "prompts", "candidates", "selected", *rates.values()]
    rows = [_round_row(entry, name, rates) for name in datasets]
    title = f"round {entry.number}" + ("" if entry.is_complete else " (running)")
    table = numbers.aligned([heading, *rows]) if rows else []
    return [title, *table, *_round_notes(entry)]


def _round_row(entry: Round, dataset: str, rates: Mapping[str, str]) -> list[str]:
    """One data set's counts and rates."""
    counts = entry.numbers_by_dataset("counts_per_dataset").get(dataset, {})
    shares = entry.numbers_by_dataset("rates_per_dataset").get(dataset, {})
    return [
        dataset,
        *(numbers.count(counts.get(key)) for key in ("prompts", "candidates", "selected")),
        *(numbers.share(shares.get(key)) for key in rates),
    ]


def _round_notes(entry: Round) -> list[str]:
    """The facts of a round that are no table."""
    scale, warning = scale_of(entry), warning_of(entry)
    scores = [f"{key} {numbers.score(value)}" for key, value in entry.numbers("mean_score").items()]
    notes = {
        "mean score": [", ".join(scores) + (f" ({scale})" if scale else "")] if scores else [],
        "time": [f"{key} {numbers.duration(value)}" for key, value in entry.numbers("seconds").items()],
        "left out": [
            "; ".join(f"{numbers.count(n)} {reason_of(key)}" for key, n in entry.numbers("left_out").items() if n)
        ],
        "warning": [warning],
        "gate": [gate_of(entry)],
    }
    return [f"{title}: {', '.join(parts)}" for title, parts in notes.items() if any(parts)]
