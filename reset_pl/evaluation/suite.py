"""A checkpoint's scores on every test set (paper, section 2.2): one greedy answer an example, judged as in a round."""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reset_pl.evaluation.intervals import Interval, bootstrap_interval, macro_interval
from reset_pl.files import committed
from reset_pl.judging.task import references_of
from reset_pl.judging.verdicts import is_declined
from reset_pl.metrics.coverage import bigram_coverage, unigram_coverage
from reset_pl.progress import Progress
from reset_pl.records import Aspect, Candidate, Example, Judge, Objective, Status, Verdict
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.ranks import Ranks, check_interruption, leaving_together, wait_until
from reset_pl.sampling.decoding import GreedyPlan, Sampler

Row = dict[str, Any]
_ABSTRACTIVE = (Objective.ABSTRACTIVE_QA, Objective.SUMMARIZATION)
_DECLINED = {"declined": True, "declined_unanswerable": False}
"""Share of answers that decline → whether it is over the questions that their passages answer, or over the others."""


@dataclass(frozen=True, kw_only=True)
class EvaluationSettings:
    """What an evaluation is of."""

    stage: str
    """Name of the stage: ``start``, ``mtl``, ``round-000``, …"""
    step: int
    """Optimizer steps taken."""
    policy: str
    """Fingerprint of the weights."""
    commit: str | None
    """Commit of the code."""
    seen: frozenset[str]
    """Data sets that were trained on."""
    max_new_tokens: int
    """Length limit of an answer."""
    chunk_size: int = 256
    """Examples answered together; equal chunks give equal answers."""


def evaluate(
    directory: Path,
    settings: EvaluationSettings,
    *,
    examples: Mapping[str, Sequence[Example]],
    sampler: Sampler,
    judges: Sequence[Judge],
    held_out_judges: Sequence[Judge],
    ranks: Ranks | None = None,
    count_tokens: Callable[[str], int] | None = None,
) -> Path:
    """Answer and score every example; write ``<stage>.json`` and ``<stage>.parquet``.

    Args:
        directory: The run's ``evaluation`` folder.
        settings: What is evaluated.
        examples: Data set → its examples.
        sampler: Answers; holds the policy already.
        judges: Give the scores of their aspects, the mean where several share one.
        held_out_judges: Each gives a column of its own, ``<aspect>_<judge>``; they never take part in selection.
        ranks: This process among several.
        count_tokens: Length of a reference, in tokens of the policy (``Encoder.num_tokens``); not kept without it.

    Returns:
        The JSON file.

    Raises:
        Interrupted: The process, or another rank, was asked to stop; the evaluation is done anew at the next start.
    """
    ranks = ranks or Ranks()
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / f"{settings.stage}.json"
    ledger = Ledger(directory / f".{settings.stage}")
    if ranks.rank == 0:
        shutil.rmtree(ledger.directory, ignore_errors=True)
        ledger.parts.mkdir(parents=True)
    ranks.barrier()
    shares = [ledger.parts / f"{rank}.parquet" for rank in range(ranks.world_size)]
    columns = score_columns(held_out_judges)
    with leaving_together(ledger, ranks):
        own = _share(examples, settings.chunk_size, ranks)
        rows = _answer_and_score(own, settings, sampler, judges, held_out_judges, ledger, count_tokens)
        _write_rows(shares[ranks.rank], rows, columns)
        wait_until(lambda: all(share.exists() for share in shares), ledger)
    if ranks.rank == 0:
        rows = sorted((row for share in shares for row in pq.read_table(share).to_pylist()), key=_by_example)
        _write_rows(directory / f"{settings.stage}.parquet", rows, columns)
        with committed(path) as file:
            file.write((json.dumps(summarise(rows, examples, settings, columns), indent=2) + "\n").encode())
        shutil.rmtree(ledger.directory)
    ranks.barrier()
    return path


def score_columns(held_out_judges: Sequence[Judge]) -> list[str]:
    """Names of an example's scores."""
    extra = [f"{judge.aspect}_{judge.name}" for judge in held_out_judges]
    coverage = ["unigram_coverage", "bigram_coverage"]
    return [Aspect.FAITHFULNESS, "faithfulness_raw", Aspect.TASK, Aspect.INSTRUCTION, *coverage, *extra]


def _share(examples: Mapping[str, Sequence[Example]], size: int, ranks: Ranks) -> list[list[Example]]:
    """This rank's chunks; which examples make a chunk does not depend on the number of ranks."""
    chunks = [
        list(rows[start : start + size]) for _, rows in sorted(examples.items()) for start in range(0, len(rows), size)
    ]
    return chunks[ranks.rank :: ranks.world_size]


def _answer_and_score(
    chunks: Sequence[Sequence[Example]],
    settings: EvaluationSettings,
    sampler: Sampler,
    judges: Sequence[Judge],
    held_out_judges: Sequence[Judge],
    ledger: Ledger,
    count_tokens: Callable[[str], int] | None,
) -> list[Row]:
    plan = GreedyPlan(settings.max_new_tokens)
    rows: list[Row] = []
    with Progress(sum(map(len, chunks)), f"evaluating {settings.stage}", "examples") as progress:
        for chunk in chunks:
            check_interruption(ledger)
            by_id = {example.id: example for example in chunk}
            pairs = [(by_id[candidate.example_id], candidate) for candidate in sampler.sample(chunk, plan)]
            scores: dict[str, Row] = {candidate.id: {} for _, candidate in pairs}
            _add_scores(scores, pairs, judges)
            for judge in held_out_judges:
                for verdict in judge.judge(pairs):
                    scores[verdict.candidate_id][f"{judge.aspect}_{judge.name}"] = verdict.score
            rows.extend(_row(example, candidate, scores[candidate.id], count_tokens) for example, candidate in pairs)
            progress.advance(len(chunk))
    return rows


