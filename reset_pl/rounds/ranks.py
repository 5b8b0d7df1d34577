"""The processes that share a round: who does what, and how they wait without a collective.

A process group gives up on a rank that is late by half an hour, and judging can take longer. So ranks that are done
watch the ledger, and meet in a collective only when the round is over. A rank that is asked to stop leaves word there,
so that all of them leave, each with its work committed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from reset_pl.errors import InputError
from reset_pl.interruption import Interrupted, requested
from reset_pl.rounds.ledger import Ledger

_T = TypeVar("_T")
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 2.0
_SHARE_OF_WAIT = 0.02
"""A pause, as a share of the time waited so far: what is noticed late then costs no more than that."""


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those that share a round."""

    rank: int = 0
    """Number of this process."""
    world_size: int = 1
    """Number of processes."""
    barrier: Callable[[], None] = field(default=lambda: None)
    """Waits for all of them; used only where none can be late."""
    anyone: Callable[[bool], bool] = field(default=lambda said: said)
    """Whether any of them says so; all call it together, as a barrier."""

    def own(self, items: Sequence[_T]) -> Sequence[_T]:
        """This process's share."""
        return items[self.rank :: self.world_size]


@contextmanager
def failures_noted(ledger: Ledger, ranks: Ranks) -> Iterator[None]:
    """What stops this rank is written where the others look while they wait."""
    try:
        yield
    except Interrupted:
        raise
    except BaseException as error:
        if ranks.world_size > 1:
            ledger.note_failure(ranks.rank, f"{type(error).__name__}: {error}")
        raise


@contextmanager
def leaving_together(ledger: Ledger, ranks: Ranks) -> Iterator[None]:
    """Work that all ranks share: one may have finished it when another is told to stop, and all leave, or none does.

    Raises:
        Interrupted: One was told to.
    """
    stopped = None
    try:
        with failures_noted(ledger, ranks):
            yield
    except Interrupted as interruption:
        stopped = interruption
    if ranks.anyone(stopped is not None):
        raise stopped or Interrupted(f"{ledger.directory} holds what has been done")


def check_interruption(ledger: Ledger) -> None:
    """A safe point: leave here if this rank or another was asked to.

    Raises:
        Interrupted: One was.
    """
    if requested():
        ledger.note_interruption()
    elif not ledger.interrupted:
        return
    raise Interrupted("what has been sampled and judged is kept")


def wait_until(done: Callable[[], bool], ledger: Ledger) -> None:
    """Look again and again, less and less often, until the others have done it.

    A rank that is killed leaves no note: then the launcher (Lightning, torchrun, ``srun --kill-on-bad-exit``) ends the
    rest.

    Raises:
        InputError: Another rank has stopped.
        Interrupted: A rank was asked to.
    """
    began = time.monotonic()
    while not done():
        check_interruption(ledger)
        for rank, why in ledger.failures().items():
            raise InputError(f"rank {rank} has stopped, and this rank with it: {why}")
        waited = time.monotonic() - began
        time.sleep(min(max(_FIRST_PAUSE, _SHARE_OF_WAIT * waited), _LONGEST_PAUSE))
