"""How much a finished round's choice hangs on its weights, from its stored verdicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reset_pl.records import Candidate, Example, Selection
from reset_pl.reselection.reselect import check_aspects
from reset_pl.rounds.decision import Decisions
from reset_pl.rounds.finished import FinishedRound
from reset_pl.rounds.selection import Scored, Selector, Verdicts, left_out


def sensitivity_of(source: FinishedRound, selector: Selector, held_out: frozenset[str]) -> dict[str, Any]:
    """What ``rounds.sensitivity.Sensitivity`` counts, against what the round chose.

    Args:
        source: The round.
        selector: Says which candidates can be chosen, and how ties are broken.
        held_out: Judges that must not select.

    Raises:
        InputError: No judge scored anything.
    """
    check_aspects(source, _AsBefore(selector, source), held_out)
    decisions = Decisions(_AsBefore(selector, source), held_out)
    for part in source.parts():
        decisions.add(*part)
    sensitivity: dict[str, Any] = decisions.statistics()["sensitivity"]
    return sensitivity


class _AsBefore(Selector):
    """Chooses what the round chose."""

    def __init__(self, selector: Selector, source: FinishedRound) -> None:
        self.selector = selector
        self.weights = source.weights
        self.tie_break = getattr(selector, "tie_break", "seeded")
        self.chosen: Mapping[str, Sequence[str]] = source.chosen

    def select(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> Sequence[Selection]:
        texts = self.chosen.get(example.id)
        if not texts:
            return left_out(example, "left_out")
        return [Selection(example_id=example.id, candidate_id=None, score=None, text=texts[0])]

    def score(self, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> tuple[list[Scored], str]:
        return self.selector.score(example, candidates, verdicts)
