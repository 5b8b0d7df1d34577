"""An answer and its verdicts → one row of ``evaluation/<stage>.parquet``."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reset_pl.files import committed
from reset_pl.judging.task import references_of
from reset_pl.judging.verdicts import is_declined
from reset_pl.metrics.coverage import bigram_coverage, unigram_coverage
from reset_pl.records import Aspect, Candidate, Example, Judge, Objective, Status, Verdict

Row = dict[str, Any]


def score_columns(held_out_judges: Sequence[Judge]) -> list[str]:
    """Names of an example's scores."""
    extra = [f"{judge.aspect}_{judge.name}" for judge in held_out_judges]
    coverage = ["unigram_coverage", "bigram_coverage"]
    return [Aspect.FAITHFULNESS, "faithfulness_raw", Aspect.TASK, Aspect.INSTRUCTION, *coverage, *extra]


def score_row(
    example: Example,
    answer: Candidate,
    verdicts: Iterable[Verdict],
    held_out_verdicts: Iterable[Verdict],
    *,
    count_tokens: Callable[[str], int] | None,
) -> Row:
    """The row of one example.

    Args:
        example: What was asked.
        answer: The answer.
        verdicts: Of the judges that give the scores, the mean where several share an aspect.
        held_out_verdicts: Of those that have a column of their own, ``<aspect>_<judge>``.
        count_tokens: Length of a reference; not kept without it.
    """
    is_question = example.objective.is_question
    references = references_of(example) if count_tokens else ()
    return {
        "example_id": example.id,
        "dataset": example.dataset,
        "text": answer.text,
        "token_count": len(answer.token_ids),
        "finish_reason": answer.finish_reason,
        "answerable": example.answerable if is_question else None,
        "declined": is_declined(example, answer.text) if is_question else None,
        "reference_token_count": max(map(count_tokens, references)) if count_tokens and references else None,
        **_coverage(example, answer.text),
        **_scores(verdicts),
        **{f"{verdict.aspect}_{verdict.judge}": verdict.score for verdict in held_out_verdicts},
    }


def _coverage(example: Example, text: str) -> Row:
    """How much of the answer is in the passages (paper, Figures 9 and 10): of extractive QA, where none declines."""
    if example.objective is not Objective.EXTRACTIVE_QA or is_declined(example, text):
        return {}
    return {
        "unigram_coverage": unigram_coverage(text, *example.passages),
        "bigram_coverage": bigram_coverage(text, *example.passages),
    }


def _scores(verdicts: Iterable[Verdict]) -> Row:
    """The mean over the judges of each aspect; ``faithfulness_raw`` beside faithfulness, unclipped."""
    scored: defaultdict[Aspect, list[Verdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.status is Status.SCORED:
            scored[verdict.aspect].append(verdict)
    scores: Row = {aspect: _mean([v.score for v in own]) for aspect, own in scored.items()}
    if Aspect.FAITHFULNESS in scored:
        own = scored[Aspect.FAITHFULNESS]
        scores["faithfulness_raw"] = _mean([v.score if v.raw is None else v.raw for v in own])
    return scores


def _mean(values: Sequence[float | None]) -> float | None:
    found = [value for value in values if value is not None]
    return sum(found) / len(found) if found else None


def write_rows(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
    """Write the rows.

    Args:
        path: The Parquet file.
        rows: One an example.
        columns: Names of the scores.

    Raises:
        InputError: The disk is full or cannot be written.
    """
    schema = pa.schema(
        {
            "example_id": pa.string(),
            "dataset": pa.string(),
            "text": pa.string(),
            "token_count": pa.int64(),
            "finish_reason": pa.string(),
            "answerable": pa.bool_(),
            "declined": pa.bool_(),
            "reference_token_count": pa.int64(),
            **{column: pa.float64() for column in columns},
        }
    )
    with committed(path) as file:
        pq.write_table(pa.Table.from_pylist(list(rows), schema=schema), file)
