"""The same question is asked once, however many wait for its answer at the same time."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

__all__ = ["Flight", "Flights"]

T = TypeVar("T")


class Flight(Generic[T]):
    """A question on its way."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.answer: Future[T] = Future()
        """Done when the answer, or an error, is there."""
        self.source: Future[T] | None = None
        """What brings it."""
        self.waiting = 0
        """How many wait for it."""
        self.is_landed = False
        """Whether one of them has taken it in."""


class Flights(Generic[T]):
    """The questions that are on their way now, by key; threads may share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str, Flight[T]] = {}

    def __reduce__(self) -> tuple[type[Flights[T]], tuple[()]]:
        """Another process has its own."""
        return type(self), ()

    def board(self, key: str, ask: Callable[[], Future[T]]) -> Flight[T]:
        """Wait for the answer to a question; who comes first asks it."""
        with self._lock:
            flight = self._flights.get(key)
            is_first = flight is None
            if flight is None:
                flight = self._flights[key] = Flight(key)
            flight.waiting += 1
        if is_first:
            try:
                flight.source = ask()
            except BaseException as error:
                flight.answer.set_exception(error)
            else:
                flight.source.add_done_callback(lambda source: _pass_on(source, flight.answer))
        return flight

    def land(self, flight: Flight[T]) -> bool:
        """Take in an answer that is there; true for the first of those who waited, who then calls ``forget``."""
        with self._lock:
            is_first, flight.is_landed = not flight.is_landed, True
            flight.waiting -= 1
        return is_first

    def forget(self, flight: Flight[T]) -> None:
        """Who asks the same from now on begins anew."""
        with self._lock:
            if self._flights.get(flight.key) is flight:
                del self._flights[flight.key]

    def leave(self, flight: Flight[T]) -> None:
        """Wait no longer; a question that nobody waits for is called off."""
        with self._lock:
            flight.waiting -= 1
            if flight.waiting > 0 or flight.is_landed:
                return
            self._flights.pop(flight.key, None)
        if flight.source is not None:
            flight.source.cancel()


def _pass_on(source: Future[T], answer: Future[T]) -> None:
    if source.cancelled():
        answer.cancel()
        answer.set_running_or_notify_cancel()
    elif error := source.exception():
        answer.set_exception(error)
    else:
        answer.set_result(source.result())
