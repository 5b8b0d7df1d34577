"""Requests and tokens a minute, paced evenly, and what to do when an endpoint says that it is too much all the same."""

from __future__ import annotations

import random
import time
from collections import deque
from collections.abc import Callable

__all__ = ["Limits", "Pace", "back_off"]

USED = 0.98
"""Share of a limit that is used: no 60 s hold more than the limit even where arrivals lag by up to 0.9 s."""
CATCH_UP = 0.25
"""Seconds that a pace may be behind and make good: a busy machine wakes us late."""
RECOVERY = 1.05
"""Growth of the pace, per second, after a pause."""
SLOWEST = 0.2
"""Requests per second to which refusals can slow the pace."""
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0


def back_off(times: int, first: float, longest: float) -> float:
    """Seconds to wait after so many failures in a row: twice as long each time, with jitter (half of it to all)."""
    return float(min(longest, first * 2.0 ** min(times - 1, 30)) * random.uniform(0.5, 1.0))


class Pace:
    """So much a minute, evenly: an amount goes when what went before it has been paid for by the time passed.

    Args:
        per_minute: The limit; ``USED`` of it is used.
    """

    def __init__(self, per_minute: float) -> None:
        self.seconds_each = 60.0 / (USED * per_minute)
        self.next: float | None = None
        """When the next may go; none before the first."""

    def wait(self, now: float) -> float:
        """Seconds until the next may go."""
        return 0.0 if self.next is None else max(self.next - now, 0.0)

    def spend(self, now: float, amount: float = 1.0) -> None:
        """An amount goes now."""
        start = now if self.next is None else max(self.next, now - CATCH_UP)
        self.next = start + amount * self.seconds_each

    def correct(self, difference: float) -> None:
        """So much less (or, below 0, more) than the amount given was used."""
        if self.next is not None:
            self.next -= difference * self.seconds_each


class Limits:
    """When the next request may go. Not thread-safe: it belongs to the loop that sends.

    A refused request (429) that stands alone among many accepted ones waits by itself: endpoints with several replicas
    refuse now and then. When more than a tenth of the last 40 are refused, everybody pauses, for as long as
    ``Retry-After`` says or for 1, 2, 4 … 60 s with jitter; then the pace starts at half of what it was and grows by 5%
    a second. Token limits are kept as the usual token bucket of a minute keeps them.

    Args:
        requests_per_minute: No 60 s hold more; none: unlimited.
        tokens_per_minute: Prompt and completion together; none: unlimited.
        clock: Seconds, monotonic.
    """

    def __init__(
        self,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.clock = clock
        self.requests = None if requests_per_minute is None else Pace(requests_per_minute)
        self.tokens = None if tokens_per_minute is None else Pace(tokens_per_minute)
        self.pauses = 0
        """Pauses since the endpoint last accepted a request."""
        self._paused_at = self._resumes_at = float("-inf")
        self._slow_rate: float | None = None  # requests a second just after the last pause
        self._last_sent = float("-inf")
        self._sent: deque[float] = deque(maxlen=100)
        self._accepted: deque[bool] = deque(maxlen=40)

    def take(self, tokens: int) -> float:
        """Let a request go now and return 0, or the seconds after which to ask again."""
        now = self.clock()
        wait = max(self._resumes_at - now, self._slow_wait(now))
        for pace in (self.requests, self.tokens):
            if pace is not None:
                wait = max(wait, pace.wait(now))
        if wait > 0.0:
            return wait
        if self.requests is not None:
            self.requests.spend(now)
        if self.tokens is not None:
            self.tokens.spend(now, tokens)
        self._last_sent = now
        self._sent.append(now)
        return 0.0

    def settle(self, reserved: int, used: int) -> None:
        """A request that took ``reserved`` tokens used so many."""
        if self.tokens is not None:
            self.tokens.correct(reserved - used)

    def accept(self) -> None:
        """The endpoint did not refuse a request."""
        self._accepted.append(True)
        self.pauses = 0

    def refuse(self, sent: float, retry_after: float | None) -> bool:
        """The endpoint refused a request that was sent at ``sent``; whether everybody pauses."""
        now = self.clock()
        self._accepted.append(False)
        if self._accepted.count(False) <= 0.1 * len(self._accepted):
            return False
        if sent > self._paused_at:  # else it was under way when the pause began, and is no news
            self.pauses += 1
            self._slow_rate = max(self._rate() / 2, SLOWEST)
            self._paused_at = now
            wait = back_off(self.pauses, FIRST_PAUSE, LONGEST_PAUSE) if retry_after is None else retry_after
            self._resumes_at = max(self._resumes_at, now + wait)
            self._sent.clear()
        elif retry_after is not None:
            self._resumes_at = max(self._resumes_at, now + retry_after)
        return True

    def _rate(self) -> float:
        """Requests a second lately."""
        if len(self._sent) < 2 or self._sent[-1] == self._sent[0]:
            return 1.0
        return (len(self._sent) - 1) / (self._sent[-1] - self._sent[0])

    def _slow_wait(self, now: float) -> float:
        """Seconds until the pace after a pause lets one go."""
        if self._slow_rate is None or now < self._resumes_at:
            return 0.0
        rate = self._slow_rate * RECOVERY ** min(now - self._resumes_at, 1000.0)
        if rate > 1000.0:
            self._slow_rate = None
        return self._last_sent + 1 / rate - now
