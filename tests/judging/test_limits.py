from __future__ import annotations

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reset_pl.judging import limits
from reset_pl.judging.limits import Limits
from tests.judging.misbehaving_server import most_in_window


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def send_all(limits: Limits, clock: Clock, until: float, tokens: int = 1, late: float = 0.0) -> list[float]:
    """When requests go that always wait, woken up to ``late`` seconds too late."""
    rng = random.Random(0)
    sent = []
    while clock.now < until:
        if wait := limits.take(tokens):
            clock.now += wait + rng.uniform(0, late)
        else:
            sent.append(clock.now)
    return sent


@given(st.floats(0.5, 6000), st.lists(st.floats(0, 50), max_size=4), st.floats(0, 0.2), st.integers(0, 9))
@settings(max_examples=25, deadline=None)
def test_no_window_holds_more_than_the_limit_however_requests_come(
    limit: float, gaps: list[float], late: float, seed: int
) -> None:
    clock = Clock()
    limits = Limits(requests_per_minute=limit, clock=clock)
    sent: list[float] = []
    for gap in [*gaps, 0.0]:
        clock.now += gap
        sent += send_all(limits, clock, clock.now + 30, late=late)
    rng = random.Random(seed)
    arrivals = sorted(moment + rng.uniform(0, 0.9) for moment in sent)
    assert most_in_window(arrivals) <= math.ceil(limit)


@pytest.mark.parametrize("limit", [20, 500, 5000])
@pytest.mark.parametrize("late", [0.0, 0.02])
def test_at_least_95_percent_of_the_limit_is_used(limit: float, late: float) -> None:
    clock = Clock()
    sent = send_all(Limits(requests_per_minute=limit, clock=clock), clock, clock.now + 600, late=late)
    assert len(sent) >= 0.95 * limit * 10


def test_there_is_no_burst_at_the_start() -> None:
    clock = Clock()
    sent = send_all(Limits(requests_per_minute=600, clock=clock), clock, clock.now + 1.0)
    assert len(sent) == 10  # a tenth of a second apart, 2% more


def test_tokens_are_set_aside_and_given_back() -> None:
    clock = Clock()
    limits = Limits(tokens_per_minute=6000 / 0.98, clock=clock)  # 100 a second
    assert limits.take(500) == 0
    assert limits.take(500) == pytest.approx(5.0)  # 500 tokens later
    limits.settle(500, 100)  # it was 100 only
    assert limits.take(500) == pytest.approx(1.0)
    limits.settle(100, 300)  # or 300 after all
    assert limits.take(500) == pytest.approx(3.0)


def test_tokens_used_stay_below_the_limit() -> None:
    clock = Clock()
    sent = send_all(Limits(tokens_per_minute=10_000, clock=clock), clock, clock.now + 600, tokens=500)
    # A bucket of a minute's tokens that refills evenly never runs dry.
    bucket, last = 10_000.0, sent[0]
    for moment in sent:
        bucket = min(bucket + (moment - last) * 10_000 / 60, 10_000) - 500
        assert bucket >= 0
        last = moment
    assert 500 * len(sent) >= 0.95 * 100_000


def test_retry_after_pauses_everybody() -> None:
    clock = Clock()
    limits = Limits(clock=clock)
    assert limits.take(1) == 0
    assert limits.refuse(clock.now, 7.0)
    assert limits.take(1) == pytest.approx(7.0)
    # Those that were under way are no news, but may ask for longer.
    assert limits.refuse(clock.now - 1, 9.0)
    assert limits.take(1) == pytest.approx(9.0)
    assert limits.pauses == 1


def test_pauses_double_until_something_is_accepted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits.random, "uniform", lambda _, high: high)
    clock = Clock()
    limit = Limits(clock=clock)

    def pause() -> float:
        clock.now += 0.001
        assert limit.refuse(clock.now, None)
        waited = limit.take(1)
        clock.now += waited
        return waited

    assert [pause() for _ in range(8)] == pytest.approx([1, 2, 4, 8, 16, 32, 60, 60])
    limit.accept()
    assert pause() == pytest.approx(1)


def test_the_pace_halves_after_a_pause_and_recovers() -> None:
    clock = Clock()
    limits = Limits(requests_per_minute=600 / 0.98, clock=clock)  # 10 a second
    send_all(limits, clock, clock.now + 20)
    assert limits.refuse(clock.now, 1.0)
    clock.now += 1.0
    start = clock.now
    sent = send_all(limits, clock, start + 60)
    first, last = (sum(start + at <= t < start + at + 2 for t in sent) for at in (0, 58))
    assert first == pytest.approx(10, abs=1)  # 5 a second
    assert last == pytest.approx(20, abs=1)


def test_a_single_refusal_among_many_accepted_pauses_nobody() -> None:
    clock = Clock()
    limits = Limits(clock=clock)
    for _ in range(40):
        limits.accept()
    assert not any(limits.refuse(clock.now, 5.0) for _ in range(4))  # a tenth of the last 40
    assert limits.take(1) == 0
    assert limits.refuse(clock.now, 5.0)
    assert limits.take(1) == pytest.approx(5.0)
