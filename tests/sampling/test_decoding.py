import warnings
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

from reset_pl.errors import InputError
from reset_pl.records import Decoding, Example
from reset_pl.sampling.decoding import DecodingPlan, GreedyPlan

MakeExamples = Callable[..., list[Example]]


# ---------------------------------------------------------------- the paper's plan


def test_the_papers_values_are_the_defaults() -> None:
    """Section 5.1: temperatures 0.1 to 0.7 with top-k off, or these top-k; at most 480 tokens."""
    axes = DecodingPlan().axes
    assert axes == {
        "temperature": [
            Decoding(temperature=t, top_k=0, top_p=1.0, max_new_tokens=480, label=f"temperature={t}")
            for t in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)
        ],
        "top_k": [
            Decoding(temperature=1.0, top_k=k, top_p=1.0, max_new_tokens=480, label=f"top_k={k}")
            for k in (5, 10, 20, 50, 70, 90, 100)
        ],
    }


def test_one_procedure_varies_one_axis_through_all_its_values(make_examples: MakeExamples) -> None:
    plan = DecodingPlan().bind(round=0, seed=3)
    axes = Counter()
    for example in make_examples(200):
        draws = plan.draws(example)
        (axis,) = {draw.procedure for draw in draws}
        assert [draw.decoding for draw in draws] == DecodingPlan().axes[axis]
        axes[axis] += 1
    # A fair coin leaves 200 throws within 70 and 130 except once in 50,000.
    assert axes.keys() == {"temperature", "top_k"}
    assert 70 <= axes["temperature"] <= 130


def test_two_procedures_vary_both_axes(make_examples: MakeExamples) -> None:
    plan = DecodingPlan(procedures=2).bind(round=0, seed=3)
    for example in make_examples(20):
        draws = plan.draws(example)
        assert Counter(draw.procedure for draw in draws) == {"temperature": 7, "top_k": 7}
        assert len({draw.decoding for draw in draws}) == 14


def test_draws_are_the_same_every_time(make_examples: MakeExamples) -> None:
    examples = make_examples(20)
    first, again = (DecodingPlan().bind(round=1, seed=3) for _ in range(2))
    alone = {example.id: first.draws(example) for example in examples}
    assert {example.id: again.draws(example) for example in reversed(examples)} == alone


@pytest.mark.parametrize("procedures", [1, 2])
def test_ids_and_seeds_are_each_candidates_own(make_examples: MakeExamples, procedures: int) -> None:
    plan = DecodingPlan(procedures=procedures)
    draws = [
        draw
        for round_number in (0, 1)
        for example in make_examples(50)
        for draw in plan.bind(round=round_number, seed=0).draws(example)
    ]
    assert len({draw.candidate_id for draw in draws}) == len(draws) == 2 * 50 * 7 * procedures
    assert len({draw.seed for draw in draws}) == len(draws)
    assert all(draw.candidate_id.startswith(f"{draw.round}/d/") for draw in draws)


def test_the_runs_seed_changes_axes_and_seeds_but_not_ids(make_examples: MakeExamples) -> None:
    plan, examples = DecodingPlan(procedures=2), make_examples(30)
    zero, one = ([draw for e in examples for draw in plan.bind(round=0, seed=seed).draws(e)] for seed in (0, 1))
    assert {draw.candidate_id for draw in zero} == {draw.candidate_id for draw in one}
    assert not {draw.seed for draw in zero} & {draw.seed for draw in one}
    axes = [[DecodingPlan().bind(round=0, seed=seed).draws(e)[0].procedure for e in examples] for seed in (0, 1)]
    assert axes[0] != axes[1]


def test_a_plan_of_one_axis_draws_that_axis(make_examples: MakeExamples) -> None:
    plan = DecodingPlan(temperatures=(0.5, 1.0), top_ks=(), max_new_tokens=9).bind(round=0, seed=0)
    for example in make_examples(10):
        assert [draw.decoding.label for draw in plan.draws(example)] == ["temperature=0.5", "temperature=1"]
        assert {draw.decoding.max_new_tokens for draw in plan.draws(example)} == {9}


def test_evaluation_is_greedy(make_examples: MakeExamples) -> None:
    (example,) = make_examples(1)
    (draw,) = GreedyPlan(max_new_tokens=7).draws(example)
    assert draw.decoding == Decoding(temperature=0.0, top_k=0, top_p=1.0, max_new_tokens=7, label="greedy")
    assert draw.candidate_id == "greedy/d/0"


# ---------------------------------------------------------------- degenerate plans


@pytest.mark.filterwarnings("ignore:top_k_temperature 0")
@pytest.mark.parametrize(
    "settings",
    [
        {"temperatures": (0.0,), "top_ks": ()},
        {"temperatures": (0.7,), "top_ks": ()},
        {"temperatures": (), "top_ks": (5,)},
        {"temperatures": (), "top_ks": (5, 10, 20), "top_k_temperature": 0.0},
        {"temperatures": (0.0,), "top_ks": (5, 10, 20), "top_k_temperature": 0.0},
        {"temperatures": (0.0,), "top_ks": (5, 10, 20), "top_k_temperature": 0.0, "procedures": 2},
        {"temperatures": (), "top_ks": (1,)},
        {"temperatures": (0.0,), "top_ks": (1,), "procedures": 2},
        {"temperatures": (0.5,), "top_ks": (5,), "procedures": 1},
    ],
    ids=str,
)
def test_a_plan_whose_candidates_cannot_differ_is_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="decoding plan whose candidates can differ") as error:
        DecodingPlan(**settings)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "settings",
    [
        {"temperatures": (0.5, 0.6), "top_ks": ()},
        {"temperatures": (0.0, 0.6), "top_ks": ()},
        {"temperatures": (), "top_ks": (1, 5)},
        {"temperatures": (0.5,), "top_ks": (5,), "procedures": 2},
        {"temperatures": (0.0,), "top_ks": (5,), "procedures": 2},
    ],
    ids=str,
)
def test_a_plan_whose_candidates_can_differ_is_taken_without_a_word(settings: dict[str, Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DecodingPlan(**settings)


def test_the_papers_literal_reading_is_drawn_once_with_a_warning(make_examples: MakeExamples) -> None:
    with pytest.warns(
        UserWarning, match="7 settings of the top-k axis one greedy answer: it is drawn once in place of 7"
    ):
        plan = DecodingPlan(top_k_temperature=0.0)
    numbers = Counter()
    for example in make_examples(40):
        draws = plan.bind(round=0, seed=0).draws(example)
        numbers[draws[0].procedure, len(draws)] += 1
        if draws[0].procedure == "top_k":
            assert draws[0].decoding == Decoding(temperature=0.0, top_k=0, label="greedy")
    assert numbers.keys() == {("temperature", 7), ("top_k", 1)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"temperatures": (0.5, 0.5)}, "different values in temperatures"),
        ({"top_ks": (5, 5)}, "different values in top_ks"),
        ({"temperatures": (-0.1, 0.5)}, "temperatures of at least 0"),
        ({"top_k_temperature": -1.0}, "temperatures of at least 0"),
        ({"top_ks": (0, 5)}, "top_ks and max_new_tokens of at least 1"),
        ({"max_new_tokens": 0}, "top_ks and max_new_tokens of at least 1"),
        ({"temperatures": (), "top_ks": ()}, "both are empty"),
        ({"procedures": 0}, "procedures between 1 and 2"),
        ({"procedures": 3}, "procedures between 1 and 2"),
        ({"procedures": 2, "top_ks": ()}, "procedures between 1 and 1"),
    ],
)
def test_values_that_make_no_sense_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        DecodingPlan(**settings)
