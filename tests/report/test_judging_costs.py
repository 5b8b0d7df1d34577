"""What judging took, summed over rounds of any version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reset_pl.evaluation.results import Round
from reset_pl.report.judging_costs import costs_of


def one(number: int, **manifest: Any) -> Round:
    return Round(path=Path(f"round-{number:03d}"), number=number, manifest=manifest)


def test_rounds_add_up() -> None:
    judge = {"name": "gpt", "aspect": "faithfulness", "cost": 1.25, "seconds": 3.0}
    forecast = {"judge": "gpt", "calls": 100, "unit": "requests", "dollars": 2.0}
    rounds = [one(0, judges=[judge], forecast=[forecast]), one(1, judges=[judge], forecast=[forecast])]
    (cost,) = costs_of(rounds)
    assert (cost.calls, cost.unit, cost.seconds, cost.dollars, cost.forecast) == (200, "requests", 6.0, 2.5, 4.0)


def test_what_no_round_noted_is_none_and_never_zero() -> None:
    (cost,) = costs_of([one(0, judges=[{"name": "old", "version": "1"}])])
    assert (cost.calls, cost.seconds, cost.dollars, cost.forecast) == (None, None, None, None)
    assert costs_of([one(0), one(1, judges={"old": "1"}), one(2, judges="?")]) == []
