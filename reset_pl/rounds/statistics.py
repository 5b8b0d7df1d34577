"""What a round's manifest says of it: counts, rates, mean scores and win rates."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from reset_pl.judging.verdicts import is_declined
from reset_pl.records import Candidate, Example, Selection, Status, Verdict
from reset_pl.rounds.selection import Scored, Selector, Verdicts

REFERENCE = "reference"
"""Procedure of an example's own response, judged beside the candidates for comparison and never selected."""


def round_statistics(
    examples: Mapping[str, Example],
    candidates: Mapping[str, Sequence[Candidate]],
    verdicts: Verdicts,
    selections: Sequence[Selection],
    selector: Selector,
) -> dict[str, Any]:
    """The manifest's counts, rates, mean scores and win rates.

    Args:
        examples: Example id → prompt.
        candidates: Example id → its candidates, references included.
        verdicts: Candidate id → its verdicts.
        selections: One an example, decided or left out.
        selector: Scores candidates as the selection did.
    """
    rows = [_example_row(examples[s.example_id], candidates[s.example_id], verdicts, s, selector) for s in selections]
    by_dataset: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        by_dataset[row["dataset"]].append(row)
    return {
        "weights": asdict(selector.weights),
        "counts": _counts(rows),
        "counts_per_dataset": {name: _counts(own) for name, own in by_dataset.items()},
        "rates": _rates(rows),
        "rates_per_dataset": {name: _rates(own) for name, own in by_dataset.items()},
        "left_out": dict(Counter(s.reason for s in selections if s.text is None)),
        "mean_score": _mean_scores(rows),
        "mean_score_per_dataset": {name: _mean_scores(own) for name, own in by_dataset.items()},
        "win_rate": {name: _win_rates(own) for name, own in by_dataset.items()},
    }


def undecided(
    mean_scores: Mapping[str, Mapping[str, float | None]], rates: Mapping[str, Mapping[str, float | None]]
) -> str:
    """A warning of the data sets in which the judges cannot tell the candidates apart; empty where they can.

    That is where the best candidate scores 0, or where it scores no more than a random one and several texts share its
    score. Where all candidates to choose from have the same text there is nothing to tell apart.

    Args:
        mean_scores: The manifest's ``mean_score_per_dataset``.
        rates: Its ``rates_per_dataset``.

    >>> undecided({"qa": {"best": 0.0, "random": 0.0}, "news": {"best": 2.0, "random": 1.5}}, {})
    'the judges cannot tell the candidates of qa apart: the choice among them is arbitrary'
    """
    names = []
    for name, scores in mean_scores.items():
        best, random = scores.get("best"), scores.get("random")
        if best is None or random is None:
            continue
        is_tied = bool(rates.get(name, {}).get("tie")) and math.isclose(best, random, abs_tol=1e-9)
        if best == 0 or is_tied:
            names.append(name)
    if not names:
        return ""
    return f"the judges cannot tell the candidates of {', '.join(names)} apart: the choice among them is arbitrary"


def _example_row(
    example: Example, candidates: Sequence[Candidate], verdicts: Verdicts, selection: Selection, selector: Selector
) -> dict[str, Any]:
    drawn = [c for c in candidates if c.procedure != REFERENCE]
    scored, _ = selector.score(example, drawn, verdicts)
    gold, _ = selector.score(example, [c for c in candidates if c.procedure == REFERENCE], verdicts)
    own: list[Verdict] = [verdict for c in drawn for verdict in verdicts.get(c.id, ())]
    winner = next((c for c in drawn if c.id == selection.candidate_id), None)
    return {
        "dataset": example.dataset,
        "candidates": len(drawn),
        "duplicates": len(drawn) - len({c.text for c in drawn}),
        "all_equal": len(drawn) > 1 and len({c.text for c in drawn}) == 1,
        "truncated": sum(c.finish_reason == "length" for c in drawn),
        "question": example.objective.is_question,
        "answerable": example.answerable,
        "declined": sum(is_declined(example, c.text) for c in drawn),
        "tie": _is_tie(scored),
        "verdicts": len(own),
        "failed": sum(verdict.status is Status.FAILED for verdict in own),
        "abstained": sum(verdict.status is Status.ABSTAINED for verdict in own),
        "selected": selection.text is not None,
        "scores": [item.score for item in scored],
        "gold": gold[0].score if gold else None,
        "label": winner.decoding.label if winner else None,
    }


def _is_tie(scored: Sequence[Scored]) -> bool:
    """Whether the best score is reached by more than one text."""
    best = max((item.score for item in scored), default=0.0)
    return len({item.candidate.text for item in scored if item.score == best}) > 1


def _counts(rows: Sequence[dict[str, Any]]) -> dict[str, int]:
    return {
        "prompts": len(rows),
        "candidates": sum(row["candidates"] for row in rows),
        "verdicts": sum(row["verdicts"] for row in rows),
        "selected": sum(row["selected"] for row in rows),
    }


def _rates(rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Shares: ``tie`` and ``all_equal`` of the prompts, ``duplicate`` and ``truncated`` of the candidates.

    ``failed`` and ``abstained`` are shares of the verdicts; ``declined`` of the candidates for questions that their
    passages answer, ``declined_unanswerable`` for those that they do not; none where there are no such questions.
    """
    questions = [row for row in rows if row["question"]]
    prompts, candidates, verdicts = (
        max(total, 1) for total in (len(rows), sum(r["candidates"] for r in rows), sum(r["verdicts"] for r in rows))
    )
    return {
        "tie": sum(row["tie"] for row in rows) / prompts,
        "all_equal": sum(row["all_equal"] for row in rows) / prompts,
        "duplicate": sum(row["duplicates"] for row in rows) / candidates,
        "truncated": sum(row["truncated"] for row in rows) / candidates,
        "failed": sum(row["failed"] for row in rows) / verdicts,
        "abstained": sum(row["abstained"] for row in rows) / verdicts,
        "declined": _declined([row for row in questions if row["answerable"]]),
        "declined_unanswerable": _declined([row for row in questions if not row["answerable"]]),
    }


def _declined(rows: Sequence[dict[str, Any]]) -> float | None:
    """Share of the candidates of these prompts that decline; none without a candidate."""
    candidates = sum(row["candidates"] for row in rows)
    return sum(row["declined"] for row in rows) / candidates if candidates else None


def _mean_scores(rows: Sequence[dict[str, Any]]) -> dict[str, float | None]:
    """Weighted score of the best candidate, of a random one (its expectation) and of the reference, over prompts."""
    decided = [row for row in rows if row["scores"]]
    return {
        "best": _mean([max(row["scores"]) for row in decided]),
        "random": _mean([sum(row["scores"]) / len(row["scores"]) for row in decided]),
        "gold": _mean([row["gold"] for row in rows if row["gold"] is not None]),
    }


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None


def _win_rates(rows: Sequence[dict[str, Any]]) -> dict[str, float]:
    """Decoding label → share of the set's selected candidates that were drawn with it."""
    wins = Counter(row["label"] for row in rows if row["label"] is not None)
    return {label: count / wins.total() for label, count in sorted(wins.items())}
