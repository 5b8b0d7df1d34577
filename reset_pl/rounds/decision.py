"""Candidates and verdicts → selections and what the manifest says of them; the same for a round and long after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from reset_pl.errors import InputError
from reset_pl.records import Candidate, Example, Selection, Verdict
from reset_pl.rounds.selection import Selector
from reset_pl.rounds.statistics import REFERENCE, round_statistics


def decide(
    examples: Mapping[str, Example], candidates: Iterable[Candidate], verdicts: Iterable[Verdict], selector: Selector
) -> tuple[list[Selection], dict[str, Any]]:
    """Select for every example and count; pure, so a finished ledger can be selected from again.

    Returns:
        One selection an example, in the order of ``examples``, and ``round_statistics``.

    Raises:
        InputError: A candidate or a verdict occurs twice.
    """
    by_example: dict[str, list[Candidate]] = {example_id: [] for example_id in examples}
    by_candidate: dict[str, list[Verdict]] = {}
    for candidate in candidates:
        if candidate.id in by_candidate:
            raise InputError(f"the candidate {candidate.id} stands twice in the ledger")
        by_candidate[candidate.id] = []
        by_example[candidate.example_id].append(candidate)
    seen: set[tuple[str, str, str, str]] = set()
    for verdict in verdicts:
        key = (verdict.candidate_id, verdict.judge, verdict.version, verdict.aspect)
        if key in seen:
            raise InputError(f"the verdict of {verdict.judge} on {verdict.candidate_id} stands twice in the ledger")
        seen.add(key)
        by_candidate[verdict.candidate_id].append(verdict)
    selections = [
        selector.select(example, [c for c in by_example[key] if c.procedure != REFERENCE], by_candidate)
        for key, example in examples.items()
    ]
    return selections, round_statistics(examples, by_example, by_candidate, selections, selector)
