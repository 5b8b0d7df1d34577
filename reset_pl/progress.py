"""Progress of long work: a bar on a terminal, now and then a plain line elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType

from tqdm import tqdm


class Progress:
    """Counts towards a total.

    Args:
        total: Units of work in all.
        label: What is being done.
        unit: Name of a unit, in the plural.
        done: Units that were done before (a restart).
    """

    def __init__(self, total: int, label: str, unit: str, done: int = 0) -> None:
        self.total, self.label, self.unit, self.done = total, label, unit, done
        self.bar = tqdm(total=total, desc=label, unit=f" {unit}", initial=done) if sys.stderr.isatty() else None
        self._started = time.monotonic()
        self._next_line = done + max(total // 4, 1)

    def __enter__(self) -> Progress:
        """Start the clock."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()

    def extend(self, count: int) -> None:
        """Some more units turned up."""
        self.total += count
        if self.bar is not None:
            self.bar.total = self.total
            self.bar.refresh()

    def advance(self, count: int = 1, note: str = "") -> None:
        """Some more units are done; ``note`` follows on a plain line."""
        self.done += count
        if self.bar is not None:
            self.bar.update(count)
        elif self.done >= min(self._next_line, self.total):
            self._next_line = self.done + max(self.total // 4, 1)
            say(f"{self.label}: {self.done}/{self.total} {self.unit} ({time.monotonic() - self._started:.0f} s{note})")


def say(message: str) -> None:
    """One line for the person at the terminal; a running bar is not torn."""
    tqdm.write(message, file=sys.stderr)
    sys.stderr.flush()
