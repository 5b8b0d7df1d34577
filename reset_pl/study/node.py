"""One node of a study: what is known of it on the disk, whose it is, and its commands at work."""

from __future__ import annotations

import ctypes
import fcntl
import json
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal

from reset_pl.files import committed
from reset_pl.interruption import STATUS, requested

Status = Literal["complete", "failed", "not run", "interrupted"]
RECORD, LOG, LOCK = "node.json", "node.log", ".node.lock"
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_TAIL = 20_000  # bytes of the log that are searched for the error
_LONGEST_LINE = 500  # characters


def read_record(run: Path) -> dict[str, Any] | None:
    """``node.json`` of a run directory; none where there is none, or none that can be read."""
    try:
        record = json.loads((run / RECORD).read_text())
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def write_record(run: Path, record: Mapping[str, Any]) -> None:
    """Write ``node.json``, whole or not at all."""
    run.mkdir(parents=True, exist_ok=True)
    with committed(run / RECORD) as file:
        file.write((json.dumps(record, indent=2) + "\n").encode())


def claim(run: Path) -> IO[str] | None:
    """Take a node for this process and what it starts; the kernel gives it back when all of them have ended.

    The commands inherit the lock: where the worker is killed and a command lives on, nobody starts it a second time.

    Args:
        run: The node's run directory.

    Returns:
        What holds the lock until it is closed; none where another worker has it.
    """
    run.mkdir(parents=True, exist_ok=True)
    file = (run / LOCK).open("w")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    return file


@dataclass(frozen=True)
class Outcome:
    """How a node's commands ended."""

    status: Status
    seconds: float
    """Since the first of them was started, this time."""
    error: str | None
    """Last line of the one that failed."""


class Attempt:
    """A claimed node's commands, one after the other, each a process of its own; output goes to ``node.log``.

    Args:
        run: The run directory.
        lock: What ``claim`` gave; released at the end.
        lines: Arguments of each command behind ``python -m reset_pl``.
        env: Environment of the commands.
    """

    def __init__(self, run: Path, lock: IO[str], lines: Sequence[Sequence[str]], env: Mapping[str, str]) -> None:
        self._lock = lock
        self._left = list(lines)
        self._env = env
        self._log = (run / LOG).open("ab")
        self._began = time.monotonic()
        self._start()

    def poll(self) -> Outcome | None:
        """Start the next command where one has ended; the outcome once nothing is left to do."""
        code = self._process.poll()
        if code is None:
            return None
        if code == 0 and self._left and not requested():
            self._start()
            return None
        status: Status = "interrupted" if requested() and (code or self._left) else "failed" if code else "complete"
        error = last_line(self._log_path, self._offset, code) if status == "failed" else None
        self._log.close()
        return Outcome(status, time.monotonic() - self._began, error)

    def release(self) -> None:
        """Let others have the node; its record has been written."""
        self._lock.close()

    def interrupt(self) -> None:
        """Ask the command at work to save and leave."""
        self._process.send_signal(signal.SIGTERM)

    def _start(self) -> None:
        arguments = self._left.pop(0)
        self._log.write(f"$ {shlex.join(['python', '-m', 'reset_pl', *arguments])}\n".encode())
        self._log.flush()
        self._offset, self._log_path = self._log.tell(), Path(os.fsdecode(self._log.name))
        self._process = subprocess.Popen(
            [sys.executable, "-m", "reset_pl", *arguments],
            env=self._env,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
            process_group=0,  # Ctrl-C is for the worker, which says it to its commands
            pass_fds=[self._lock.fileno()],
            preexec_fn=_end_with_worker if sys.platform == "linux" else None,
        )


def last_line(log: Path, offset: int, code: int) -> str:
    """What a command that failed said last.

    Args:
        log: The log.
        offset: Where the command's output begins, bytes.
        code: Its exit status.
    """
    if code == STATUS:
        return "it was told to stop"
    with log.open("rb") as file:
        file.seek(max(offset, log.stat().st_size - _TAIL))
        lines = [line.strip() for line in re.split(r"[\r\n]+", file.read().decode(errors="replace")) if line.strip()]
    said = [line for line in lines if line.startswith("error: ")][-1:] or lines[-1:]
    ended = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"
    return said[0][:_LONGEST_LINE] if said and code > 0 else ended


def _end_with_worker() -> None:
    """A command whose worker is killed saves and leaves as if it had been told to."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
