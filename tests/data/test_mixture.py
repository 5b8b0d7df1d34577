from collections import Counter
from collections.abc import Mapping

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.data.mixture import (
    EqualMixture,
    FactorMixture,
    Mixture,
    ProportionalMixture,
    TemperatureMixture,
    index_map,
)
from reset_pl.errors import InputError

sizes_of_sets = st.dictionaries(st.sampled_from("abcde"), st.integers(1, 40), min_size=1)
mixtures = st.one_of(
    st.just(EqualMixture()),
    st.just(ProportionalMixture()),
    st.floats(1, 50).map(TemperatureMixture),
    st.floats(0.1, 4).map(lambda factor: OneFactor(factor)),
)


class OneFactor(Mixture):
    """The same factor for whatever sets there are."""

    def __init__(self, factor: float) -> None:
        self.factor = factor

    def rows(self, sizes: Mapping[str, int]) -> dict[str, int]:
        return FactorMixture(dict.fromkeys(sizes, self.factor)).rows(sizes)


def by_set(order: np.ndarray, sizes: dict[str, int]) -> dict[str, Counter[int]]:
    """Set → how often each of its examples stands in the order."""
    starts = np.cumsum([0, *(sizes[name] for name in sorted(sizes))])
    return {
        name: Counter((order[(start <= order) & (order < start + sizes[name])] - start).tolist())
        for name, start in zip(sorted(sizes), starts, strict=False)
    }


# ---------------------------------------------------------------- the index map


@given(sizes=sizes_of_sets, mixture=mixtures, seed=st.integers(0, 999))
def test_counts_are_exact_and_every_example_is_read_as_often_as_any_other(
    sizes: dict[str, int], mixture: Mixture, seed: int
) -> None:
    rows = mixture.rows(sizes)
    order = index_map(sizes, rows, seed=seed)
    assert len(order) == sum(rows.values())
    for name, counts in by_set(order, sizes).items():
        assert counts.total() == rows[name]
        often = [counts[i] for i in range(sizes[name])]
        assert max(often) - min(often) <= 1


@given(sizes=sizes_of_sets, seed=st.integers(0, 999))
def test_the_order_hangs_on_the_seed_and_not_on_the_order_of_the_sets(sizes: dict[str, int], seed: int) -> None:
    rows = EqualMixture().rows(sizes)
    turned = dict(reversed(sizes.items()))
    assert index_map(sizes, rows, seed=seed).tolist() == index_map(turned, rows, seed=seed).tolist()


def test_seeds_differ_in_order_and_remainder() -> None:
    orders = [index_map({"a": 10, "b": 25}, {"a": 25, "b": 25}, seed=seed) for seed in range(5)]
    assert len({tuple(order.tolist()) for order in orders}) == 5
    assert len({tuple(sorted(by_set(order, {"a": 10, "b": 25})["a"].items())) for order in orders}) > 1


def test_sets_are_mixed_throughout() -> None:
    sizes = {"a": 100, "b": 3, "c": 50, "d": 99}
    order = index_map(sizes, EqualMixture().rows(sizes), seed=0)
    starts = np.cumsum([100, 3, 50])
    for quarter in np.split(order, 4):
        shares = Counter(np.searchsorted(starts, quarter, side="right").tolist())
        assert all(10 <= shares[i] <= 40 for i in range(4))


def test_a_factor_below_one_reads_another_part_in_every_epoch() -> None:
    parts = [set(index_map({"a": 10}, {"a": 5}, seed=seed).tolist()) for seed in range(4)]
    assert all(len(part) == 5 for part in parts)
    assert len(set().union(*parts)) > 5


# ---------------------------------------------------------------- the mixtures

PAPER = {"cnn_dailymail": 287_113, "instruction": 257_307, "ms_marco": 151_225, "nq": 69_639}


def test_the_papers_mixture_has_four_times_its_largest_set() -> None:
    rows = EqualMixture().rows(PAPER)
    assert rows == dict.fromkeys(PAPER, 287_113)
    assert sum(rows.values()) == 1_148_452


def test_temperature_lies_between_proportional_and_equal() -> None:
    assert TemperatureMixture(1).rows(PAPER) == ProportionalMixture().rows(PAPER) == PAPER
    assert TemperatureMixture(1e9).rows(PAPER) == EqualMixture().rows(PAPER)
    square_root = TemperatureMixture(2).rows(PAPER)
    # By hand: 287113 * sqrt(69639 / 287113) = sqrt(287113 * 69639).
    assert square_root["nq"] == 141_401
    assert all(PAPER[name] <= square_root[name] <= 287_113 for name in PAPER)


def test_bad_mixtures_are_refused() -> None:
    with pytest.raises(InputError, match=r"temperature of at least 1, but got 0\.5"):
        TemperatureMixture(0.5)
    with pytest.raises(InputError, match="temperature of at least 1, but got nan"):
        TemperatureMixture(float("nan"))
    with pytest.raises(InputError, match=r"factor above 0 for 'nq' .* but got 0"):
        FactorMixture({"nq": 0})
    with pytest.raises(InputError, match="factor above 0 for 'nq' .* but got inf"):
        FactorMixture({"nq": float("inf")})
    with pytest.raises(InputError, match=r"training sets \(nq, qa\), but got 'qn'"):
        FactorMixture({"qn": 2}).rows({"nq": 3, "qa": 1})
