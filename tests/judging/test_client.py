from __future__ import annotations

import logging
import pickle
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from pathlib import Path
from typing import Any

import pytest

from reset_pl.errors import InputError
from reset_pl.judging import connection, limits
from reset_pl.judging.client import ChatClient, NoReply, Reply
from tests.judging.misbehaving_server import PASSING, MisbehavingServer

KEY = "sk-proj-Zq8vT3mW1xR5"
ROOT = Path(__file__).parents[2]
Ask = Callable[..., Future[Reply]]


def has_rating(text: str) -> None:
    if "[[" not in text:
        raise ValueError("expected a rating, got none")


def ask(client: ChatClient, text: str = "hi", max_tokens: int = 10) -> Future[Reply]:
    return client.submit([{"role": "user", "content": text}], max_tokens=max_tokens, accept=has_rating)


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Back-offs and pauses of a hundredth of a second."""
    monkeypatch.setattr(connection, "FIRST_BACK_OFF", 0.01)
    monkeypatch.setattr(connection, "LONGEST_BACK_OFF", 0.02)
    monkeypatch.setattr(limits, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(limits, "LONGEST_PAUSE", 0.02)
    monkeypatch.setattr(limits, "SLOWEST", 1000.0)


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ChatClient]]:
    """Makes clients that are closed in the end."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    clients = []

    def make(server: MisbehavingServer | str, model: str = "judge", **arguments: Any) -> ChatClient:
        url = server if isinstance(server, str) else server.base_url
        clients.append(ChatClient(model, url, **arguments))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


# -------------------------------------------------------------------------------------------- replies


def test_a_reply_with_its_model_tokens_and_cost(connect: Callable[..., ChatClient]) -> None:
    prices = {"dollars_per_million_prompt_tokens": 30.0, "dollars_per_million_completion_tokens": 60.0}
    with MisbehavingServer(usage=(1000, 200)) as server:
        client = connect(server, budget=5.0, **prices)
        reply = ask(client, "Rate it.", max_tokens=512).result(10)
    # 1,000 × $30/M + 200 × $60/M = 3 + 1.2 cents.
    assert reply == Reply(
        text="Good. Rating: [[8]]",
        model="judge-0613",
        prompt_tokens=1000,
        completion_tokens=200,
        cost=pytest.approx(0.042),
    )
    (body,) = server.bodies
    assert body["messages"] == [{"role": "user", "content": "Rate it."}]
    assert (body["model"], body["temperature"], body["max_tokens"]) == ("judge", 0, 512)
    assert server.authorizations == [f"Bearer {KEY}"]
    assert client.spent == pytest.approx(0.042)
    assert client.requests == 1
    assert client.note() == "1 requests, $0.04 of $5.00"


