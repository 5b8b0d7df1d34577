"""Tasks over worker processes, in any order, that neither outlive their parent nor lose an error."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from types import TracebackType
from typing import Any

from reset_pl.errors import InputError

Call = tuple[Any, Callable[..., Any], tuple[Any, ...]]
"""A tag by which its result is known, a function of a module, its arguments."""


class Workers:
    """A pool of processes, started at the first task.

    The processes are forked from a server that has no threads, where the system has one, and started afresh elsewhere:
    forking a process in which Arrow's threads run is not safe.

    Args:
        number: How many processes; with 1 the tasks run in this one.

    Raises:
        InputError: ``number`` is below 1.
    """

    def __init__(self, number: int) -> None:
        if number < 1:
            raise InputError(f"expected --num_proc of at least 1, but got {number}")
        self.number = number
        self._pool: ProcessPoolExecutor | None = None

    def __enter__(self) -> Workers:
        """Nothing is started yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the processes; tasks that have not begun are dropped."""
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def map(self, function: Callable[..., Any], tasks: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
        """Call a function of a module with the arguments of each task.

        Yields:
            (index of the task, what the function returned), as they are done.

        Raises:
            InputError: See ``run``.
        """
        return self.run(deque((index, function, task) for index, task in enumerate(tasks)))

    def run(self, calls: deque[Call]) -> Iterator[tuple[Any, Any]]:
        """Make calls until none is left; whoever reads the results may add others meanwhile.

        Yields:
            (tag of the call, what its function returned), as they are done.

        Raises:
            InputError: A function raised it, or a process was killed.
        """
        if self.number == 1:
            while calls:
                tag, function, arguments = calls.popleft()
                yield tag, function(*arguments)
            return
        running: dict[Future[Any], Any] = {}
        try:
            while calls or running:
                while calls:
                    tag, function, arguments = calls.popleft()
                    running[self._started().submit(function, *arguments)] = tag
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    yield running.pop(future), future.result()
        except BrokenProcessPool as error:
            raise InputError(
                "a worker process was killed, most likely because the memory ran out: start the same command again "
                "with a smaller --num_proc, and it goes on where it was"
            ) from error
        finally:
            for future in running:
                future.cancel()

    def _started(self) -> ProcessPoolExecutor:
        if self._pool is None:
            has_server = "forkserver" in multiprocessing.get_all_start_methods()
            context = multiprocessing.get_context("forkserver" if has_server else "spawn")
            if has_server:
                context.set_forkserver_preload(["datasets", "reset_pl.preparation.parts"])
            self._pool = ProcessPoolExecutor(self.number, mp_context=context, initializer=_begin)
        return self._pool


def _begin() -> None:
    """Leave Ctrl-C to the parent, and end when the parent has been killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
