"""The rules by which a prompt's answers are chosen: the paper's, its controls, and ours."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from reset_pl.records import Candidate, Example, Selection, stable_hash
from reset_pl.rounds.selection import Scored, Selector, Verdicts, Weights, choice, left_out, score_candidates


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

    def select(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> Sequence[Selection]:
        """The best candidate, or the reason why there is none."""
        scored, reason = self.score(example, candidates, verdicts)
        if not scored:
            return left_out(example, reason)
        best = max(item.score for item in scored)
        leaders = [item for item in scored if item.score == best]
        tied = len({item.candidate.text for item in leaders}) > 1
        chosen = self._break_tie(leaders) if tied else leaders[0]
        return [choice(chosen, reason="tie" if tied else "best")]

    def score(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> tuple[list[Scored], str]:
        """``score_candidates`` with this selector's weights."""
        return score_candidates(example, candidates, verdicts, self.weights, keep_truncated=self.keep_truncated)

    def _break_tie(self, leaders: Sequence[Scored]) -> Scored:
        if self.tie_break == "first":
            return leaders[0]
        return min(leaders, key=lambda item: stable_hash("tie", item.candidate.seed))


class RandomSelector(WeightedSelector):
    """The control *random-of-N*: any candidate that the rule could have chosen, at equal budget."""

    def select(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> Sequence[Selection]:
        """A seeded draw among the candidates that can be chosen."""
        scored, reason = self.score(example, candidates, verdicts)
        if not scored:
            return left_out(example, reason)
        drawn = min(scored, key=lambda item: stable_hash("random", item.candidate.seed))
        return [choice(drawn, reason="random")]


class ReferenceSelector(WeightedSelector):
    """The control *gold at equal budget*: the example's own response, where the rule could have chosen something."""

    def select(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> Sequence[Selection]:
        """The reference, unless the example would have been left out or has none."""
        scored, reason = self.score(example, candidates, verdicts)
        if not scored or example.response is None:
            return left_out(example, reason or "no_reference")
        chosen = Selection(
            example_id=example.id, candidate_id=None, score=None, text=example.response, reason="reference"
        )
        return [chosen]
