"""Judging some stored candidates again: how noisy is a judge?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reset_pl.data.curated import example_from_json
from reset_pl.errors import InputError
from reset_pl.evaluation.health.judged import JudgeColumns, Judged
from reset_pl.evaluation.health.statistics import differences
from reset_pl.judging.forecast import ForecastingJudge
from reset_pl.judging.remote import RemoteJudge
from reset_pl.progress import Progress, say
from reset_pl.records import Candidate, Example, Judge
from reset_pl.rounds.outlook import check_budget, describe
from reset_pl.rounds.tables import candidate_from_row

__all__ = ["retest"]


def retest(judged: Judged, judges: Sequence[Judge], count: int, seed: int = 0) -> dict[str, dict[str, Any]]:
    """Have judges rate answers again that they have rated, and compare.

    No answer is asked about twice: a judge may ask once about equal ones. The judges' caches must be off.

    Args:
        judged: The rounds' candidates and verdicts.
        judges: Those of the configuration; one that rated nothing in these rounds is left out.
        count: Number of candidates for each judge to rate again; all that there are, if fewer.
        seed: Equal seeds, rounds and counts choose equal candidates.

    Returns:
        Judge → ``differences`` of the scores, ``status_changed`` (verdicts that have a score no more), ``cost``, the
        ``version`` now and the ``models`` that answered.

    Raises:
        InputError: None of the judges rated anything in these rounds, or a budget does not cover the work.
    """
    columns = {judge.name: judge for judge in judged.judges if (judge.is_scored & ~judged.is_reference).any()}
    known = [judge for judge in judges if judge.name in columns]
    if not known:
        raise InputError(
            f"expected --config with a judge of these rounds ({', '.join(columns) or 'none scored anything'}), but it "
            f"has {', '.join(judge.name for judge in judges)}"
        )
    found = {}
    for judge in known:
        rows = _sample(judged, columns[judge.name], count, seed)
        found[judge.name] = _again(judge, columns[judge.name].score[rows], list(_load(judged, rows)))
    return found


def _sample(judged: Judged, judge: JudgeColumns, count: int, seed: int) -> NDArray[np.int64]:
    """Rows of candidates that the judge scored, no text of an example twice."""
    rows = np.flatnonzero(judge.is_scored & ~judged.is_reference)
    _, first = np.unique(np.stack([judged.example[rows], judged.text[rows]]), axis=1, return_index=True)
    rows = rows[np.sort(first)]
    return np.sort(np.random.default_rng(seed).choice(rows, min(count, len(rows)), replace=False))


def _load(judged: Judged, rows: NDArray[np.int64]) -> Iterator[tuple[Example, Candidate]]:
    """The records of these rows, in order; of the tables only what is needed is kept in memory."""
    for place, path in enumerate(judged.rounds):
        own = judged.row[rows[judged.round[rows] == place]]
        if not len(own):
            continue
        table = pq.read_table(path / "candidates.parquet", memory_map=True).take(own).to_pylist()
        wanted = [row["example_id"] for row in table]
        prompts = pq.read_table(path / "prompts.parquet", filters=[("example_id", "in", wanted)]).to_pylist()
        examples = {row["example_id"]: example_from_json(row["example"]) for row in prompts}
        for row in table:
            yield examples[row["example_id"]], candidate_from_row(row)


def _again(judge: Judge, before: NDArray[np.float64], pairs: Sequence[tuple[Example, Candidate]]) -> dict[str, Any]:
    if isinstance(judge, ForecastingJudge):
        forecast = judge.forecast(pairs)
        say(f"retest: {describe(forecast)}")
        check_budget(forecast, judge, spent=0.0, work="retest", cut="lower --retest")
    if isinstance(judge, RemoteJudge):
        judge.share(1)
    verdicts = {}
    with Progress(len(pairs), f"{judge.name} again", "candidates") as progress:
        for verdict in judge.judge(pairs):
            verdicts[verdict.candidate_id] = verdict
            progress.advance()
    again = [verdicts.get(candidate.id) for _, candidate in pairs]
    both = [(old, new.score) for old, new in zip(before, again, strict=True) if new and new.score is not None]
    return differences([old for old, _ in both], [new for _, new in both]) | {
        "status_changed": len(pairs) - len(both),
        "cost": sum(verdict.cost for verdict in verdicts.values()),
        "version": judge.version,
        "models": dict(Counter(verdict.model for verdict in verdicts.values() if verdict.model)),
    }
