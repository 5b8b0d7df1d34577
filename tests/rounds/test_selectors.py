"""Selectors that keep several answers, none, or a pair; their relation to the paper's rule."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.errors import InputError
from reset_pl.records import Candidate, Selection, Status
from reset_pl.rounds.selectors import (
    SELECTORS,
    BestAndWorstSelector,
    RandomSelector,
    ReferenceSelector,
    ThresholdSelector,
    TopKSelector,
    WeightedSelector,
)
from tests.conftest import make_example
from tests.rounds.test_selection import EXAMPLE, both, candidate, verdict

SCORES = [0.0, 0.25, 0.5, 0.75, 1.0]


def outcome(selections: Sequence[Selection]) -> list[tuple[str | None, str, int]]:
    return [(s.candidate_id, s.reason, s.rank) for s in selections]


# ---------------------------------------------------------------------- top k


def test_top_k_keeps_the_best_different_texts_in_order() -> None:
    verdicts = {**both("a", 0.0, 0.5), **both("b", 1.0, 1.0), **both("c", 1.0, 0.75), **both("d", 0.0, 0.0)}
    drawn = [candidate("a"), candidate("b", "same"), candidate("c", "same"), candidate("d")]
    # scores 1, 3, 2.5 and 0; c has b's text
    chosen = TopKSelector(k=3).select(EXAMPLE, drawn, verdicts)
    assert outcome(chosen) == [("b", "best", 0), ("a", "best", 1), ("d", "best", 2)]
    assert [s.score for s in chosen] == [3.0, 1.0, 0.0]
    assert outcome(TopKSelector(k=2).select(EXAMPLE, drawn, verdicts)) == outcome(chosen[:2])


def test_top_k_keeps_fewer_where_there_are_no_more_texts() -> None:
    verdicts = {**both("a", 0.5, 0.5), **both("b", 0.5, 0.5)}
    pair = [candidate("a", "same"), candidate("b", "same")]
    assert outcome(TopKSelector(k=5).select(EXAMPLE, pair, verdicts)) == [("a", "best", 0)]


def test_equals_of_top_k_are_drawn_one_after_the_other() -> None:
    verdicts = {name: own for key in "abc" for name, own in both(key, 1.0, 1.0).items()}
    orders = set()
    for seed in range(40):
        drawn = [candidate(key, seed=seed + 100 * i) for i, key in enumerate("abc")]
        chosen = TopKSelector(k=3).select(EXAMPLE, drawn, verdicts)
        assert [s.reason for s in chosen] == ["tie", "tie", "best"]  # the last one has no equal left
        orders.add(tuple(s.candidate_id for s in chosen))
    assert len(orders) == 6


# ---------------------------------------------------------------------- threshold


@pytest.mark.parametrize(
    ("threshold", "is_kept"),
    # 0.6 of task and 0.9 of faithfulness: 0.6 + 2 * 0.9 = 2.4 of 3
    [(0.0, True), (0.79, True), (0.8, True), (0.81, False), (1.0, False)],
)
def test_threshold_is_a_share_of_the_highest_score(threshold: float, is_kept: bool) -> None:
    drawn = [candidate("a"), candidate("b")]
    verdicts = {**both("a", 0.6, 0.9), **both("b", 1.0, 0.0)}
    chosen = ThresholdSelector(threshold=threshold).select(EXAMPLE, drawn, verdicts)
    assert outcome(chosen) == [("a", "best", 0) if is_kept else (None, "below_threshold", 0)]
    assert (chosen[0].text is not None) == is_kept


def test_the_highest_score_counts_the_aspects_that_were_scored() -> None:
    alone = {"a": [verdict("a", "faithfulness", 0.8), verdict("a", "task", None, "abstained", judge="t")]}
    assert ThresholdSelector(threshold=0.8).select(EXAMPLE, [candidate("a")], alone)[0].text == "a"
    # the same candidate beside one that has a task score too: 1.6 of 3
    beside = {**alone, **both("b", 0.1, 0.1)}
    chosen = ThresholdSelector(threshold=0.8).select(EXAMPLE, [candidate("a"), candidate("b")], beside)
    assert chosen[0].reason == "below_threshold"


def test_a_perfect_score_reaches_a_threshold_of_one_whatever_the_weights() -> None:
    selector = ThresholdSelector(threshold=1.0, task_weight=0.1, faithfulness_weight=0.2)
    assert selector.select(EXAMPLE, [candidate("a")], both("a", 1.0, 1.0))[0].text == "a"


# ---------------------------------------------------------------------- best and worst


def test_the_best_has_the_worst_as_its_rejected_answer() -> None:
    verdicts = {**both("a", 1.0, 1.0), **both("b", 0.0, 0.25), **both("c", 1.0, 0.0)}
    (pair,) = BestAndWorstSelector().select(EXAMPLE, [candidate(key) for key in "abc"], verdicts)
    assert (pair.candidate_id, pair.score, pair.reason, pair.rank) == ("a", 3.0, "best", 0)
    assert (pair.rejected_id, pair.rejected_text, pair.rejected_score) == ("b", "b", 0.5)


def test_what_could_not_be_chosen_is_not_rejected_either() -> None:
    verdicts = {
        **both("a", 1.0, 1.0),
        **both("cut", 0.0, 0.0),
        **both("d", 0.0, 0.0),
        **both("b", 0.5, 0.5),
        "broken": [verdict("broken", "task", None, "failed")],
    }
    drawn = [
        candidate("cut", finish_reason="length"),
        candidate("d", "Unanswerable."),
        candidate("broken"),
        candidate("b"),
        candidate("a"),
    ]
    assert BestAndWorstSelector().select(EXAMPLE, drawn, verdicts)[0].rejected_id == "b"


def test_without_a_pair_the_prompt_is_left_out() -> None:
    same = {**both("a", 1.0, 1.0), **both("b", 0.0, 0.0)}
    assert outcome(BestAndWorstSelector().select(EXAMPLE, [candidate("a", "same"), candidate("b", "same")], same)) == [
        (None, "one_text", 0)
    ]
    equal = {**both("a", 1.0, 0.0), **both("b", 0.0, 0.5)}
    assert outcome(BestAndWorstSelector().select(EXAMPLE, [candidate("a"), candidate("b")], equal)) == [
        (None, "gap_too_small", 0)
    ]


@pytest.mark.parametrize(("min_gap", "is_kept"), [(0.0, True), (0.5, True), (0.51, False)])
def test_the_gap_is_a_share_of_the_highest_score(min_gap: float, is_kept: bool) -> None:
    verdicts = {**both("a", 1.0, 1.0), **both("b", 0.5, 0.5)}  # 3 and 1.5 of 3
    chosen = BestAndWorstSelector(min_gap=min_gap).select(EXAMPLE, [candidate("a"), candidate("b")], verdicts)
    assert chosen[0].reason == ("best" if is_kept else "gap_too_small")


# ---------------------------------------------------------------------- all of them


@st.composite
def pools(draw: st.DrawFn) -> tuple[list[Candidate], dict[str, Any]]:
    """Some candidates of few texts and few scores, so that duplicates and ties are common."""
    drawn, verdicts = [], {}
    for index in range(draw(st.integers(0, 6))):
        name = f"c{index}"
        finish_reason = draw(st.sampled_from(["stop", "stop", "stop", "length"]))
        text = draw(st.sampled_from("uvwx"))
        drawn.append(candidate(name, text, finish_reason=finish_reason, seed=draw(st.integers(0, 99))))
        status = draw(st.sampled_from([Status.SCORED, Status.SCORED, Status.SCORED, Status.FAILED]))
        verdicts.update(both(name, draw(st.sampled_from(SCORES)), draw(st.sampled_from(SCORES))))
        if status is Status.FAILED:
            verdicts[name].append(verdict(name, "faithfulness", None, "failed", judge="g"))
    return drawn, verdicts


@given(pool=pools(), tie_break=st.sampled_from(["seeded", "first"]), k=st.integers(1, 4), gap=st.floats(0, 1))
def test_all_agree_with_the_papers_rule(pool: Any, tie_break: Any, k: int, gap: float) -> None:
    drawn, verdicts = pool
    best = WeightedSelector(tie_break=tie_break).select(EXAMPLE, drawn, verdicts)
    assert list(TopKSelector(k=1, tie_break=tie_break).select(EXAMPLE, drawn, verdicts)) == list(best)
    assert list(ThresholdSelector(threshold=0.0, tie_break=tie_break).select(EXAMPLE, drawn, verdicts)) == list(best)

    several = TopKSelector(k=k, tie_break=tie_break).select(EXAMPLE, drawn, verdicts)
    assert several[0] == best[0]
    texts = [s.text for s in several]
    assert len(set(texts)) == len(texts) <= k
    assert [s.rank for s in several] == list(range(len(several)))
    if best[0].score is not None:
        scores = [s.score for s in several if s.score is not None]
        assert scores == sorted(scores, reverse=True)

    (pair,) = BestAndWorstSelector(min_gap=gap, tie_break=tie_break).select(EXAMPLE, drawn, verdicts)
    if pair.text is not None:
        assert (pair.candidate_id, pair.score, pair.reason) == (best[0].candidate_id, best[0].score, best[0].reason)
        assert pair.score is not None
        assert pair.rejected_score is not None
        assert pair.rejected_text != pair.text
        assert pair.score - pair.rejected_score >= max(gap * 3, 1e-9) - 1e-9
    elif best[0].text is None:
        assert pair.reason == best[0].reason
    else:
        assert pair.reason in ("one_text", "gap_too_small")


@given(pool=pools())
def test_every_selector_says_why_or_what(pool: Any) -> None:
    for selector in SELECTORS:
        for selection in selector().select(EXAMPLE, *pool):
            assert (selection.text is None) <= (selection.candidate_id is None)
            assert selection.reason


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: TopKSelector(k=0), "TopKSelector.k of at least 1, but got 0"),
        (lambda: ThresholdSelector(threshold=2.5), r"threshold as a share in \[0, 1\], but got 2.5"),
        (lambda: ThresholdSelector(threshold=math.nan), "but got nan"),
        (lambda: BestAndWorstSelector(min_gap=-0.1), r"min_gap as a share in \[0, 1\], but got -0.1"),
        (lambda: WeightedSelector(task_weight=-1.0), "task_weight of at least 0, but got -1"),
        (lambda: TopKSelector(k=2, faithfulness_weight=math.nan), "faithfulness_weight of at least 0, but got nan"),
    ],
)
def test_bad_settings_are_refused(make: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_controls_choose_one() -> None:
    verdicts = {**both("a", 1.0, 1.0), **both("b", 0.0, 0.0)}
    for selector in (RandomSelector(), ReferenceSelector()):
        assert len(selector.select(make_example(1), [candidate("a"), candidate("b")], verdicts)) == 1
