"""A round's manifest arranged for reading: counts and rates by data set, win rates by decoding, time, what fell out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from reset_pl.evaluation.results import Round
from reset_pl.evaluation.round_notes import gate_of, reason_of, scale_of, warning_of
from reset_pl.evaluation.table import RATES
from reset_pl.report.distributions import Distributions, distributions_of
from reset_pl.report.weight_figure import WeightFigure, weight_figure_of

__all__ = ["RoundSummary", "summary_of"]

Numbers = Mapping[str, float | None]

COUNTS = ("prompts", "candidates", "verdicts", "selected")
SCORES = ("gold", "random", "best")


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
    mean_score: Numbers
    """Mean weighted score of the reference (``gold``), of a ``random`` candidate and of the ``best``."""
    mean_scores: list[tuple[str, Numbers]]
    """The same by data set."""
    highest_score: float
    """The largest of these, to which bars are scaled."""
    scale: str
    """What a score is out of, in words; may be empty."""
    warning: str
    """Where the judges could not decide, in words; empty where they could."""
    gate: str
    """What held-out judges and sets said of it, in words; empty without a gate."""
    seconds: list[tuple[str, float]]
    """Steps that took time."""
    left_out: list[tuple[str, float]]
    """Reason → number of prompts."""
    judges: list[str]
    """In words."""
    weight_figure: WeightFigure | None
    """How much the choice hangs on the weights; None where the manifest tells nothing of it."""
    distributions: Distributions | None
    """How the scores are spread, and the chosen answers against the references; None without the round's tables."""

    @property
    def total_seconds(self) -> float | None:
        """How long the round took. Judging runs beside sampling: of these two only the longer one counts."""
        steps = dict(self.seconds)
        overlap = min(steps.get("sample", 0.0), steps.get("judge", 0.0))
        return sum(steps.values()) - overlap if steps else None


def summary_of(entry: Round) -> RoundSummary:
    """Arrange one round; what its manifest lacks is empty."""
    counts, rates = (entry.numbers_by_dataset(f"{key}_per_dataset") for key in ("counts", "rates"))
    wins = entry.numbers_by_dataset("win_rate")
    labels = sorted({label for shares in wins.values() for label in shares}, key=_decoding_order)
    by_dataset = entry.numbers_by_dataset("mean_score_per_dataset")
    scores = [entry.numbers("mean_score"), *by_dataset.values()]
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
        mean_score=scores[0],
        mean_scores=list(by_dataset.items()),
        highest_score=max((value for entries in scores for value in entries.values() if value), default=1.0),
        scale=scale_of(entry),
        warning=warning_of(entry),
        gate=gate_of(entry),
        seconds=[(key, value) for key, value in entry.numbers("seconds").items() if value],
        left_out=[(reason_of(key), value) for key, value in entry.numbers("left_out").items() if value],
        judges=entry.judges,
        weight_figure=weight_figure_of(entry),
        distributions=distributions_of(entry),
    )


def _decoding_order(label: str) -> tuple[str, float, str]:
    """Sorts ``top_k=5`` before ``top_k=20``."""
    name, _, value = label.partition("=")
    return (name, float(value), label) if re.fullmatch(r"\d+(\.\d+)?", value) else (name, 0.0, label)
