"""How much the choice hangs on the weights, by hand and against selecting again with each weight."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given

from reset_pl.rounds.selection import Scored
from reset_pl.rounds.selectors import WeightedSelector
from reset_pl.rounds.sensitivity import GRID, Sensitivity
from tests.rounds.test_selection import EXAMPLE, candidate
from tests.rounds.test_selectors import pools


def scored(name: str, **parts: float) -> Scored:
    return Scored(candidate=candidate(name), parts=parts, score=0.0)


def test_hand_worked() -> None:
    # s_task + w * s_faith: "task" has 1, "faithful" has 0.25 + 0.5 w, so it wins above w = 1.5
    pair = [scored("task", task=1.0, faithfulness=0.0), scored("faithful", task=0.25, faithfulness=0.5)]
    sensitivity = Sensitivity("first")
    sensitivity.add("qa", pair, "faithful")
    sensitivity.add("qa", pair[:1], "task")
    sensitivity.add("news", pair, "task")
    summary = sensitivity.summary()
    assert summary["weights"] == list(GRID) == [0.0, 0.125, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0]
    assert summary["changed"] == {
        "qa": [0.5, 0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0],
        "news": [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 1.0],
    }


def test_on_instructions_it_is_the_weight_of_instruction_following() -> None:
    pair = [scored("a", task=1.0, instruction=0.0), scored("b", task=0.0, instruction=1.0)]
    sensitivity = Sensitivity("first")
    sensitivity.add("i", pair, "b")
    assert sensitivity.summary()["changed"]["i"] == [1.0] * 5 + [0.0] * 3  # at 1 they tie, and the first is taken


@given(pool=pools())
def test_it_is_what_selecting_again_would_change(pool: Any) -> None:
    own = WeightedSelector()
    (chosen,) = own.select(EXAMPLE, *pool)
    if chosen.text is None:
        return
    sensitivity = Sensitivity()
    sensitivity.add("qa", own.score(EXAMPLE, *pool)[0], chosen.text)
    for weight, changed in zip(GRID, sensitivity.summary()["changed"]["qa"], strict=True):
        again = WeightedSelector(task_weight=1.0, instruction_weight=weight, faithfulness_weight=weight)
        assert changed == (again.select(EXAMPLE, *pool)[0].text != chosen.text)
        if weight == pytest.approx(2.0):
            assert changed == 0
