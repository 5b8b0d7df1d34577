import math
import pickle
import random
import warnings
from collections.abc import Sequence
from statistics import NormalDist

import pytest
import torch

from reset_pl.evaluation.intervals import Interval, bootstrap_interval, macro_interval
from reset_pl.metrics.bootstrapped import Bootstrapped
from reset_pl.metrics.per_dataset import PerDataset
from reset_pl.metrics.wrappers import ExactMatch, MeanScore, Shares


class Given(MeanScore):
    """The mean of the scores that it is given."""

    def shares(self, scores: Sequence[float]) -> Shares:
        return self._mean_of(scores)


def draw(seed: int, size: int) -> list[float]:
    """Skewed scores in [0, 1], a third of them 0."""
    rng = random.Random(seed)
    return [0.0 if rng.random() < 0.3 else rng.betavariate(2, 5) for _ in range(size)]


def ids(name: str, size: int) -> list[str]:
    return [f"{name}-{i}" for i in range(size)]


def assert_close(found: dict[str, torch.Tensor], expected: Interval, prefix: str = "", tolerance: float = 0.06) -> None:
    """A quantile of 20,000 resamples is known to 0.019 of the mean's standard error; two are compared."""
    standard_error = expected.half_width / NormalDist().inv_cdf(0.975)
    assert found[f"{prefix}mean"].item() == pytest.approx(expected.mean, abs=1e-12)
    for end, value in (("low", expected.low), ("high", expected.high)):
        assert found[prefix + end].item() == pytest.approx(value, abs=tolerance * 1.5 * standard_error)


def test_intervals_are_those_of_the_evaluation() -> None:
    scores = draw(1, 300)
    metric = Bootstrapped(Given(), resamples=20_000)
    metric.update(ids("a", 100), scores[:100])
    metric.update(ids("b", 200), scores[100:])
    expected = bootstrap_interval(scores, seed=1, resamples=20_000)
    assert_close(metric.compute(), expected)
    narrower = bootstrap_interval(scores, seed=1, resamples=20_000, level=0.9)
    with pytest.raises(AssertionError):  # the tolerance tells the 90% interval apart
        assert_close({"mean": metric.compute()["mean"], **bounds(narrower)}, expected)


def bounds(interval: Interval) -> dict[str, torch.Tensor]:
    return {"low": torch.tensor(interval.low), "high": torch.tensor(interval.high)}


def test_macro_intervals_are_those_of_the_evaluation() -> None:
    scores = {"nq": draw(2, 250), "bioasq": draw(3, 80)}
    metric = Bootstrapped(PerDataset(Given(), list(scores)), resamples=20_000)
    for name, own in scores.items():
        metric.update(ids(name, len(own)), [name] * len(own), own)
    found = metric.compute()
    assert_close(found, macro_interval(scores, seed=4, resamples=20_000), "macro/")
    assert_close(found, bootstrap_interval(scores["nq"], seed=5, resamples=20_000), "nq/")
    assert list(found) == [f"{name}/{end}" for name in ("nq", "bioasq", "macro") for end in ("mean", "low", "high")]


def test_the_level_is_the_share_inside() -> None:
    scores = draw(6, 200)
    metric = Bootstrapped(Given(), resamples=20_000, level=0.8)
    metric.update(ids("a", 200), scores)
    expected = bootstrap_interval(scores, seed=1, resamples=20_000, level=0.8)
    assert metric.compute()["low"].item() == pytest.approx(expected.low, abs=0.05 * expected.half_width)
    assert metric.compute()["high"].item() == pytest.approx(expected.high, abs=0.05 * expected.half_width)


def test_batches_and_their_order_do_not_show() -> None:
    scores, names = draw(7, 40), ids("a", 40)
    one, many = (Bootstrapped(Given(), resamples=200, seed=3) for _ in range(2))
    one.update(names, scores)
    for i in random.Random(0).sample(range(40), 40):
        many.update([names[i]], [scores[i]])
    for end, value in one.compute().items():
        assert many.compute()[end].item() == pytest.approx(value.item(), abs=1e-12)
    other = Bootstrapped(Given(), resamples=200, seed=4)
    other.update(names, scores)
    assert other.compute()["mean"] == one.compute()["mean"]
    assert other.compute()["low"] != one.compute()["low"]


@pytest.mark.parametrize("size", [1, 2, 30])
def test_equal_scores_have_an_interval_of_no_width(size: int) -> None:
    metric = Bootstrapped(Given())
    metric.update(ids("a", size), [0.25] * size)
    assert [value.item() for value in metric.compute().values()] == pytest.approx([0.25] * 3, abs=1e-12)


def test_before_the_first_example_all_is_nan() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(math.isnan(value) for value in Bootstrapped(Given()).compute().values())
        metric = Bootstrapped(PerDataset(Given(), ["nq"]))
        metric.update([], [], [])
        assert all(math.isnan(value) for value in metric.compute().values())


def test_forward_reset_and_pickle() -> None:
    metric = Bootstrapped(ExactMatch(), resamples=50)
    assert metric(["a"], ["mill"], [["mill"]])["mean"].item() == 1.0
    assert metric(["b", "c"], ["x", "y"], [["z"], ["z"]])["high"].item() == 0.0
    assert metric.compute()["mean"].item() == pytest.approx(1 / 3)
    copy = pickle.loads(pickle.dumps(metric))
    copy.update(["d"], ["mill"], [["mill"]])
    assert copy.compute()["mean"].item() == 0.5
    assert metric.compute()["mean"].item() == pytest.approx(1 / 3)
    metric.reset()
    assert math.isnan(metric.compute()["mean"])


def test_an_id_for_each_example() -> None:
    with pytest.raises(ValueError, match="expected an id for each of 2 examples, got 1"):
        Bootstrapped(Given()).update(["a"], [0.1, 0.2])


@pytest.mark.parametrize("options", [{"resamples": 0}, {"level": 0.0}, {"level": 1.0}])
def test_settings_out_of_range(options: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="expected level in"):
        Bootstrapped(Given(), **options)  # type: ignore[arg-type]
