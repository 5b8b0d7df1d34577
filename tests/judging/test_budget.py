from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.errors import InputError
from reset_pl.judging.budget import Budget


def test_price_by_hand() -> None:
    # 1,000 prompt tokens at $30 a million and 200 of the reply at $60: 3 cents and 1.2 cents.
    assert Budget(None, 30.0, 60.0).price(1000, 200) == pytest.approx(0.042)


def test_what_others_may_not_need_is_waited_for() -> None:
    budget = Budget(1.0, 1.0, 1.0)
    assert budget.reserve(0.6)
    assert not budget.reserve(0.5)
    budget.settle(0.6, 0.4)
    assert budget.reserve(0.5)
    budget.settle(0.5, 0.5)
    assert budget.spent == pytest.approx(0.9)
    with pytest.raises(InputError, match=r"\$0.9000 of budget=\$1.0000, and the next request may cost up to \$0.2000"):
        budget.reserve(0.2)


@given(
    st.floats(0.01, 1.0), st.lists(st.tuples(st.floats(0.0001, 0.3), st.floats(0, 1)), max_size=60), st.integers(1, 8)
)
def test_the_budget_is_never_exceeded(dollars: float, requests: list[tuple[float, float]], at_once: int) -> None:
    budget = Budget(dollars, 1.0, 1.0)
    under_way: list[tuple[float, float]] = []
    for worst, share in requests:
        try:
            while len(under_way) >= at_once or not budget.reserve(worst):
                done, used = under_way.pop(0)
                budget.settle(done, done * used)
        except InputError:
            assert not under_way
            assert budget.spent + worst > dollars
            break
        under_way.append((worst, share))
    for worst, share in under_way:
        budget.settle(worst, worst * share)
    assert budget.spent <= dollars + 1e-9
