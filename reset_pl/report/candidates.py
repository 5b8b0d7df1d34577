"""A finished round as the report's browser shows it: every prompt with all its candidates, and why each won or lost."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from reset_pl.errors import InputError
from reset_pl.evaluation.round_notes import out_of
from reset_pl.records import Candidate, Example, Verdict
from reset_pl.rounds.finished import FinishedRound
from reset_pl.rounds.selection import REFERENCE, mean_parts, score_candidates

__all__ = ["OUTCOMES", "Judged", "Prompt", "prompts_of"]

OUTCOMES: Mapping[str, str] = {
    "best": "the highest score",
    "tie": "drawn among several texts with the highest score",
    "random": "drawn at random (a control)",
    "reference": "the reference answer (a control)",
    "all_truncated": "left out: every candidate was cut off by the length limit",
    "judges_failed": "left out: a judge failed on its candidates",
    "not_judged": "left out: no judge scored its candidates",
    "no_candidates": "left out: nothing was drawn",
    "all_declined": "left out: every candidate says that the passages do not answer, and they do",
    "none_declined": "left out: the passages do not answer, and no candidate says so",
    "by_selector": "left out by the selector, although candidates could have been chosen",
}
"""What became of a prompt, in words."""


@dataclass(frozen=True, kw_only=True)
class Judged:
    """A candidate with what was said of it."""

    candidate: Candidate
    verdicts: list[Verdict]
    """Of all judges, the held-out ones too."""
    parts: dict[str, float]
    """Aspect → mean score over the judges that select."""
    score: float | None
    """Weighted sum of the parts; none where nothing was scored."""
    out: str
    """Why it could not be chosen; empty where it could."""
    rank: int | None
    """Place among the chosen answers of its prompt, 0 the best; none where it was not chosen."""
    is_rejected: bool
    """Whether a chosen answer is preferred to it in a pair."""

    @property
    def is_reference(self) -> bool:
        """Whether it is the example's own response, which is never chosen."""
        return self.candidate.procedure == REFERENCE

    @property
    def disagreement(self) -> float | None:
        """Largest difference of two judges' scores on one aspect; none where no aspect has two."""
        scores: defaultdict[str, list[float]] = defaultdict(list)
        for verdict in self.verdicts:
            if verdict.score is not None:
                scores[verdict.aspect].append(verdict.score)
        return max((max(own) - min(own) for own in scores.values() if len(own) > 1), default=None)


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """A prompt with its candidates."""

    round: int
    example: Example
    candidates: list[Judged]
    """Best first, those that could not be chosen behind them, the reference last."""
    outcome: str
    """A key of ``OUTCOMES``."""

    @cached_property
    def drawn(self) -> list[Judged]:
        """All but the reference."""
        return [entry for entry in self.candidates if not entry.is_reference]

    @property
    def chosen(self) -> Judged | None:
        """The best chosen answer; none where the prompt was left out, or the reference was taken."""
        return next((entry for entry in self.drawn if entry.rank == 0), None)

    @property
    def reference(self) -> Judged | None:
        """The example's own response, where it was judged."""
        return next((entry for entry in self.candidates if entry.is_reference), None)

    @property
    def spread(self) -> float:
        """Best less worst score of what could be chosen."""
        scores = [entry.score for entry in self.drawn if entry.score is not None and not entry.out]
        return max(scores) - min(scores) if scores else 0.0

    @property
    def disagreement(self) -> float | None:
        """The largest of its candidates'."""
        return max((d for entry in self.drawn if (d := entry.disagreement) is not None), default=None)


def prompts_of(round_dir: Path, wanted: Callable[[str], bool] = lambda _: True) -> Iterator[Prompt]:
    """The prompts of a finished round.

    Args:
        round_dir: ``<run>/rounds/round-NNN``.
        wanted: whether the example of an id is to be read; all are by default.

    Raises:
        InputError: The round has not ended, or its tables are missing, broken or of another version.
    """
    finished = FinishedRound(round_dir)
    try:
        for examples, candidates, verdicts in finished.parts(words=True):
            drawn, judged = defaultdict(list), defaultdict(list)
            for candidate in candidates:
                drawn[candidate.example_id].append(candidate)
            for verdict in verdicts:
                judged[verdict.candidate_id].append(verdict)
            for example in examples:
                if wanted(example.id):
                    yield _prompt(finished, example, drawn[example.id], judged)
    except InputError:
        raise
    except (KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"expected the tables of {round_dir} as docs/artifacts.md describes them, but got others ({error!r})"
        ) from error


def _prompt(
    finished: FinishedRound, example: Example, candidates: Sequence[Candidate], verdicts: Mapping[str, list[Verdict]]
) -> Prompt:
    """One prompt, decided again as the round did, candidate by candidate, to learn why each could not be chosen."""
    selecting = {
        candidate.id: [verdict for verdict in verdicts[candidate.id] if verdict.judge not in finished.held_out]
        for candidate in candidates
    }
    weights = finished.weights

    def why_not(some: Sequence[Candidate]) -> str:
        return score_candidates(example, some, selecting, weights, keep_truncated=finished.keeps_truncated)[1]

    rows = finished.selected.get(example.id, [])
    ranks = {row["candidate_id"]: row.get("rank") or 0 for row in rows}
    rejected = {row.get("rejected_id") for row in rows}
    judged = []
    for candidate in candidates:
        parts = mean_parts(selecting[candidate.id])
        reason = "" if candidate.procedure == REFERENCE else why_not([candidate])
        judged.append(
            Judged(
                candidate=candidate, verdicts=verdicts[candidate.id], parts=parts,
                score=weights.score(parts) if parts else None, out=out_of(reason),
                rank=ranks.get(candidate.id), is_rejected=candidate.id in rejected,
            )
        )  # fmt: skip
    drawn = [candidate for candidate in candidates if candidate.procedure != REFERENCE]
    outcome = rows[0]["reason"] if rows else why_not(drawn) or "by_selector"
    return Prompt(
        round=finished.manifest["round"], example=example, candidates=sorted(judged, key=_place), outcome=outcome
    )


def _place(entry: Judged) -> tuple[Any, ...]:
    """Where a candidate stands: the chosen ones, the others by score, those that are out, the reference."""
    rank = math.inf if entry.rank is None else entry.rank
    return entry.is_reference, rank, bool(entry.out), entry.score is None, -(entry.score or 0.0)
