"""How much the choice hangs on the weights: how many prompts would be given another text by other weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reset_pl.rounds.selection import Scored, Weights
from reset_pl.rounds.selectors import TieBreak, best_of

GRID = (0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)
"""Weights of faithfulness, or of instruction following on instructions, beside a task weight of 1 (the paper: 2)."""

_WEIGHTS = [Weights(task=1.0, instruction=weight, faithfulness=weight) for weight in GRID]


class Sensitivity:
    """Counts prompt by prompt and keeps sums only.

    Args:
        tie_break: Of the selection, so that what differs is the weights alone.
    """

    def __init__(self, tie_break: TieBreak = "seeded") -> None:
        self.tie_break: TieBreak = tie_break
        self._changed: dict[str, list[int]] = {}
        self._prompts: dict[str, int] = {}

    def add(self, dataset: str, scored: Sequence[Scored], chosen: str) -> None:
        """Count a prompt.

        Args:
            dataset: Its data set.
            scored: Its candidates that could be chosen, at least one; which these are does not hang on the weights.
            chosen: The text that was chosen.
        """
        self._prompts[dataset] = self._prompts.get(dataset, 0) + 1
        changed = self._changed.setdefault(dataset, [0] * len(GRID))
        has_one_text = len({item.candidate.text for item in scored}) == 1
        for index, weights in enumerate(_WEIGHTS):
            if has_one_text:
                changed[index] += scored[0].candidate.text != chosen
                continue
            weighted = [
                Scored(candidate=item.candidate, parts=item.parts, score=weights.score(item.parts)) for item in scored
            ]
            changed[index] += best_of(weighted, self.tie_break)[0].candidate.text != chosen

    def summary(self) -> dict[str, Any]:
        """``weights``, the grid, and ``changed``: data set → for each of them the share of its decided prompts."""
        return {
            "weights": list(GRID),
            "changed": {
                name: [count / self._prompts[name] for count in counts] for name, counts in self._changed.items()
            },
        }
