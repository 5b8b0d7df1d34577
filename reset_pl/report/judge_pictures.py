"""Geometry of the judges' pictures: how their scores are spread, and how they go with length.

Only numbers come from here; ``report_judges.html`` draws them. All judges share their scales, so that two pictures side
by side can be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reset_pl.evaluation import numbers
from reset_pl.evaluation.health.statistics import HISTOGRAM_BINS, LENGTH_BINS

__all__ = ["FRAME", "Bar", "JudgePicture", "pictures_of"]

FRAME: Mapping[str, float] = {"width": 320, "height": 150, "left": 44, "right": 312, "top": 14, "bottom": 126}
"""The size of a picture, and where its axes stand."""

_ACROSS, _UP = FRAME["right"] - FRAME["left"], FRAME["bottom"] - FRAME["top"]
_SMALLEST_SPAN = 0.1
_FEWEST = 20
"""Answers of a length below which their mean is not drawn."""


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One bin of a histogram."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class JudgePicture:
    """One judge: a histogram of its scores, and their mean by relative length."""

    name: str
    aspect: str
    held_out: bool
    """Whether it took no part in selection."""
    n: int
    """Number of candidates scored."""
    bars: list[Bar]
    peak: str
    """Share of the candidates in the highest bar."""
    spread: str
    """The histogram in words."""
    points: list[tuple[float, float, str]]
    """Position of each bin of length and what it says; empty where length does not vary."""
    ends: tuple[str, str]
    """Scores, relative to the prompt's mean, at the top and the bottom of the second picture."""
    slope: str
    """The second picture in words."""

    @property
    def line(self) -> str:
        """The points as SVG ``points``."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in self.points)


def pictures_of(report: Mapping[str, Any]) -> list[JudgePicture]:
    """A picture for each judge that scored a candidate."""
    scored = {name: judge for name, judge in report["judges"].items() if judge["all"]["score"]}
    curves = {name: _drawn(judge["all"]["length"]["curve"]) for name, judge in scored.items()}
    span = max([_SMALLEST_SPAN, *(abs(entry["score"]) for curve in curves.values() for entry in curve)])
    return [_picture(name, judge, curves[name], span) for name, judge in scored.items()]


def _drawn(curve: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [entry for entry in curve if entry["n"] >= _FEWEST]


def _picture(name: str, judge: Mapping[str, Any], curve: list[Mapping[str, Any]], span: float) -> JudgePicture:
    score, length = judge["all"]["score"], judge["all"]["length"]
    within = length["within"]
    points = [_point(entry, length["curve"].index(entry), span) for entry in curve]
    return JudgePicture(
        name=name,
        aspect=judge["aspect"],
        held_out=judge["held_out"],
        n=score["n"],
        bars=list(_bars(score["histogram"])),
        peak=numbers.share(max(score["histogram"]) / score["n"]),
        spread=f"Scores of {name}: mean {numbers.score(score['mean'])}, "
        f"standard deviation {numbers.score(score['sd'])}, {numbers.share(score['ceiling'])} at its highest and "
        f"{numbers.share(score['floor'])} at its lowest score",
        points=points if len(points) > 1 else [],
        ends=(numbers.signed(span), numbers.signed(-span)),
        slope=f"Length and score of {name}: rank correlation within prompts "
        f"{numbers.signed(within['mean'] if within else None)}; "
        + ", ".join(f"{_words(entry)} {numbers.signed(entry['score'])}" for entry in curve),
    )


def _bars(counts: Sequence[int]) -> list[Bar]:
    width = _ACROSS / HISTOGRAM_BINS
    heights = [count / max(counts) * _UP for count in counts]
    return [
        Bar(x=FRAME["left"] + k * width + 0.75, y=FRAME["bottom"] - height, width=width - 1.5, height=height)
        for k, height in enumerate(heights)
        if height
    ]


def _point(entry: Mapping[str, Any], place: int, span: float) -> tuple[float, float, str]:
    """Bins of length stand at equal distances; a score of no difference stands half way up."""
    x = FRAME["left"] + (place + 0.5) * _ACROSS / LENGTH_BINS
    return x, FRAME["bottom"] - (entry["score"] / span + 1) / 2 * _UP, _words(entry)


def _words(entry: Mapping[str, Any]) -> str:
    """A bin of relative length in words.

    >>> _words({"from": 0.0, "to": 0.6}), _words({"from": 1.4, "to": None}), _words({"from": 0.95, "to": 1.05})
    ('up to 60%', 'above 140%', '95–105%')
    """
    if entry["to"] is None:
        return f"above {entry['from']:.0%}"
    return f"{100 * entry['from']:.0f}–{entry['to']:.0%}" if entry["from"] else f"up to {entry['to']:.0%}"
