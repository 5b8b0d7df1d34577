import math

import pytest

from reset_pl.data.sets.bm25 import BM25

TEXTS = ["lamp lamp oil", "The lamp.", "oil", "a hat in York"]


def test_scores_worked_by_hand() -> None:
    """4 texts of 3, 1, 1 and 3 tokens ("the" and "a" go), 2 on average; "lamp" in two, "hat" in one."""
    lamp, hat = math.log(1 + 2.5 / 2.5), math.log(1 + 3.5 / 1.5)
    long, short = 1.2 * (0.25 + 0.75 * 3 / 2), 1.2 * (0.25 + 0.75 * 1 / 2)
    expected = [lamp * 2 * 2.2 / (2 + long), lamp * 2.2 / (1 + short), 0, hat * 2.2 / (1 + long)]
    assert BM25(TEXTS).scores("Lamp, hat?").tolist() == pytest.approx(expected)


def test_ranking_is_best_first_and_of_equals_the_earlier() -> None:
    assert BM25(TEXTS).ranking("oil") == [2, 0, 1, 3]
    assert BM25(TEXTS).ranking("nothing of it") == [0, 1, 2, 3]


def test_a_repeated_token_counts_as_often() -> None:
    assert BM25(TEXTS).scores("lamp lamp").tolist() == pytest.approx((2 * BM25(TEXTS).scores("lamp")).tolist())


def test_empty_texts_and_no_texts() -> None:
    assert BM25(["", "x"]).ranking("x") == [1, 0]
    assert BM25([""]).scores("x").tolist() == [0]
    assert BM25([]).ranking("x") == []
