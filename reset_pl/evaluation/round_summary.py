"""A round's manifest arranged for reading: counts and rates by data set, win rates by decoding, time, what fell out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reset_pl.evaluation.run_directory import Round
from reset_pl.evaluation.table import RATES

__all__ = ["RoundSummary", "summary_of"]

Numbers = Mapping[str, float | None]

COUNTS = ("prompts", "candidates", "verdicts", "selected")


@dataclass(frozen=True, kw_only=True)
class RoundSummary:
    """What a reader asks of a round."""

    number: int
    """Counted from 0."""
    is_complete: bool
    """Whether it ended."""
    counts: Numbers
    """Prompts, candidates, verdicts and selections in all."""
    per_dataset: list[tuple[str, Numbers]]
    """Data set → its counts and rates."""
    win_labels: list[str]
    """Decoding labels, the coldest temperature first."""
    win_rates: list[tuple[str, Numbers]]
    """Data set → label → share of its selections."""
    widest_win: float
    """The largest share, to which bars are scaled."""
    mean_score: list[tuple[str, float]]
    """``gold``, ``random``, ``best``, as far as they are known."""
    seconds: list[tuple[str, float]]
    """Steps that took time."""
    left_out: list[tuple[str, float]]
    """Reason → number of prompts."""
    judges: list[str]
    """In words."""

    @property
    def total_seconds(self) -> float | None:
        """All steps together."""
        return sum(value for _, value in self.seconds) if self.seconds else None


def summary_of(entry: Round) -> RoundSummary:
    """Arrange one round; what its manifest lacks is empty."""
    counts, rates = (entry.numbers_by_dataset(f"{key}_per_dataset") for key in ("counts", "rates"))
    wins = entry.numbers_by_dataset("win_rate")
    labels = sorted({label for shares in wins.values() for label in shares}, key=_decoding_order)
    scores = entry.numbers("mean_score")
    return RoundSummary(
        number=entry.number,
        is_complete=entry.is_complete,
        counts={key: entry.numbers("counts").get(key) for key in COUNTS},
        per_dataset=[
            (name, {key: {**counts.get(name, {}), **rates.get(name, {})}.get(key) for key in (*COUNTS, *RATES)})
            for name in dict.fromkeys([*counts, *rates])
        ],
        win_labels=labels,
        win_rates=list(wins.items()),
        widest_win=max((share for shares in wins.values() for share in shares.values() if share), default=1.0),
        mean_score=[(key, value) for key in ("gold", "random", "best") if (value := scores.get(key)) is not None],
        seconds=[(key, value) for key, value in entry.numbers("seconds").items() if value],
        left_out=[(key, value) for key, value in entry.numbers("left_out").items() if value],
        judges=entry.judges,
    )


def _decoding_order(label: str) -> tuple[str, float, str]:
    """Sorts ``top_k=5`` before ``top_k=20``."""
    name, _, value = label.partition("=")
    return (name, float(value), label) if re.fullmatch(r"\d+(\.\d+)?", value) else (name, 0.0, label)
