"""Verdicts → the one candidate of each example that is tuned on (paper, section 5.1)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

from reset_pl.judging.verdicts import is_declined
from reset_pl.records import Aspect, Candidate, Example, Selection, Status, Verdict, stable_hash

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
    """``score = task * s_task + instruction * s_instr + faithfulness * s_faith`` (section 5.1: 1, 2 and 2)."""

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
        weights = {Aspect.TASK: self.task, Aspect.INSTRUCTION: self.instruction, Aspect.FAITHFULNESS: self.faithfulness}
        return sum(weights[Aspect(aspect)] * value for aspect, value in parts.items())


class Selector(Protocol):
    """Decides an example. Returns a selection with a text, or one without and the reason why."""

    weights: Weights

    def select(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> Selection:
        """Choose among the example's candidates."""
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


class WeightedSelector(Selector):
    """RESET's rule: the top-rated candidate by weighted score.

    Args:
        task_weight: Weight of task performance.
        instruction_weight: Weight of instruction following.
        faithfulness_weight: Weight of faithfulness.
        tie_break: Among equals, ``seeded`` draws one by the candidates' seeds, ``first`` takes the plan's first.
        keep_truncated: Whether answers cut off by the length limit may be chosen.
    """

    def __init__(
        self,
        task_weight: float = 1.0,
        instruction_weight: float = 2.0,
        faithfulness_weight: float = 2.0,
        tie_break: Literal["seeded", "first"] = "seeded",
        keep_truncated: bool = False,
    ) -> None:
        self.weights = Weights(task=task_weight, instruction=instruction_weight, faithfulness=faithfulness_weight)
        self.tie_break = tie_break
        self.keep_truncated = keep_truncated

    def select(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> Selection:
        """The best candidate, or the reason why there is none."""
        scored, reason = self.score(example, candidates, verdicts)
        if not scored:
            return Selection(example_id=example.id, candidate_id=None, score=None, reason=reason)
        best = max(item.score for item in scored)
        leaders = [item for item in scored if item.score == best]
        tied = len({item.candidate.text for item in leaders}) > 1
        chosen = self._break_tie(leaders) if tied else leaders[0]
        return choice(chosen, reason="tie" if tied else "best")

    def score(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> tuple[list[Scored], str]:
        """``score_candidates`` with this selector's weights."""
        return score_candidates(example, candidates, verdicts, self.weights, keep_truncated=self.keep_truncated)

    def _break_tie(self, leaders: Sequence[Scored]) -> Scored:
        if self.tie_break == "first":
            return leaders[0]
        return min(leaders, key=lambda item: stable_hash("tie", item.candidate.seed))


class RandomSelector(WeightedSelector):
    """The control *random-of-N*: any candidate that the rule could have chosen, at equal budget."""

    def select(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> Selection:
        """A seeded draw among the candidates that can be chosen."""
        scored, reason = self.score(example, candidates, verdicts)
        if not scored:
            return Selection(example_id=example.id, candidate_id=None, score=None, reason=reason)
        drawn = min(scored, key=lambda item: stable_hash("random", item.candidate.seed))
        return choice(drawn, reason="random")


class ReferenceSelector(WeightedSelector):
    """The control *gold at equal budget*: the example's own response, where the rule could have chosen something."""

    def select(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> Selection:
        """The reference, unless the example would have been left out or has none."""
        scored, reason = self.score(example, candidates, verdicts)
        if not scored or example.response is None:
            return Selection(example_id=example.id, candidate_id=None, score=None, reason=reason or "no_reference")
        return Selection(
            example_id=example.id, candidate_id=None, score=None, text=example.response, reason="reference"
        )


def choice(scored: Scored, *, reason: str) -> Selection:
    """A decided example."""
    return Selection(
        example_id=scored.candidate.example_id,
        candidate_id=scored.candidate.id,
        score=scored.score,
        text=scored.candidate.text,
        parts=scored.parts,
        reason=reason,
    )
