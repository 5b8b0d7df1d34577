"""All requests to one endpoint: one thread with one loop sends them, within the limits, until each has its reply.

Nobody else retries. What may pass is asked again, up to ``ATTEMPTS`` times, with a back-off of 0.5, 1, 2 … 30 s.
"""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import Future

from reset_pl.errors import InputError
from reset_pl.judging.budget import Budget
from reset_pl.judging.exchange import Answer, Exchange, Passing, Refused, Rejected, Stranger, Unreachable
from reset_pl.judging.limits import Limits, back_off
from reset_pl.judging.request import NoReply, Reply, Request

__all__ = ["Connection"]

ATTEMPTS = 8
"""Failures of a request, or pauses in a row without any success, after which it is given up."""
BROKEN_AFTER = 20
"""So many requests given up in a row, none answered between them, mean that the endpoint is broken."""
FIRST_BACK_OFF, LONGEST_BACK_OFF = 0.5, 30.0


class _Useless(Passing):
    """An empty reply, or one that does not parse."""


MOST: dict[type[Passing], int] = {_Useless: 2, Stranger: 4, Unreachable: ATTEMPTS, Passing: ATTEMPTS}
"""How often a request may meet what."""


class Connection:
    """Owns the thread, the requests under way and what is known of the endpoint.

    Args:
        exchange: Sends one attempt; closed with the connection.
        limits: When requests may go.
        budget: What they may cost.
        concurrency: Requests in flight at once; twice as many may be outstanding before ``submit`` blocks.
        deadline: Seconds that a request may be in flight and in its own back-off; one attempt may take a third of it.
    """

    def __init__(
        self,
        exchange: Exchange,
        limits: Limits,
        budget: Budget,
        concurrency: int,
        deadline: float,
    ) -> None:
        self.limits, self.budget = limits, budget
        self.deadline = deadline
        self.requests = self.retries = 0
        self._exchange = exchange
        self._slots = threading.Semaphore(2 * concurrency)
        self._tasks: dict[asyncio.Task[Reply], Request] = {}
        self._has_answered = False
        self._given_up = 0  # requests in a row
        self._stopped: InputError | None = None
        self._is_closed = False
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._flight = asyncio.Semaphore(concurrency)
        self._turn = asyncio.Lock()
        self._settled = asyncio.Event()
        self._end = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="chat client", daemon=True)
        self._thread.start()

    # ------------------------------------------------------------------ from any thread

    def submit(self, request: Request) -> Future[Reply]:
        """Begin a request; blocks while twice ``concurrency`` are outstanding."""
        self._slots.acquire()
        request.reply.add_done_callback(lambda _: self._slots.release())
        with self._lock:
            if not self._is_closed:
                self._loop.call_soon_threadsafe(self._start, request)
                return request.reply
        request.reply.cancel()
        return request.reply

    def close(self) -> None:
        """Call off what is outstanding and end the thread."""
        with self._lock:
            if not self._is_closed:
                self._loop.call_soon_threadsafe(self._end.set)
        if threading.current_thread() is not self._thread:  # which may collect the last reference to a client
            self._thread.join(10.0)

    # ------------------------------------------------------------------ in the loop

    def _run(self) -> None:
        async def live() -> None:
            await self._end.wait()
            with self._lock:
                self._is_closed = True
            await asyncio.sleep(0)  # requests that were handed over just now begin, and are called off with the others
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._exchange.close()

        try:
            self._loop.run_until_complete(live())
        finally:
            self._loop.close()

    def _start(self, request: Request) -> None:
        task = self._loop.create_task(self._fulfil(request))
        self._tasks[task] = request
        task.add_done_callback(self._finish)

        def call_off(reply: Future[Reply]) -> None:
            if reply.cancelled() and not self._is_closed:
                self._loop.call_soon_threadsafe(task.cancel)

        request.reply.add_done_callback(call_off)

    async def _fulfil(self, request: Request) -> Reply:
        try:
            return await self._persist(request)
        except InputError as error:
            self._stop(error)
            raise

    def _finish(self, task: asyncio.Task[Reply]) -> None:
        """Give the future its reply or error; also of a task that was called off before it began."""
        future = self._tasks.pop(task).reply
        if task.cancelled():
            error: BaseException | None = self._stopped
            if error is None:
                future.cancel()
                return
        else:
            error = task.exception()
        if not future.set_running_or_notify_cancel():
            return
        if error is None:
            future.set_result(task.result())
        else:
            future.set_exception(_plain(error))

    def _stop(self, error: InputError) -> None:
        """The run cannot go on: what is in flight may still arrive, nothing else is sent."""
        self._stopped = self._stopped or error
        for task, request in self._tasks.items():
            if not request.is_sent and task is not asyncio.current_task():
                task.cancel()

    def _check_going(self) -> None:
        if self._stopped is not None:
            raise InputError(str(self._stopped))

    async def _persist(self, request: Request) -> Reply:
        """Ask until there is a reply that is accepted, or no hope."""
        while True:
            try:
                return self._accepted(request, await self._attempt(request))
            except Rejected as error:
                raise self._give_up(request, str(error), is_endpoint=not self._has_answered) from None
            except Passing as error:
                delay = self._delay(request, error)
            self.retries += 1
            request.seconds += delay
            await asyncio.sleep(delay)

    async def _attempt(self, request: Request) -> Answer:
        """One attempt, when the limits and the budget let it go."""
        async with self._flight:
            worst = self.budget.price(request.most_prompt_tokens, request.max_tokens)
            async with self._turn:
                await self._reserve(request, worst)
            sent, usage = self.limits.clock(), (0, 0)
            request.is_sent = True
            self.requests += 1
            try:
                timeout = max(min(self.deadline / 3, self.deadline - request.seconds), 0.001)
                answer = await self._exchange.ask(request.messages, request.max_tokens, timeout)
                usage = answer.usage
                self._has_answered, self._given_up = True, 0
                self.limits.accept()
                return answer
            except Refused as error:
                error.everybody_waits = self._refused(sent, error)
                raise
            except Passing as error:
                usage = error.usage
                raise
            finally:
                request.is_sent = False
                request.seconds += self.limits.clock() - sent
                cost = self.budget.price(*usage)
                request.cost += cost
                self.budget.settle(worst, cost)
                self._settled.set()
                if sum(usage):
                    self.limits.settle(request.tokens, sum(usage))

    async def _reserve(self, request: Request, worst: float) -> None:
        """Wait for money that others set aside, then for the limits."""
        self._check_going()
        while not self.budget.reserve(worst):
            self._settled.clear()
            await self._settled.wait()
        try:
            while wait := self.limits.take(request.tokens):
                await asyncio.sleep(wait)
        except BaseException:
            self.budget.settle(worst, 0.0)
            raise

    def _refused(self, sent: float, error: Refused) -> bool:
        """Whether everybody pauses now, rather than this request alone."""
        if not self.limits.refuse(sent, error.retry_after):
            return False
        if (error.retry_after or 0.0) > self.deadline:
            raise InputError(
                f"{self._exchange.url} refuses requests for the next {error.retry_after:.0f} s, longer than "
                f"deadline={self.deadline:.0f}: start the same command again then ({error})"
            )
        if self.limits.pauses > ATTEMPTS:
            raise InputError(
                f"{self._exchange.url} refused every request through {ATTEMPTS} pauses: lower requests_per_minute or "
                f"tokens_per_minute, or start the same command again later ({error})"
            )
        return True

    def _accepted(self, request: Request, answer: Answer) -> Reply:
        try:
            if not answer.text.strip():
                raise ValueError("expected a reply, got an empty one")
            if answer.is_cut:  # what ends it may stand in the middle of what was to be said, a quotation say
                raise ValueError(f"expected a whole reply, but the limit of {request.max_tokens} tokens cut it off")
            request.accept(answer.text)
        except ValueError as error:
            raise _Useless(str(error)) from None
        prompt, completion = answer.usage
        return Reply(
            text=answer.text, model=answer.model, prompt_tokens=prompt, completion_tokens=completion, cost=request.cost
        )

    def _delay(self, request: Request, error: Passing) -> float:
        """Seconds until it is asked again.

        Raises:
            NoReply: It has been asked often enough.
            InputError: So has the endpoint.
        """
        self._check_going()
        if isinstance(error, Refused):
            if error.everybody_waits:
                return 0.0  # the limits hold it back, and that does not count
            return self._within_deadline(
                request, error, error.retry_after or back_off(1, FIRST_BACK_OFF, LONGEST_BACK_OFF)
            )
        kind = type(error)
        request.met[kind] += 1
        times = request.met[kind]
        if kind is Unreachable and not self._has_answered and times >= 3:
            raise InputError(f"no answer from base_url {self._exchange.url} ({error}): is the server running?")
        if times >= MOST[kind]:
            if kind is Stranger:
                raise InputError(
                    f"{error}, {times} times: a round would mix two judges; set model to the exact id that is to "
                    "judge, or accept the change with allow_model_change: true"
                )
            raise self._give_up(request, f"{error} (asked {times} times)", is_endpoint=kind is not _Useless)
        if kind is _Useless:
            return 0.0
        wait = back_off(times, FIRST_BACK_OFF, LONGEST_BACK_OFF)
        return self._within_deadline(request, error, max(wait, error.retry_after or 0.0))

    def _within_deadline(self, request: Request, error: Passing, delay: float) -> float:
        if request.seconds + delay < self.deadline:
            return delay
        raise self._give_up(request, f"{error}: no usable reply within deadline={self.deadline:g} s", is_endpoint=True)

    def _give_up(self, request: Request, why: str, is_endpoint: bool) -> Exception:
        """The error of a request; an ``InputError`` where so many fail that it must be the endpoint."""
        self._given_up += is_endpoint
        if self._given_up < BROKEN_AFTER:
            return NoReply(why, request.cost)
        return InputError(
            f"{self._exchange.url} answered none of the last {self._given_up} requests ({why}): mend it and start the "
            "same command again: what was judged is kept"
        )


def _plain(error: BaseException) -> BaseException:
    """An error without what led there, which may hold more than it says; every future gets an object of its own."""
    if isinstance(error, NoReply):
        return NoReply(str(error), error.cost)
    return InputError(str(error)) if isinstance(error, InputError) else error
