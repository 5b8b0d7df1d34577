"""An endpoint of /v1/chat/completions that fails on command, counts what arrives, and admits R requests a minute.

In a test::

    with MisbehavingServer(faults=["500", "hang_up"]) as server:  # the first two arrivals; the rest are answered
        ChatClient("judge", server.base_url, api_key_env=None)

In a process of its own (``--help`` for the options), its address is the first line that it prints, and ``GET /stats``
answers what it counted. Written on asyncio's streams: a fault is often a reply that no HTTP library would send.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import random
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from typing import Any, Self

STATUSES = ("400", "401", "403", "404", "408", "409", "422", "429", "500", "503")
BROKEN = ("hang_up", "hang_up_mid_body", "timeout", "truncated", "not_json", "no_choices")
WORTHLESS = ("empty", "unparsable", "cut_off", "wrong_model")
FAULTS = (*STATUSES, "429_retry_after", "insufficient_quota", *BROKEN, *WORTHLESS)
PASSING = ("408", "409", "429", "429_retry_after", "500", "503", *BROKEN, *WORTHLESS)
"""Faults after which the same request, asked again, is answered."""
WINDOW = 60.0


class MisbehavingServer:
    """Serves from a thread of its own between ``with`` and its end.

    Args:
        reply: The good reply, or a function from the request's body to it.
        faults: One for each arrival in turn, ``None`` for a good reply; after the last one all are good. Or a function
            from the request's body to a fault or none.
        fault_rate: Share of the arrivals that get a random fault out of ``PASSING``, besides; a request that got an
            empty, unparsable or cut-off reply gets no other one, or it would rightly be given up.
        model: The id that answers; by default ``<requested>-0613``.
        retry_after: Value of the header of a ``429_retry_after``.
        requests_per_minute: Arrivals beyond it, in any 60 s, are refused with 429.
        latency: Seconds before a reply.
        usage: Prompt and completion tokens that every reply reports; none: it reports no usage.
    """

    def __init__(
        self,
        reply: str | Callable[[dict[str, Any]], str] = "Good. Rating: [[8]]",
        faults: Iterable[str | None] | Callable[[dict[str, Any]], str | None] = (),
        fault_rate: float = 0.0,
        model: str | None = None,
        retry_after: str = "1",
        requests_per_minute: float | None = None,
        latency: float = 0.0,
        usage: tuple[int, int] | None = (100, 10),
        port: int = 0,
    ) -> None:
        self.reply, self.model, self.retry_after, self.usage = reply, model, retry_after, usage
        self.requests_per_minute, self.latency, self.fault_rate, self.port = (
            requests_per_minute,
            latency,
            fault_rate,
            port,
        )
        self.faults = faults if callable(faults) else iter(faults)
        self.bodies: list[dict[str, Any]] = []
        """Requests in order of arrival."""
        self.authorizations: list[str] = []
        """Their ``Authorization`` headers."""
        self.arrivals: list[float] = []
        """When they came, ``time.monotonic()``."""
        self.in_flight = self.most_in_flight = 0
        self.injected: Counter[str] = Counter()
        """Fault → times injected; ``over the limit`` for arrivals beyond R."""
        self.answered: Counter[str] = Counter()
        """Hash of the messages → good replies given."""
        self._recent: deque[float] = deque()
        self._random = random.Random(0)
        self._useless: set[str] = set()
        self._asked: set[str] = set()
        self._last_new = 0  # arrivals when the last new request came
        self._keep_bodies = True
        self._loop = asyncio.new_event_loop()
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def base_url(self) -> str:
        """What a client is given."""
        return f"http://127.0.0.1:{self.port}/v1"

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(ready,), daemon=True)
        self._thread.start()
        assert ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    def stats(self) -> dict[str, Any]:
        """What it counted so far."""
        return {
            "arrivals": len(self.arrivals),
            "seconds": self.arrivals[-1] - self.arrivals[0] if self.arrivals else 0.0,
            "arrivals_until_the_last_new": self._last_new,
            "seconds_until_the_last_new": self.arrivals[self._last_new - 1] - self.arrivals[0]
            if self.arrivals
            else 0.0,
            "most_in_a_minute": most_in_window(self.arrivals),
            "most_in_flight": self.most_in_flight,
            "injected": dict(self.injected),
            "answered": len(self.answered),
            "answered_twice": sum(count > 1 for count in self.answered.values()),
        }

    def _serve(self, ready: threading.Event | None = None) -> None:
        async def run() -> None:
            self._stop = asyncio.Event()
            server = await asyncio.start_server(self._converse, "127.0.0.1", self.port, backlog=1000)
            self.port = server.sockets[0].getsockname()[1]
            if ready is None:
                print(self.base_url, flush=True)  # noqa: T201  (its owner waits for it)
            else:
                ready.set()
            await self._stop.wait()
            server.close()
            for connection in self._connections:
                connection.cancel()
            await asyncio.gather(*self._connections, return_exceptions=True)

        self._loop.run_until_complete(run())
        self._loop.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """All requests of one connection; a client that goes away ends it."""
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            while await self._exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._connections.discard(task)
            writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its reply; whether the connection stays open."""
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        content = await reader.readexactly(int(headers.get("content-length", 0)))
        if head[0].startswith("GET /stats"):
            await _send(writer, 200, json.dumps(self.stats()))
            return True
        if not head[0].startswith("POST /v1/chat/completions"):
            await _send(writer, 404, _error("there is no such page"))
            return True
        self.arrivals.append(time.monotonic())
        body = json.loads(content)
        if _digest(body) not in self._asked:
            self._asked.add(_digest(body))
            self._last_new = len(self.arrivals)
        if self._keep_bodies:
            self.bodies.append(body)
            self.authorizations.append(headers.get("authorization", ""))
        self.in_flight += 1
        self.most_in_flight = max(self.most_in_flight, self.in_flight)
        try:
            if self.latency:
                await asyncio.sleep(self.latency)
            return await self._respond(writer, body, headers.get("authorization", "").removeprefix("Bearer "))
        finally:
            self.in_flight -= 1

    def _fault(self, body: dict[str, Any]) -> str | None:
        now = self.arrivals[-1]
        while self._recent and self._recent[0] <= now - WINDOW:
            self._recent.popleft()
        if self.requests_per_minute and len(self._recent) >= self.requests_per_minute:
            self.injected["over the limit"] += 1
            return "429"
        self._recent.append(now)
        fault = self.faults(body) if callable(self.faults) else next(self.faults, None)
        if fault is None and self._random.random() < self.fault_rate:
            fault = self._random.choice(PASSING)
            if fault in ("empty", "unparsable", "cut_off"):
                if _digest(body) in self._useless:
                    fault = "500"
                self._useless.add(_digest(body))
        if fault is not None:
            self.injected[fault] += 1
        return fault

    async def _respond(self, writer: asyncio.StreamWriter, body: dict[str, Any], key: str) -> bool:
        fault = self._fault(body)
        if fault in STATUSES or fault in ("429_retry_after", "insufficient_quota"):
            code = 429 if fault == "insufficient_quota" else int(fault[:3])
            extra = {"Retry-After": self.retry_after} if fault == "429_retry_after" else {}
            # Real endpoints repeat keys, whole or masked.
            message = f"error {code} of this server\nfor the key {key}, {key[:5]}****{key[-4:]}"
            await _send(writer, code, _error(message, fault), extra)
            return True
        if fault == "hang_up":
            return False
        if fault == "timeout":
            await asyncio.sleep(600)
        text = self._completion(body, fault)
        if fault == "hang_up_mid_body":
            await _send(writer, 200, text[: len(text) // 2], length=len(text))
            return False
        if fault == "truncated":
            text = text[: len(text) // 2]
        if fault == "not_json":
            text = "<html><body>It is us, not you.</body></html>"
        if fault is None:
            self.answered[_digest(body)] += 1
        await _send(writer, 200, text)
        return True

    def _completion(self, body: dict[str, Any], fault: str | None) -> str:
        good = self.reply if isinstance(self.reply, str) else self.reply(body)
        content = {"empty": "", "unparsable": "I would rather not say."}.get(fault or "", good)
        message = {"role": "assistant", "content": content}
        choice = {"index": 0, "message": message, "finish_reason": "length" if fault == "cut_off" else "stop"}
        choices = [] if fault == "no_choices" else [choice]
        model = "another-model" if fault == "wrong_model" else self.model or f"{body['model']}-0613"
        completion = {"id": "chatcmpl-1", "object": "chat.completion", "created": 0, "model": model, "choices": choices}
        if self.usage is not None:
            prompt, reply = self.usage
            tokens = {"prompt_tokens": prompt, "completion_tokens": reply, "total_tokens": prompt + reply}
            completion["usage"] = tokens
        return json.dumps(completion)


def most_in_window(arrivals: list[float], window: float = WINDOW) -> int:
    """The most arrivals that any window of so many seconds holds, one end of it included."""
    most, start = 0, 0
    for i, arrival in enumerate(arrivals):
        while arrivals[start] <= arrival - window:
            start += 1
        most = max(most, i - start + 1)
    return most


def _digest(body: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(body["messages"]).encode()).hexdigest()[:16]


def _error(message: str, code: str | None = None) -> str:
    return json.dumps({"error": {"message": message, "type": "error", "param": None, "code": code}})


async def _send(
    writer: asyncio.StreamWriter, status: int, text: str, extra: dict[str, str] | None = None, length: int | None = None
) -> None:
    headers = {"Content-Type": "application/json", "Content-Length": length or len(text), **(extra or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer.write(f"HTTP/1.1 {status} Something\r\n{head}\r\n{text}".encode())
    await writer.drain()


def main() -> None:
    """A server in a process of its own."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests-per-minute", type=float)
    parser.add_argument("--fault-rate", type=float, default=0.0)
    parser.add_argument("--latency", type=float, default=0.0)
    server = MisbehavingServer(**vars(parser.parse_args()))
    server._keep_bodies = False
    server._serve()


if __name__ == "__main__":
    main()
