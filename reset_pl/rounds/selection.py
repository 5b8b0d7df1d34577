"""Verdicts → weighted scores, among which a selector chooses what is tuned on (paper, section 5.1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from reset_pl.judging.verdicts import is_declined
from reset_pl.records import Candidate, Example, Selection, Status, Verdict

REFERENCE = "reference"
"""Procedure of an example's own response, judged beside the candidates for comparison and never selected."""

Verdicts = Mapping[str, Sequence[Verdict]]
"""Candidate id → its verdicts."""


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A candidate that can be chosen."""

    candidate: Candidate
    """The candidate."""
    parts: dict[str, float]
    """Aspect → mean score over the judges that scored it."""
    score: float
    """Weighted sum of the parts."""


@dataclass(frozen=True, kw_only=True)
class Weights:
    """``score = task * s_task + instruction * s_instr + faithfulness * s_faith`` (section 5.1: 1, 2 and 2).

    The fields are named after the aspects.
    """

    task: float = 1.0
    """Weight of task performance."""
    instruction: float = 2.0
    """Weight of instruction following, on instruction examples."""
    faithfulness: float = 2.0
    """Weight of faithfulness, on context-dependent examples."""

    def score(self, parts: Mapping[str, float]) -> float:
        """Weighted sum; an aspect without a score counts nothing.

        >>> Weights().score({"task": 0.5, "faithfulness": 1.0})
        2.5
        """
        return sum(getattr(self, aspect) * value for aspect, value in parts.items())


class Selector(Protocol):
    """Decides an example."""

    weights: Weights

    def select(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> Sequence[Selection]:
        """Choose among the example's candidates: one or more, or one selection without text that says why not."""
        ...

    def score(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> tuple[list[Scored], str]:
        """The example's candidates that can be chosen with their scores, or why there are none."""
        ...


def score_candidates(
    example: Example,
    candidates: Sequence[Candidate],
    verdicts: Verdicts,
    weights: Weights,
    *,
    keep_truncated: bool = False,
) -> tuple[list[Scored], str]:
    """The candidates that can be chosen, and why there are none if there are none.

    A candidate is out when a judge failed on it (it would compete with a part of its score missing), when no judge
    scored it, or when the length limit cut it off (a truncated answer teaches the model not to end).

    Questions that the passages do not answer are not the paper's; the rule for them is ours. Of such a question only a
    decline can be chosen, an answer that says so: a span of the passages may be grounded, but it answers nothing, and
    would teach the model to make up an answer. Of every other question no decline can be chosen: it would teach the
    model to dodge. A decline has no score for faithfulness, so its weighted score is that of its task alone.

    Returns:
        The scored candidates in their own order; the reason, ``judges_failed``, ``not_judged``, ``all_declined`` or
        ``none_declined`` (the wrong way for this question), ``all_truncated`` or ``no_candidates``, empty when there
        is a candidate.
    """
    is_open = example.objective.is_question and not example.answerable
    scored = []
    reasons = set()
    for candidate in candidates:
        if candidate.finish_reason == "length" and not keep_truncated:
            reasons.add("all_truncated")
            continue
        if is_declined(example, candidate.text) != is_open:
            reasons.add("none_declined" if is_open else "all_declined")
            continue
        own = verdicts.get(candidate.id, ())
        if any(verdict.status is Status.FAILED for verdict in own):
            reasons.add("judges_failed")
            continue
        parts = mean_parts(own)
        if not parts:
            reasons.add("not_judged")
            continue
        scored.append(Scored(candidate=candidate, parts=parts, score=weights.score(parts)))
    if scored:
        return scored, ""
    ranked = ("judges_failed", "not_judged", "all_declined", "none_declined", "all_truncated")
    return [], next((reason for reason in ranked if reason in reasons), "no_candidates")


def mean_parts(verdicts: Sequence[Verdict]) -> dict[str, float]:
    """Aspect → mean over the judges that scored it; abstentions, declines and failures are left out."""
    scores: defaultdict[str, list[float]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.status is Status.SCORED and verdict.score is not None:
            scores[verdict.aspect].append(verdict.score)
    return {str(aspect): sum(values) / len(values) for aspect, values in sorted(scores.items())}


def choice(scored: Scored, *, reason: str, rank: int = 0) -> Selection:
    """A chosen candidate."""
    return Selection(
        example_id=scored.candidate.example_id,
        candidate_id=scored.candidate.id,
        score=scored.score,
        text=scored.candidate.text,
        parts=scored.parts,
        reason=reason,
        rank=rank,
    )


def left_out(example: Example, reason: str) -> list[Selection]:
    """An example of which nothing is chosen."""
    return [Selection(example_id=example.id, candidate_id=None, score=None, reason=reason)]
