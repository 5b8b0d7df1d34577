"""What a round does with a judge that asks an endpoint, beyond calling ``judge``."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

__all__ = ["RemoteJudge"]


@runtime_checkable
class RemoteJudge(Protocol):
    """A judge with limits, which several ranks share, and with a price."""

    chunks_at_once: int
    """How many threads may call ``judge`` at once, so that a chunk's last replies do not keep the next one waiting."""
    budget: float | None
    """What a run may spend on it, in US dollars."""
    allow_model_change: bool
    """Whether verdicts of one round may come from different models."""

    def share(self, world_size: int, spent: float = 0.0) -> None:
        """Begin a round: this process takes its share of the limits, and of what ``spent`` dollars left of the budget.

        Raises:
            InputError: The budget is spent.
        """
        ...

    def note(self) -> str:
        """Requests, money and retries so far, for the progress bar."""
        ...
