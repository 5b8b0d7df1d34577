import time
from collections.abc import Callable

import numpy as np
import pytest

from reset_pl.evaluation.intervals import (
    Interval,
    bootstrap_interval,
    macro_interval,
    macro_paired_interval,
    macro_unpaired_interval,
    paired_interval,
)


@pytest.mark.parametrize(
    ("level", "low", "high"),
    [(0.95, 0.0, 1.0), (0.4, 0.5, 0.5)],  # resampled means are 0, 1/2, 1 with chances 1/4, 1/2, 1/4
)
def test_two_values_have_an_exact_bootstrap_distribution(level: float, low: float, high: float) -> None:
    interval = bootstrap_interval([0.0, 1.0], seed=1, level=level, resamples=4000)
    assert interval == Interval(mean=0.5, low=low, high=high, n=2)


def test_large_sample_agrees_with_the_normal_approximation() -> None:
    values = np.random.default_rng(0).beta(4, 2, size=2000)
    interval = bootstrap_interval(values, seed=3, resamples=4000)
    half = 1.959964 * values.std() / np.sqrt(len(values))
    assert interval.mean == pytest.approx(values.mean())
    assert interval.low == pytest.approx(values.mean() - half, abs=0.06 * half)
    assert interval.high == pytest.approx(values.mean() + half, abs=0.06 * half)
    assert interval.half_width == pytest.approx(half, rel=0.05)


def test_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    draws = np.random.default_rng(7).binomial(1, 0.7, size=(300, 120)).astype(float)
    intervals = [bootstrap_interval(draw, seed=index, resamples=400) for index, draw in enumerate(draws)]
    coverage = np.mean([interval.low <= 0.7 <= interval.high for interval in intervals])
    assert 0.90 <= coverage <= 0.98


def test_macro_average_weighs_data_sets_equally_and_its_variance_is_that_of_a_stratified_mean() -> None:
    generator = np.random.default_rng(5)
    values = {"small": generator.normal(0.9, 0.1, 100), "large": generator.normal(0.3, 0.3, 1600)}
    interval = macro_interval(values, seed=0, resamples=4000)
    half = 1.959964 * np.sqrt(sum(array.var() / len(array) for array in values.values())) / 2
    assert interval.mean == pytest.approx((values["small"].mean() + values["large"].mean()) / 2)
    assert interval.n == 1700
    assert interval.half_width == pytest.approx(half, rel=0.05)


def test_equal_seeds_give_equal_intervals_whatever_the_order_of_the_data_sets() -> None:
    generator = np.random.default_rng(2)
    values = {name: generator.random(50) for name in "abc"}
    backwards = dict(reversed(values.items()))
    assert macro_interval(values, seed=4) == macro_interval(backwards, seed=4)
    assert macro_interval(values, seed=4) != macro_interval(values, seed=5)


def test_data_sets_are_resampled_independently() -> None:
    # Were both drawn with the same indices, the anticorrelated scores would cancel and the width be 0.
    first = np.linspace(0, 1, 60)
    assert macro_interval({"a": first, "b": 1 - first}, seed=0).half_width > 0.02


def test_pairing_removes_what_examples_have_in_common() -> None:
    generator = np.random.default_rng(9)
    before = generator.random(400)
    after = before + generator.normal(0.05, 0.02, 400)
    interval = paired_interval(before, after, seed=0)
    assert interval.mean == pytest.approx((after - before).mean())
    assert interval.low > 0.045
    assert interval.half_width < bootstrap_interval(after, seed=0).half_width / 5


def test_macro_paired_difference_is_the_difference_of_the_macro_averages() -> None:
    generator = np.random.default_rng(11)
    before = {"a": generator.random(30), "b": generator.random(90)}
    after = {"a": generator.random(30), "b": generator.random(90)}
    interval = macro_paired_interval(before, after, seed=0)
    assert interval.mean == pytest.approx(macro_interval(after, seed=0).mean - macro_interval(before, seed=0).mean)
    assert interval.n == 120


def test_to_json_has_the_keys_of_the_contract() -> None:
    assert bootstrap_interval([1.0], seed=0).to_json() == {"mean": 1.0, "low": 1.0, "high": 1.0}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: bootstrap_interval([], seed=0), "at least one value"),
        (lambda: bootstrap_interval([0.1, float("nan")], seed=0), "1 that are not"),
        (lambda: bootstrap_interval([0.1], seed=0, level=95), "`level` in"),
        (lambda: macro_interval({}, seed=0), "at least one data set"),
        (lambda: macro_interval({"nq": []}, seed=0), "of data set 'nq'"),
        (lambda: paired_interval([0.1], [0.1, 0.2], seed=0), "1 scores before and 2 after"),
        (lambda: macro_paired_interval({"a": [0.1]}, {"b": [0.1]}, seed=0), "same data sets"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call()


def test_a_large_evaluation_takes_well_under_a_second_a_set() -> None:
    values = {str(index): np.random.default_rng(index).random(1000) for index in range(6)}
    start = time.perf_counter()
    macro_interval(values, seed=0)
    assert time.perf_counter() - start < 3


def test_the_difference_of_two_samples_resamples_each() -> None:
    """Two samples of 400 with a standard deviation of 1/2 each: the difference has a standard error of .035."""
    before, after = np.tile([0.0, 1.0], 200), np.tile([0.0, 1.0, 1.0, 1.0], 100)
    found = macro_unpaired_interval({"qa": before}, {"qa": after}, seed=0)
    assert (found.mean, found.n) == (0.25, 800)
    error = np.sqrt(before.var() / 400 + after.var() / 400)
    assert found.high - found.mean == pytest.approx(1.96 * error, rel=0.15)
    assert found.mean - found.low == pytest.approx(1.96 * error, rel=0.15)


def test_unpaired_sets_weigh_the_same_whatever_their_size() -> None:
    before, after = {"a": [0.0] * 9, "b": [0.0]}, {"a": [1.0] * 3, "b": [0.0] * 50}
    assert macro_unpaired_interval(before, after, seed=0).mean == 0.5
    with pytest.raises(ValueError, match="same data sets"):
        macro_unpaired_interval({"a": [0.1]}, {"b": [0.1]}, seed=0)
