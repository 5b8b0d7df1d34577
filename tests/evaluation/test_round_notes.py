from pathlib import Path
from typing import Any

import pytest

from reset_pl.evaluation.results import Round
from reset_pl.evaluation.round_notes import reason_of, scale_of, warning_of


def entry(**manifest: Any) -> Round:
    return Round(path=Path(), number=0, manifest=manifest)


@pytest.mark.parametrize(
    ("weights", "scale"),
    [
        ({"task": 1.0, "instruction": 2.0, "faithfulness": 2.0}, "of 3 = 1 task + 2 faithfulness or instruction"),
        (
            {"task": 0.5, "instruction": 1.0, "faithfulness": 2.0},
            "of 2.5 = 0.5 task + 2 faithfulness, on instructions of 1.5 = 0.5 task + 1 instruction",
        ),
        ({"task": 1.0}, ""),
        (None, ""),
    ],
)
def test_scale(weights: dict[str, float] | None, scale: str) -> None:
    assert scale_of(entry(weights=weights)) == scale


def test_reasons_of_unanswerable_and_of_other_rows_are_told_apart() -> None:
    assert reason_of("none_declined") == "unanswerable, but no candidate said so"
    assert reason_of("all_declined") == "answerable, but all candidates declined"
    assert reason_of("judges_failed") == "judges failed"


@pytest.mark.parametrize(
    ("best", "random", "tie", "is_warned"),
    [
        (0.0, 0.0, 0.75, True),
        (0.0, 0.0, 0.0, True),  # one text a prompt, and it scores nothing
        (1.5, 0.1 + 0.2 + 1.2, 1.0, True),  # equal but for rounding
        (1.5, 1.5, 0.0, False),  # one text a prompt: nothing to tell apart
        (1.5, 1.4, 1.0, False),
        (None, None, 0.0, False),  # nothing was judged
    ],
)
def test_judges_that_cannot_tell_candidates_apart(
    best: float | None, random: float | None, tie: float, is_warned: bool
) -> None:
    scores = {"qa": {"best": best, "random": random, "gold": None}, "good": {"best": 2.0, "random": 1.0}}
    rates = {"qa": {"tie": tie}, "good": {"tie": 0.5}}
    warning = warning_of(entry(mean_score_per_dataset=scores, rates_per_dataset=rates))
    assert ("candidates of qa apart" in warning) == is_warned
    assert "good" not in warning
