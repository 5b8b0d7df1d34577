import threading
from concurrent.futures import CancelledError, Future

import pytest

from reset_pl.judging.flights import Flights


class Desk:
    """Counts what is asked."""

    def __init__(self) -> None:
        self.asked: list[Future[str]] = []

    def ask(self) -> "Future[str]":
        self.asked.append(Future())
        return self.asked[-1]


def test_one_question_for_all_who_wait() -> None:
    flights, desk = Flights[str](), Desk()
    first, second = flights.board("a", desk.ask), flights.board("a", desk.ask)
    other = flights.board("b", desk.ask)
    assert len(desk.asked) == 2
    desk.asked[0].set_result("answer")
    assert (first.answer.result(0), second.answer.result(0), other.answer.done()) == ("answer", "answer", False)
    assert [flights.land(first), flights.land(second)] == [True, False]
    flights.forget(first)
    flights.board("a", desk.ask)
    assert len(desk.asked) == 3


def test_who_comes_while_the_first_takes_the_answer_in_has_it_too() -> None:
    flights, desk = Flights[str](), Desk()
    first = flights.board("a", desk.ask)
    desk.asked[0].set_result("answer")
    assert flights.land(first)
    late = flights.board("a", desk.ask)
    assert (late.answer.result(0), flights.land(late), len(desk.asked)) == ("answer", False, 1)


def test_a_question_is_called_off_when_the_last_leaves() -> None:
    flights, desk = Flights[str](), Desk()
    first, second = flights.board("a", desk.ask), flights.board("a", desk.ask)
    flights.leave(first)
    assert not desk.asked[0].cancelled()
    flights.leave(second)
    assert desk.asked[0].cancelled()
    flights.board("a", desk.ask)
    assert len(desk.asked) == 2


def test_who_waits_learns_that_the_source_was_closed() -> None:
    flights, desk = Flights[str](), Desk()
    flight = flights.board("a", desk.ask)
    desk.asked[0].cancel()
    with pytest.raises(CancelledError):
        flight.answer.result(0)


def test_an_error_reaches_all_and_the_next_asks_anew() -> None:
    flights, desk = Flights[str](), Desk()

    def refuse() -> "Future[str]":
        raise ValueError("no")

    flight = flights.board("a", refuse)
    with pytest.raises(ValueError, match="no"):
        flight.answer.result(0)
    assert flights.land(flight)
    flights.forget(flight)
    assert not flights.board("a", desk.ask).answer.done()


def test_threads_share_questions() -> None:
    """Eight threads ask the same hundred questions at once: each is asked once, and all have all answers."""
    flights, desk = Flights[str](), Desk()
    lock = threading.Lock()
    start = threading.Barrier(8)
    answers: list[str] = []
    keys = [str(i) for i in range(100)]
    asked: dict[str, int] = dict.fromkeys(keys, 0)

    def ask(key: str) -> "Future[str]":
        with lock:
            asked[key] += 1
        return desk.ask()

    def wait() -> None:
        start.wait()
        mine = [flights.board(key, lambda key=key: ask(key)) for key in keys]
        answers.extend(flight.answer.result(10) for flight in mine)

    threads = [threading.Thread(target=wait) for _ in range(8)]
    for thread in threads:
        thread.start()
    while len(desk.asked) < 100:
        pass
    for future in list(desk.asked):
        future.set_result("x")
    for thread in threads:
        thread.join(10)
    assert set(asked.values()) == {1}
    assert len(answers) == 800
