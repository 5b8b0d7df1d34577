"""Being asked to stop: a signal raises a flag, and whoever stands at a safe point looks at it and leaves.

Nothing is saved inside a signal handler: a rank may be waiting in a collective there, and the ranks' collectives would
no longer pair up. Imports nothing heavy, so that the handlers stand before anything that takes time.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

STATUS = 75
"""Exit status of a run that was asked to stop and can go on: EX_TEMPFAIL of sysexits.h, "try again later"."""

SIGNALS = (signal.SIGUSR1, signal.SIGTERM)
"""What Slurm sends ahead of a time limit or a pre-emption (``sbatch --signal``), and what it sends without that."""

_received: list[int] = []


class Interrupted(BaseException):
    """The run has left at a safe point, as it was asked to; like ``KeyboardInterrupt`` it is no error."""


def catch_signals(*more: signal.Signals) -> None:
    """Have the signals, and ``more``, raise the flag and do nothing else, from now on; a second one changes nothing."""
    for number in (*SIGNALS, *more):
        signal.signal(number, _raise_flag)


def ignore_signals() -> None:
    """Let no signal change how the process ends: Python gives them back their deadly defaults on its way out."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def requested() -> bool:
    """Whether this process was asked to stop."""
    return bool(_received)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Programs started inside never see SIGUSR1, whose default is to kill; Slurm sends it to every process of a job.

    One that comes meanwhile reaches this process afterwards.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _raise_flag(number: int, frame: FrameType | None) -> None:
    _received.append(number)
