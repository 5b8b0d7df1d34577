"""What judging took: requests, time and money, of every judge over all rounds, beside what was forecast."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reset_pl.evaluation.results import Round

__all__ = ["JudgeCost", "costs_of"]


@dataclass(frozen=True, kw_only=True)
class JudgeCost:
    """A judge in all rounds; what no round noted is none."""

    name: str
    aspect: str
    held_out: bool
    calls: float | None
    """Requests, or units of local work, that were forecast at most."""
    unit: str
    """What a call is, in words."""
    seconds: float | None
    """Its time at work."""
    dollars: float | None
    """What its verdicts cost."""
    forecast: float | None
    """What they were forecast to cost at most, in dollars."""


def costs_of(rounds: Sequence[Round]) -> list[JudgeCost]:
    """Every judge that a round names, in the order of the first that does."""
    entries: dict[str, list[Mapping[str, Any]]] = {}
    forecasts: dict[str, list[Mapping[str, Any]]] = {}
    for one in rounds:
        for entry in _objects(one.manifest.get("judges")):
            entries.setdefault(str(entry.get("name")), []).append(entry)
        for entry in _objects(one.manifest.get("forecast")):
            forecasts.setdefault(str(entry.get("judge")), []).append(entry)
    return [
        JudgeCost(
            name=name,
            aspect=str(own[0].get("aspect", "")),
            held_out=any(bool(entry.get("held_out")) for entry in own),
            calls=_sum(forecasts.get(name, []), "calls"),
            unit=next((str(entry["unit"]) for entry in forecasts.get(name, []) if entry.get("unit")), ""),
            seconds=_sum(own, "seconds"),
            dollars=_sum(own, "cost"),
            forecast=_sum(forecasts.get(name, []), "dollars"),
        )
        for name, own in entries.items()
    ]


def _objects(entries: object) -> Iterator[Mapping[str, Any]]:
    if isinstance(entries, Sequence):
        yield from (entry for entry in entries if isinstance(entry, Mapping))


def _sum(entries: Sequence[Mapping[str, Any]], key: str) -> float | None:
    values = [entry[key] for entry in entries if isinstance(entry.get(key), int | float)]
    return sum(values) if values else None
