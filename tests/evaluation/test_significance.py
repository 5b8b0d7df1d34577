"""The test against exact enumeration and SciPy's value, Holm's correction against a hand-worked case."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.evaluation.significance import holm, sign_flip_test

FIRST = [0.12, -0.05, 0.3, 0.0, 0.22, 0.17, -0.02, 0.4]
SECOND = [-0.1, 0.25, 0.11, 0.06]


def _exact(sets: list[list[float]]) -> float:
    """All assignments of signs, one by one."""
    observed = abs(np.mean([np.mean(own) for own in sets]))
    flat = [value for own in sets for value in own]
    as_far = []
    for signs in product((1, -1), repeat=len(flat)):
        flipped = iter(np.multiply(signs, flat))
        statistic = np.mean([np.mean([next(flipped) for _ in own]) for own in sets])
        as_far.append(abs(statistic) >= observed - 1e-12)
    return float(np.mean(as_far))


def test_it_agrees_with_all_assignments_of_signs() -> None:
    exact = _exact([FIRST, SECOND])
    # scipy.stats.permutation_test(permutation_type="samples", n_resamples=inf), SciPy 1.17.1
    assert exact == pytest.approx(0.02734375)
    p = sign_flip_test({"first": FIRST, "second": SECOND}, seed=0)
    assert p == pytest.approx(exact, abs=3 * np.sqrt(exact / 99_999))


@pytest.mark.parametrize("number", [1, 7, 8, 9])
def test_any_number_of_differences_is_eights_and_a_rest(number: int) -> None:
    """Equal differences: only all signs alike are as far from 0."""
    p = sign_flip_test({"": [0.5] * number}, seed=0)
    exact = 2 * 0.5**number
    assert p == pytest.approx(exact, abs=4 * np.sqrt(exact / 99_999))


def test_under_the_hypothesis_p_is_uniform() -> None:
    generator = np.random.default_rng(0)
    drawn = [sign_flip_test({"": generator.normal(size=20)}, seed=i, resamples=199) for i in range(400)]
    for level in (0.05, 0.25, 0.5, 0.75):
        assert np.mean(np.array(drawn) <= level) == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / 400))


def test_it_is_the_same_again_and_never_0() -> None:
    differences = {"qa": np.linspace(0.1, 0.2, 200)}
    assert sign_flip_test(differences, seed=1, resamples=999) == 1 / 1000
    assert sign_flip_test({"": FIRST}, seed=3) == sign_flip_test({"": FIRST}, seed=3)


def test_examples_without_a_difference_do_not_change_who_wins_but_weigh() -> None:
    """A zero is no evidence for either side; that p stays as it is follows from all others shrinking alike."""
    assert sign_flip_test({"": [*FIRST, 0.0, 0.0]}, seed=0) == sign_flip_test({"": FIRST}, seed=0)


def test_holm_by_hand() -> None:
    """.005·4, .01·3, .03·2, then .04·1, which may not fall below the one before."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.6, 0.7]) == [1.0, 1.0]


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_lies_between_none_and_bonferroni_and_keeps_the_order(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    for p, own in zip(p_values, adjusted, strict=True):
        assert p <= own <= min(1.0, p * len(p_values)) + 1e-12
    order = np.argsort(p_values, kind="stable")
    assert list(np.array(adjusted)[order]) == sorted(adjusted)
