"""What a round's manifest says of it: counts, rates, mean scores and win rates."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from reset_pl.judging.verdicts import is_declined
from reset_pl.records import Candidate, Example, Selection, Status
from reset_pl.rounds.selection import REFERENCE, Scored, Selector, Verdicts
from reset_pl.rounds.sensitivity import Sensitivity


class RoundStatistics:
    """Counts prompt by prompt and keeps sums only.

    Args:
        selector: Scores candidates as the selection did.
    """

    def __init__(self, selector: Selector) -> None:
        self.selector = selector
        self._datasets: dict[str, _Sums] = {}
        self._sensitivity = Sensitivity(getattr(selector, "tie_break", "seeded"))

    def add(
        self,
        example: Example,
        candidates: Sequence[Candidate],
        verdicts: Verdicts,
        selections: Sequence[Selection],
    ) -> None:
        """Count a prompt.

        Args:
            example: The prompt.
            candidates: Its candidates, references included.
            verdicts: Candidate id → its verdicts.
            selections: Its chosen answers, or the one selection that says why there is none.
        """
        drawn = [c for c in candidates if c.procedure != REFERENCE]
        gold, _ = self.selector.score(example, [c for c in candidates if c.procedure == REFERENCE], verdicts)
        scored, _ = self.selector.score(example, drawn, verdicts)
        sums = self._datasets.setdefault(example.dataset, _Sums())
        _count(sums.n, example, drawn, verdicts, selections)
        sums.left_out.update(s.reason for s in selections if s.text is None)
        labels = {c.id: c.decoding.label for c in drawn}
        sums.wins.update(labels[s.candidate_id] for s in selections if s.candidate_id is not None)
        if scored:
            scores = [item.score for item in scored]
            sums.n["tie"] += _is_tie(scored)
            sums.n["scored"] += 1
            sums.best += max(scores)
            sums.random += sum(scores) / len(scores)
            if selections[0].text is not None:
                self._sensitivity.add(example.dataset, scored, selections[0].text)
        if gold:
            sums.n["gold"] += 1
            sums.gold += gold[0].score

    def summary(self) -> dict[str, Any]:
        """The manifest's counts, rates, mean scores, win rates and sensitivity to the weights."""
        total = _Sums()
        for sums in self._datasets.values():
            total.add(sums)
        return {
            "weights": asdict(self.selector.weights),
            "counts": total.counts(),
            "counts_per_dataset": {name: sums.counts() for name, sums in self._datasets.items()},
            "rates": total.rates(),
            "rates_per_dataset": {name: sums.rates() for name, sums in self._datasets.items()},
            "left_out": dict(total.left_out),
            "mean_score": total.mean_scores(),
            "mean_score_per_dataset": {name: sums.mean_scores() for name, sums in self._datasets.items()},
            "win_rate": {name: sums.win_rates() for name, sums in self._datasets.items()},
            "sensitivity": self._sensitivity.summary(),
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


@dataclass
class _Sums:
    """Sums over the prompts of a data set."""

    n: Counter[str] = field(default_factory=Counter)
    """What is counted → how often."""
    left_out: Counter[str] = field(default_factory=Counter)
    """Reason → prompts."""
    wins: Counter[str] = field(default_factory=Counter)
    """Decoding label → chosen candidates."""
    best: float = 0.0
    """Weighted scores of the best candidates."""
    random: float = 0.0
    """What a random candidate scores, its expectation."""
    gold: float = 0.0
    """Weighted scores of the references."""

    def add(self, other: _Sums) -> None:
        """Count what ``other`` counted."""
        for mine, its in ((self.n, other.n), (self.left_out, other.left_out), (self.wins, other.wins)):
            mine.update(its)
        self.best, self.random, self.gold = self.best + other.best, self.random + other.random, self.gold + other.gold

    def counts(self) -> dict[str, int]:
        """``selected`` are prompts, ``answers`` what was chosen for them: several a prompt where the selector does."""
        return {name: self.n[name] for name in ("prompts", "candidates", "verdicts", "selected", "answers")}

    def rates(self) -> dict[str, float | None]:
        """Shares: ``tie`` and ``all_equal`` of the prompts, ``duplicate`` and ``truncated`` of the candidates.

        ``failed`` and ``abstained`` are shares of the verdicts; ``declined`` of the candidates for questions that their
        passages answer, ``declined_unanswerable`` for those that they do not; none where there are no such questions.
        """
        prompts, candidates, verdicts = (max(self.n[name], 1) for name in ("prompts", "candidates", "verdicts"))
        return {
            "tie": self.n["tie"] / prompts,
            "all_equal": self.n["all_equal"] / prompts,
            "duplicate": self.n["duplicates"] / candidates,
            "truncated": self.n["truncated"] / candidates,
            "failed": self.n["failed"] / verdicts,
            "abstained": self.n["abstained"] / verdicts,
            "declined": _mean(self.n["declined"], self.n["answerable_candidates"]),
            "declined_unanswerable": _mean(self.n["declined_unanswerable"], self.n["unanswerable_candidates"]),
        }

    def mean_scores(self) -> dict[str, float | None]:
        """Mean weighted score of the best candidate, of a random one (its expectation) and of the reference."""
        return {
            "best": _mean(self.best, self.n["scored"]),
            "random": _mean(self.random, self.n["scored"]),
            "gold": _mean(self.gold, self.n["gold"]),
        }

    def win_rates(self) -> dict[str, float]:
        """Decoding label → share of the set's chosen candidates that were drawn with it."""
        return {label: count / self.wins.total() for label, count in sorted(self.wins.items())}


def _count(
    n: Counter[str],
    example: Example,
    drawn: Sequence[Candidate],
    verdicts: Verdicts,
    selections: Sequence[Selection],
) -> None:
    """Count a prompt's candidates, verdicts and chosen answers."""
    texts = {c.text for c in drawn}
    answers = sum(s.text is not None for s in selections)
    n["prompts"] += 1
    n["candidates"] += len(drawn)
    n["selected"] += answers > 0
    n["answers"] += answers
    n["duplicates"] += len(drawn) - len(texts)
    n["all_equal"] += len(drawn) > 1 and len(texts) == 1
    n["truncated"] += sum(c.finish_reason == "length" for c in drawn)
    for status, count in Counter(v.status for c in drawn for v in verdicts.get(c.id, ())).items():
        n["verdicts"] += count
        if status in (Status.FAILED, Status.ABSTAINED):
            n[status] += count
    if example.objective.is_question:
        n["answerable_candidates" if example.answerable else "unanswerable_candidates"] += len(drawn)
        declined = sum(is_declined(example, c.text) for c in drawn)
        n["declined" if example.answerable else "declined_unanswerable"] += declined


def _is_tie(scored: Sequence[Scored]) -> bool:
    """Whether the best score is reached by more than one text."""
    best = max(item.score for item in scored)
    return len({item.candidate.text for item in scored if item.score == best}) > 1


def _mean(total: float, count: int) -> float | None:
    return total / count if count else None