def _add_scores(scores: dict[str, Row], pairs: Sequence[tuple[Example, Candidate]], judges: Sequence[Judge]) -> None:
    """The mean over the judges of each aspect; ``faithfulness_raw`` beside faithfulness, unclipped."""
    verdicts: defaultdict[tuple[str, Aspect], list[Verdict]] = defaultdict(list)
    for judge in judges:
        for verdict in judge.judge(pairs):
            if verdict.status is Status.SCORED:
                verdicts[verdict.candidate_id, verdict.aspect].append(verdict)
    for (candidate_id, aspect), own in verdicts.items():
        scores[candidate_id][aspect] = _mean([v.score for v in own if v.score is not None])
        if aspect is Aspect.FAITHFULNESS:
            raws = [v.raw if v.raw is not None else v.score for v in own]
            scores[candidate_id]["faithfulness_raw"] = _mean([raw for raw in raws if raw is not None])


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _row(example: Example, candidate: Candidate, scores: Row, count_tokens: Callable[[str], int] | None) -> Row:
    is_question = example.objective.is_question
    references = references_of(example) if count_tokens else ()
    return {
        "example_id": example.id,
        "dataset": example.dataset,
        "text": candidate.text,
        "token_count": len(candidate.token_ids),
        "finish_reason": candidate.finish_reason,
        "answerable": example.answerable if is_question else None,
        "declined": is_declined(example, candidate.text) if is_question else None,
        "reference_token_count": max(map(count_tokens, references)) if count_tokens and references else None,
        **_coverage(example, candidate.text),
        **scores,
    }


def _coverage(example: Example, text: str) -> Row:
    """How much of the answer is in the passages (paper, Figures 9 and 10): of extractive QA, where none declines."""
    if example.objective is not Objective.EXTRACTIVE_QA or is_declined(example, text):
        return {}
    return {
        "unigram_coverage": unigram_coverage(text, *example.passages),
        "bigram_coverage": bigram_coverage(text, *example.passages),
    }


def _by_example(row: Row) -> tuple[str, str]:
    return row["dataset"], row["example_id"]


def _write_rows(path: Path, rows: Sequence[Row], columns: Sequence[str]) -> None:
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


# ---------------------------------------------------------------------- summary


def summarise(
    rows: Sequence[Row],
    examples: Mapping[str, Sequence[Example]],
    settings: EvaluationSettings,
    columns: Sequence[str],
) -> dict[str, Any]:
    """The content of ``<stage>.json``: means with 95% bootstrap intervals per data set, and macro averages."""
    by_dataset: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_dataset[row["dataset"]].append(row)
    groups = {name: examples[name][0].objective for name in by_dataset}
    datasets = {
        name: {
            "group": str(groups[name]),
            "seen": name in settings.seen,
            "n": len(own),
            "truncated": _mean([row["finish_reason"] == "length" for row in own]),
            **{column: _interval(_values(own, column)) for column in columns},
            "n_faithfulness": len(_values(own, Aspect.FAITHFULNESS)),
            **{key: _interval(_declined(own, answerable)) for key, answerable in _DECLINED.items()},
            "length": _interval([float(row["token_count"]) for row in own]),
        }
        for name, own in sorted(by_dataset.items())
    }
    return {
        "stage": settings.stage,
        "step": settings.step,
        "policy": settings.policy,
        "commit": settings.commit,
        "datasets": datasets,
        "macro": _macro(by_dataset, groups, settings.seen, columns),
    }


def _values(rows: Sequence[Row], column: str) -> list[float]:
    return [row[column] for row in rows if row.get(column) is not None]


def _declined(rows: Sequence[Row], answerable: bool) -> list[float]:
    """1 for each answer that declines and 0 for each that does not, of the questions that are answerable or not."""
    return [float(row["declined"]) for row in rows if row["answerable"] is answerable]


def _interval(values: Sequence[float]) -> dict[str, float] | None:
    return bootstrap_interval(values, seed=0).to_json() if values else None


def _macro(
    by_dataset: Mapping[str, Sequence[Row]],
    groups: Mapping[str, Objective],
    seen: frozenset[str],
    columns: Sequence[str],
) -> dict[str, Any]:
    """Macro averages over data sets; faithfulness columns also by group and by seen and unseen sets."""
    subsets: dict[str, set[str]] = {
        "seen": {name for name in groups if name in seen},
        "unseen": {name for name in groups if name not in seen},
        "extractive": {name for name, group in groups.items() if group is Objective.EXTRACTIVE_QA},
        "abstractive": {name for name, group in groups.items() if group in _ABSTRACTIVE},
    }
    macro: dict[str, Any] = {}
    for column in columns:
        values = {name: own for name, rows in by_dataset.items() if (own := _values(rows, column))}
        macro[column] = _macro_json(values)
        if column.startswith(Aspect.FAITHFULNESS):
            for suffix, names in subsets.items():
                macro[f"{column}_{suffix}"] = _macro_json({name: values[name] for name in values if name in names})
    for key, answerable in _DECLINED.items():
        shares = {name: _declined(rows, answerable) for name, rows in by_dataset.items()}
        macro[key] = _macro_json({name: own for name, own in shares.items() if own})
    return macro


def _macro_json(values: Mapping[str, Sequence[float]]) -> dict[str, float] | None:
    if not values:
        return None
    interval: Interval = macro_interval(values, seed=0)
    return interval.to_json()
