"""The rules by which a prompt's answers are chosen: the paper's, its controls, and ours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import Any, Literal

from reset_pl.errors import InputError
from reset_pl.records import Candidate, Example, Selection, stable_hash
from reset_pl.rounds.selection import Scored, Selector, Verdicts, Weights, choice, left_out, score_candidates

TieBreak = Literal["seeded", "first"]

_ROUNDING = 1e-9
"""What sums of floats may be off by: 0.8 of 1 and 0.8 of 2 reach a threshold of 0.8."""


class WeightedSelector(Selector):
    """RESET's rule: the top-rated candidate by weighted score.

    Args:
        task_weight: Weight of task performance.
        instruction_weight: Weight of instruction following.
        faithfulness_weight: Weight of faithfulness.
        tie_break: Among equals, ``seeded`` draws one by the candidates' seeds, ``first`` takes the plan's first.
        keep_truncated: Whether answers cut off by the length limit may be chosen.

    Raises:
        InputError: A weight is negative.
    """

    def __init__(
        self,
        task_weight: float = 1.0,
        instruction_weight: float = 2.0,
        faithfulness_weight: float = 2.0,
        tie_break: TieBreak = "seeded",
        keep_truncated: bool = False,
    ) -> None:
        self.weights = Weights(task=task_weight, instruction=instruction_weight, faithfulness=faithfulness_weight)
        for aspect, weight in asdict(self.weights).items():
            if not 0 <= weight < float("inf"):
                raise InputError(f"expected {aspect}_weight of at least 0, but got {weight}")
        self.tie_break: TieBreak = tie_break
        self.keep_truncated = keep_truncated

    def select(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> Sequence[Selection]:
        """What ``choose`` chooses among the candidates that can be chosen, or the reason why there is none."""
        scored, reason = self.score(example, candidates, verdicts)
        return self.choose(example, scored) if scored else left_out(example, reason)

    def score(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> tuple[list[Scored], str]:
        """``score_candidates`` with this selector's weights."""
        return score_candidates(example, candidates, verdicts, self.weights, keep_truncated=self.keep_truncated)

    def choose(self, example: Example, scored: Sequence[Scored]) -> Sequence[Selection]:
        """The best candidate of at least one."""
        best, reason = best_of(scored, self.tie_break)
        return [choice(best, reason=reason)]


