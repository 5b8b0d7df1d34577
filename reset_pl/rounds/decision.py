"""Candidates and verdicts → selections and what the manifest says of them; the same for a round and long after it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reset_pl.errors import InputError
from reset_pl.records import Candidate, Example, Selection, Verdict
from reset_pl.rounds.selection import REFERENCE, Selector
from reset_pl.rounds.statistics import RoundStatistics


class Decisions:
    """Selects chunk by chunk and counts; pure, so a finished ledger can be selected from again.

    What it keeps from one chunk to the next are the sums behind the statistics, so it takes the same memory however
    long the round is.

    Args:
        selector: Chooses the answers of a prompt.
        held_out: Judges that must not select. Their verdicts lie in the ledger for comparison; neither the selector nor
            the statistics ever see them.
    """

    def __init__(self, selector: Selector, held_out: frozenset[str] = frozenset()) -> None:
        self.selector = selector
        self.held_out = held_out
        self._statistics = RoundStatistics(selector)

    def add(
        self, examples: Sequence[Example], candidates: Iterable[Candidate], verdicts: Iterable[Verdict]
    ) -> list[Selection]:
        """Select for the examples of a chunk.

        Args:
            examples: The prompts, each in one chunk only.
            candidates: All of their candidates, references included.
            verdicts: All verdicts on these.

        Returns:
            At least one selection an example, in the order of ``examples``: the chosen answers, or one that says why
            there is none.

        Raises:
            InputError: A candidate or a verdict occurs twice, or belongs to nothing here.
        """
        by_example: dict[str, list[Candidate]] = {example.id: [] for example in examples}
        by_candidate: dict[str, list[Verdict]] = {}
        for candidate in candidates:
            if candidate.id in by_candidate:
                raise InputError(f"the candidate {candidate.id} stands twice in the ledger")
            if candidate.example_id not in by_example:
                raise InputError(f"the candidate {candidate.id} is of no prompt in the ledger")
            by_candidate[candidate.id] = []
            by_example[candidate.example_id].append(candidate)
        seen: set[tuple[str, str, str, str]] = set()
        for verdict in verdicts:
            key = (verdict.candidate_id, verdict.judge, verdict.version, verdict.aspect)
            if key in seen:
                raise InputError(f"the verdict of {verdict.judge} on {verdict.candidate_id} stands twice in the ledger")
            seen.add(key)
            if verdict.candidate_id not in by_candidate:
                raise InputError(f"a verdict of {verdict.judge} is on {verdict.candidate_id}, which is not a candidate")
            if verdict.judge not in self.held_out:
                by_candidate[verdict.candidate_id].append(verdict)
        selections: list[Selection] = []
        for example in examples:
            own = by_example[example.id]
            chosen = self.selector.select(example, [c for c in own if c.procedure != REFERENCE], by_candidate)
            self._statistics.add(example, own, by_candidate, chosen)
            selections.extend(chosen)
        return selections

    def statistics(self) -> dict[str, Any]:
        """The manifest's counts, rates, mean scores and win rates of all that was added."""
        return self._statistics.summary()