def test_a_key_of_another_kind_is_not_sent_to_a_server_that_wants_none(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer() as server:
        ask(connect(server, api_key_env=None)).result(10)
    assert KEY not in server.authorizations[0]


@pytest.mark.parametrize("fault", PASSING)
def test_what_passes_is_asked_again(connect: Callable[..., ChatClient], fault: str) -> None:
    with MisbehavingServer(faults=[None, fault], retry_after="0.05") as server:
        client = connect(server, deadline=0.9 if fault == "timeout" else 30.0)
        ask(client).result(10)
        assert ask(client).result(10).text == "Good. Rating: [[8]]"
        assert client.requests == len(server.bodies) == 3
        assert client.note() == "3 requests, 1 retries"


@pytest.mark.parametrize("fault", ["empty", "unparsable"])
def test_a_useless_reply_is_asked_for_once_more_and_both_are_paid(
    connect: Callable[..., ChatClient], fault: str
) -> None:
    with MisbehavingServer(faults=[fault, fault], usage=(100, 10)) as server:
        client = connect(server, dollars_per_million_prompt_tokens=1.0)
        with pytest.raises(NoReply, match=r"expected a (reply|rating), got .* \(asked 2 times\)") as caught:
            ask(client).result(10)
        assert len(server.bodies) == 2
    assert caught.value.cost == client.spent == pytest.approx(0.0002)
    assert client.note() == "2 requests, $0.00, 1 retries"


def test_the_cost_of_a_reply_holds_its_failed_attempts(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer(faults=["500", "wrong_model", "no_choices", "truncated"], usage=(100, 10)) as server:
        client = connect(server, dollars_per_million_completion_tokens=100.0)
        reply = ask(client).result(10)
    # Of another model, and the good one, at a tenth of a cent each. What is cut off, or holds no choice, says no usage,
    # or says it and counts.
    assert reply.cost == client.spent == pytest.approx(0.003)


@pytest.mark.parametrize("fault", ["400", "422"])
def test_a_request_that_is_rejected_is_not_repeated(connect: Callable[..., ChatClient], fault: str) -> None:
    with MisbehavingServer(faults=[fault]) as server:
        client = connect(server)
        with pytest.raises(NoReply, match=f"^HTTP {fault}: error {fault} of this server for the key .key. .key.$"):
            ask(client).result(10)
        assert ask(client).result(10)
        assert len(server.bodies) == 2


def test_a_text_that_cannot_be_sent_fails_alone(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer() as server:
        client = connect(server)
        with pytest.raises(NoReply, match="UnicodeEncodeError"):
            ask(client, "half a character: \ud83d").result(10)
        assert ask(client).result(10)


def test_a_request_is_given_up_after_eight_attempts(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer(faults=[None] + ["500"] * 8) as server:
        client = connect(server)
        ask(client).result(10)
        with pytest.raises(NoReply, match=r"^HTTP 500: .* \(asked 8 times\)$"):
            ask(client).result(10)
        assert len(server.bodies) == 9


def test_a_request_is_given_up_at_its_deadline(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer(faults=["timeout"] * 5) as server:
        client = connect(server, deadline=0.3)
        with pytest.raises(NoReply, match=r"no reply within 0 s: no usable reply within deadline=0.3 s"):
            ask(client).result(10)
        assert 2 <= len(server.bodies) <= 3


# -------------------------------------------------------------------------------------------- the end of a run


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        ("401", r"does not accept the key in OPENAI_API_KEY \(HTTP 401\)"),
        ("403", r"does not accept the key in OPENAI_API_KEY \(HTTP 403\)"),
        ("404", r"has no model 'judge', or is not where the endpoint is: .*base_url"),
        ("insufficient_quota", "has nothing left to spend"),
    ],
)
def test_what_no_request_survives_stops_the_run_at_once(
    connect: Callable[..., ChatClient], fault: str, message: str
) -> None:
    with MisbehavingServer(faults=lambda _: fault) as server:
        client = connect(server, concurrency=1)
        replies = [ask(client, str(i)) for i in range(2)]
        for reply in [*replies, ask(client)]:
            with pytest.raises(InputError, match=message) as caught:
                reply.result(10)
            assert "\n" not in str(caught.value)
        assert len(server.bodies) == 1  # no retry, and no other request


def test_a_server_that_wants_a_key_says_how_to_give_one(connect: Callable[..., ChatClient]) -> None:
    with (
        MisbehavingServer(faults=["401"]) as server,
        pytest.raises(InputError, match=r"wants a key \(HTTP 401\): expected api_key_env"),
    ):
        ask(connect(server, api_key_env=None)).result(10)


def test_no_key(connect: Callable[..., ChatClient], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUDGE_KEY", "  ")
    with MisbehavingServer() as server:
        client = connect(server, api_key_env="JUDGE_KEY")
        for call in (lambda: ask(client), lambda: client.share(1)):
            with pytest.raises(InputError, match="expected the environment variable JUDGE_KEY .* got nothing"):
                call()
        assert not server.bodies


@pytest.mark.parametrize("key", ["two words", "sk-ключ", "sk-\x07bell"])
def test_a_key_that_is_none_is_not_repeated(
    connect: Callable[..., ChatClient], monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", key)
    with pytest.raises(InputError, match="one word of ASCII characters") as caught:
        ask(connect("http://127.0.0.1:9/v1"))
    assert key not in str(caught.value)


def test_an_endpoint_that_is_down(connect: Callable[..., ChatClient], free_port: int) -> None:
    client = connect(f"http://127.0.0.1:{free_port}/v1")
    with pytest.raises(
        InputError, match=rf"no answer from base_url http://127.0.0.1:{free_port}/v1 .*is the server run"
    ):
        ask(client).result(10)
    assert client.requests == 3


def test_an_endpoint_that_breaks_down_stops_the_run(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer() as server:
        client = connect(server, concurrency=16)
        ask(client).result(10)
    replies = [ask(client, str(i)) for i in range(25)]
    errors = [reply.exception(10) for reply in replies]
    assert sum(isinstance(error, NoReply) for error in errors) == 19
    stopped = [error for error in errors if isinstance(error, InputError)]
    assert len(stopped) == 6
    assert all("answered none of the last 20 requests (ConnectError" in str(error) for error in stopped)


def test_rejections_stop_a_run_only_if_nothing_was_ever_answered(connect: Callable[..., ChatClient]) -> None:
    def too_long(body: dict[str, Any]) -> str | None:
        return "400" if body["messages"][0]["content"].startswith("long") else None

    with MisbehavingServer(faults=too_long) as server:
        client = connect(server)
        ask(client).result(10)
        errors = [ask(client, f"long {i}").exception(10) for i in range(25)]
        assert all(isinstance(error, NoReply) for error in errors)
        fresh = connect(server)
        errors = [ask(fresh, f"long {i}").exception(10) for i in range(20)]
        assert isinstance(errors[18], NoReply)
        assert isinstance(errors[19], InputError)


def test_refusals_without_end_stop_the_run(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer(faults=lambda _: "429") as server:
        with pytest.raises(InputError, match="refused every request through 8 pauses: lower requests_per_minute"):
            ask(connect(server)).result(10)
        assert len(server.bodies) == 9


def test_a_pause_longer_than_the_deadline_stops_the_run(connect: Callable[..., ChatClient]) -> None:
    with (
        MisbehavingServer(faults=["429_retry_after"], retry_after="3600") as server,
        pytest.raises(InputError, match="refuses requests for the next 3600 s, longer than deadline=300"),
    ):
        ask(connect(server)).result(10)


# -------------------------------------------------------------------------------------------- the model that answers


def test_another_model_in_mid_run_stops_it(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer(faults=[None] + ["wrong_model"] * 4) as server:
        client = connect(server)
        ask(client).result(10)
        message = "expected a reply of judge-0613, got one of another-model, 4 times: a round would mix two judges"
        with pytest.raises(InputError, match=message):
            ask(client).result(10)
        assert len(server.bodies) == 5


def test_another_model_may_be_allowed(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer(faults=[None, "wrong_model"]) as server:
        client = connect(server, allow_model_change=True)
        assert [ask(client).result(10).model for _ in range(3)] == ["judge-0613", "another-model", "judge-0613"]


@pytest.mark.parametrize(("name", "asked"), [("judge", 1), ("judge-v2", 1), ("judge2", 2), ("vendor/judge", 2)])
def test_an_unexpected_id_is_believed_the_second_time(
    connect: Callable[..., ChatClient], name: str, asked: int
) -> None:
    with MisbehavingServer(model=name) as server:
        assert ask(connect(server)).result(10).model == name
        assert len(server.bodies) == asked


# -------------------------------------------------------------------------------------------- limits and money


def test_no_more_in_flight_than_concurrency(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer(latency=0.02) as server:
        client = connect(server, concurrency=3)
        threads = [
            threading.Thread(target=lambda: [ask(client, str(i)).result(10) for i in range(3)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(10)
        assert len(server.bodies) == 24
        assert server.most_in_flight == 3


def test_submit_waits_for_room(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer(faults=lambda _: "timeout") as server:
        client = connect(server, concurrency=2)
        replies: list[Future[Reply]] = []
        thread = threading.Thread(target=lambda: [replies.append(ask(client, str(i))) for i in range(5)])
        thread.start()
        thread.join(0.3)
        assert thread.is_alive()
        assert len(replies) == 4
        client.close()
        thread.join(10)
        assert not thread.is_alive()


def test_a_cancelled_request_makes_room(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer(faults=["timeout"]) as server:
        client = connect(server, concurrency=1)
        first = ask(client)
        while not server.bodies:
            time.sleep(0.005)
        assert first.cancel()
        assert ask(client).result(10)


@pytest.mark.parametrize("concurrency", [1, 8])
def test_the_budget_is_hard(connect: Callable[..., ChatClient], concurrency: int) -> None:
    # A request costs 10 × $10/M + 10 × $30/M = $0.0004; at worst (2 bytes + 16 of the template) × $10/M + 10 × $30/M =
    # $0.00048. Of $0.002, four are spent; then $0.0016 + $0.00048 is too much.
    prices = {"dollars_per_million_prompt_tokens": 10.0, "dollars_per_million_completion_tokens": 30.0}
    with MisbehavingServer(usage=(10, 10)) as server:
        client = connect(server, budget=0.002, concurrency=concurrency, **prices)
        errors = [reply.exception(10) for reply in [ask(client, "hi") for _ in range(8)]]
        assert sum(error is None for error in errors) == len(server.bodies) == 4
    assert client.spent == pytest.approx(0.0016)
    stopped = [error for error in errors if isinstance(error, InputError)]
    assert len(stopped) == 4
    assert "the budget is spent: $0.0016 of budget=$0.0020" in str(stopped[0])


def test_shares_of_several_processes(connect: Callable[..., ChatClient]) -> None:
    prices = {"dollars_per_million_prompt_tokens": 10.0, "dollars_per_million_completion_tokens": 30.0}
    with MisbehavingServer(latency=0.01, usage=(10, 10)) as server:
        client = connect(server, concurrency=3, budget=0.01, requests_per_minute=60_000, **prices)
        client.share(3, spent=0.0055)  # a third of what is left: $0.0015, three requests at $0.0004
        errors = [reply.exception(10) for reply in [ask(client, "hi") for _ in range(5)]]
        assert sum(error is None for error in errors) == 3
        assert server.most_in_flight == 1
        with pytest.raises(InputError, match=r"the budget is spent: \$0.0100 of budget=\$0.0100"):
            client.share(3, spent=0.01)


def test_a_request_that_the_token_limit_can_never_hold(connect: Callable[..., ChatClient]) -> None:
    client = connect("http://127.0.0.1:9/v1", tokens_per_minute=500)
    with pytest.raises(InputError, match="expected tokens_per_minute to hold a request, got 500 .* 517 tokens"):
        ask(client, "x" * 4, max_tokens=512)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"model": " "}, "expected model to be"),
        ({"base_url": "localhost:8000"}, "expected base_url to begin with http:// or https://, got 'localhost:8000'"),
        ({"concurrency": 0}, "expected concurrency to be from 1 to 1000 requests, got 0"),
        ({"requests_per_minute": 0}, "expected requests_per_minute to be above 0, got 0"),
        ({"tokens_per_minute": -1}, "expected tokens_per_minute to be above 0, got -1"),
        ({"deadline": float("nan")}, "expected deadline to be above 0, got nan"),
        ({"budget": 0.0}, "expected budget to be above 0, got 0.0"),
        ({"dollars_per_million_prompt_tokens": -1.0}, "expected dollars_per_million_prompt_tokens to be at least 0"),
        ({"budget": 5.0}, "budget is 5.0, but no price is given: set dollars_per_million_prompt_tokens"),
    ],
)
def test_arguments_out_of_range(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ChatClient(**{"model": "judge", **arguments})


# -------------------------------------------------------------------------------------------- secrets, and the end


@pytest.mark.parametrize("fault", ["401", "403", "404", "400", "500", "429", "hang_up", "not_json", "unparsable", None])
def test_the_key_is_never_shown(
    connect: Callable[..., ChatClient],
    fault: str | None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with MisbehavingServer(faults=lambda _: fault) as server:
        client = connect(server)
        error = ask(client).exception(10)
        shown = [client.note(), repr(client), str(vars(client)), repr(error), str(vars(error) if error else "")]
    assert server.authorizations[0] == f"Bearer {KEY}"
    assert (error is None) == (fault is None)
    while error is not None:  # what an error drags along could be printed, or pickled
        shown += [str(error), repr(error), repr(vars(error))]
        assert type(error) in (NoReply, InputError)
        error = error.__cause__ or error.__context__
    captured = capfd.readouterr()
    everything = "\n".join([*shown, captured.out, captured.err, caplog.text, repr(pickle.dumps(client))])
    assert "httpcore" in caplog.text  # the libraries did speak
    assert not any(KEY[i : i + 6] in everything for i in range(8, len(KEY) - 5))


def test_what_is_pickled_are_the_arguments(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer() as server:
        client = connect(server, concurrency=7)
        ask(client).result(10)
        copy = pickle.loads(pickle.dumps(client))
        assert (copy.model, copy.base_url, copy.concurrency, copy.requests) == ("judge", server.base_url, 7, 0)
        assert ask(copy).result(10)
        copy.close()


def test_a_closed_client_connects_again(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer(faults=["timeout"]) as server:
        before = threading.active_count()
        client = connect(server)
        reply = ask(client)
        while not server.bodies:
            time.sleep(0.005)
        client.close()
        assert_threads_end(before)
        with pytest.raises(CancelledError):
            reply.result(0)
        assert ask(client).result(10)
        assert client.requests == 2


def test_a_client_that_nobody_holds_answers_and_then_ends(connect: Callable[..., ChatClient]) -> None:
    with MisbehavingServer(latency=0.05) as server:
        before = threading.active_count()
        assert ask(ChatClient("judge", server.base_url, api_key_env=None)).result(10)
        assert_threads_end(before)


def assert_threads_end(before: int) -> None:
    """No more threads than before; one that looked up an address may end a moment after its loop."""
    deadline = time.monotonic() + 10
    while threading.active_count() > before and time.monotonic() < deadline:
        time.sleep(0.01)
    assert threading.active_count() == before


SCRIPT = """
    import signal
    import sys
    from reset_pl.judging.client import ChatClient
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background ignores it
    client = ChatClient("judge", sys.argv[1], api_key_env=None)
    replies = [client.submit([{"role": "user", "content": "hi"}], max_tokens=1, accept=len) for _ in range(4)]
    if sys.argv[2] == "wait":
        replies[0].result()
    input()
"""


@pytest.mark.integration
@pytest.mark.parametrize("way", ["wait", "leave"])
def test_a_program_ends_while_requests_are_outstanding(way: str) -> None:
    with MisbehavingServer(faults=lambda _: "timeout") as server:
        command = [sys.executable, "-W", "always", "-c", textwrap.dedent(SCRIPT), server.base_url, way]
        pipes = {"stdin": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "cwd": ROOT}
        with subprocess.Popen(command, **pipes) as program:  # type: ignore[call-overload]
            while len(server.bodies) < 4:
                time.sleep(0.01)
            if way == "wait":
                program.send_signal(signal.SIGINT)
            _, errors = program.communicate("\n", timeout=30)
    if way == "wait":
        assert errors.strip().endswith("KeyboardInterrupt")
        assert errors.count("Traceback") == 1
        assert "destroyed" not in errors
    else:
        assert errors == ""
        assert program.returncode == 0
