"""How much work a judge will have, said before the first call."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from reset_pl.records import Candidate, Example

__all__ = ["Forecast", "ForecastingJudge"]


@dataclass(frozen=True, kw_only=True)
class Forecast:
    """What judging some candidates is expected to take; what a cache holds already is not taken off."""

    judge: str
    """The judge's name."""
    calls: int
    """Units of work: what is counted is said by ``unit``."""
    unit: str
    """``requests`` or ``sentence pairs``."""
    prompt_tokens: int = 0
    """Tokens sent, estimated at four characters a token."""
    completion_tokens: int = 0
    """Tokens received, at most."""
    dollars: float = 0.0
    """Price of both, in US dollars; 0 where no price is known."""


@runtime_checkable
class ForecastingJudge(Protocol):
    """A judge whose work is worth a forecast: it asks a large model, or pays."""

    def forecast(self, pairs: Iterable[tuple[Example, Candidate]], times: int = 1) -> Forecast:
        """What judging ``pairs`` would take, each of them ``times`` over with a text of its own.

        Before a round is sampled, one stand-in candidate an example is given, and ``times`` is the number of draws.
        """
        ...