class TopKSelector(WeightedSelector):
    """The ``k`` best different texts of a prompt, best first; fewer where there are no more.

    The first is the one that ``WeightedSelector`` chooses. Of a text drawn several times its best-scored draw counts.

    Args:
        k: Answers to keep of a prompt, at most.
        **kwargs: As of ``WeightedSelector``.

    Raises:
        InputError: ``k`` is below 1, or a weight is negative.
    """

    def __init__(self, k: int = 2, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if k < 1:
            raise InputError(f"expected TopKSelector.k of at least 1, but got {k}")
        self.k = k

    def choose(self, example: Example, scored: Sequence[Scored]) -> Sequence[Selection]:
        """Take the best, drop its text, and again."""
        chosen: list[Selection] = []
        while scored and len(chosen) < self.k:
            best, reason = best_of(scored, self.tie_break)
            chosen.append(choice(best, reason=reason, rank=len(chosen)))
            scored = [item for item in scored if item.candidate.text != best.candidate.text]
        return chosen


class ThresholdSelector(WeightedSelector):
    """The best candidate where it is good enough; otherwise the prompt is left out as ``below_threshold``.

    The threshold is a share of the highest weighted score that the prompt allows, so that one number means the same
    for every objective and any weights. That highest score is the sum of the weights of the aspects that the judges
    scored on the prompt: with the paper's weights 3 on a summary with a reference, 2 on one without.

    Args:
        threshold: Share in [0, 1] of the highest weighted score; 0 leaves nothing out, 1 wants perfect scores.
        **kwargs: As of ``WeightedSelector``.

    Raises:
        InputError: ``threshold`` is not in [0, 1], or a weight is negative.
    """

    def __init__(self, threshold: float = 0.5, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= threshold <= 1:
            raise InputError(f"expected ThresholdSelector.threshold as a share in [0, 1], but got {threshold}")
        self.threshold = threshold

    def choose(self, example: Example, scored: Sequence[Scored]) -> Sequence[Selection]:
        """The best candidate, if it reaches the threshold."""
        best, reason = best_of(scored, self.tie_break)
        if best.score < self.threshold * highest_score(scored, self.weights) - _ROUNDING:
            return left_out(example, "below_threshold")
        return [choice(best, reason=reason)]


class BestAndWorstSelector(WeightedSelector):
    """The best candidate with the worst as its rejected answer: a pair for preference tuning.

    Both are candidates that could be chosen: neither cut off, nor declined, nor failed by a judge. They differ in text
    and in score. A prompt without such a pair is left out: as ``one_text`` when only one text can be chosen, as
    ``gap_too_small`` when the worst scores as much as the best or is nearer to it than ``min_gap``.

    Args:
        min_gap: Least difference of the two, as a share in [0, 1] of the highest weighted score that the prompt allows
            (see ``ThresholdSelector``).
        **kwargs: As of ``WeightedSelector``.

    Raises:
        InputError: ``min_gap`` is not in [0, 1], or a weight is negative.
    """

    def __init__(self, min_gap: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= min_gap <= 1:
            raise InputError(f"expected BestAndWorstSelector.min_gap as a share in [0, 1], but got {min_gap}")
        self.min_gap = min_gap

    def choose(self, example: Example, scored: Sequence[Scored]) -> Sequence[Selection]:
        """The best candidate and the worst of another text, if they are far enough apart."""
        best, reason = best_of(scored, self.tie_break)
        rivals = [item for item in scored if item.candidate.text != best.candidate.text]
        if not rivals:
            return left_out(example, "one_text")
        lowest = min(item.score for item in rivals)
        worst = _drawn([item for item in rivals if item.score == lowest], self.tie_break)
        gap = best.score - worst.score
        if gap <= _ROUNDING or gap < self.min_gap * highest_score(scored, self.weights) - _ROUNDING:
            return left_out(example, "gap_too_small")
        pair = replace(
            choice(best, reason=reason),
            rejected_id=worst.candidate.id,
            rejected_text=worst.candidate.text,
            rejected_score=worst.score,
        )
        return [pair]


class RandomSelector(WeightedSelector):
    """The control *random-of-N*: any candidate that the rule could have chosen, at equal budget."""

    def choose(self, example: Example, scored: Sequence[Scored]) -> Sequence[Selection]:
        """A seeded draw."""
        drawn = min(scored, key=lambda item: stable_hash("random", item.candidate.seed))
        return [choice(drawn, reason="random")]


class ReferenceSelector(WeightedSelector):
    """The control *gold at equal budget*: the example's own response, where the rule could have chosen something."""

    def choose(self, example: Example, scored: Sequence[Scored]) -> Sequence[Selection]:
        """The reference, unless there is none."""
        if example.response is None:
            return left_out(example, "no_reference")
        chosen = Selection(
            example_id=example.id, candidate_id=None, score=None, text=example.response, reason="reference"
        )
        return [chosen]


SELECTORS = (
    *(WeightedSelector, TopKSelector, ThresholdSelector, BestAndWorstSelector),
    *(RandomSelector, ReferenceSelector),
)
"""All of them, by the names that YAML gives them."""


def best_of(scored: Sequence[Scored], tie_break: TieBreak) -> tuple[Scored, str]:
    """The best of at least one candidate; ``tie`` when several texts reach its score, else ``best``."""
    highest = max(item.score for item in scored)
    leaders = [item for item in scored if item.score == highest]
    if len({item.candidate.text for item in leaders}) == 1:
        return leaders[0], "best"
    return _drawn(leaders, tie_break), "tie"


def highest_score(scored: Sequence[Scored], weights: Weights) -> float:
    """The weighted score of a candidate that is perfect in every aspect on which one of these was scored."""
    return weights.score({aspect: 1.0 for item in scored for aspect in item.parts})


def _drawn(equals: Sequence[Scored], tie_break: TieBreak) -> Scored:
    if tie_break == "first":
        return equals[0]
    return min(equals, key=lambda item: stable_hash("tie", item.candidate.seed))
