"""Geometry of the trade-off plane (paper, Figure 1): instruction following across, faithfulness up, a point a stage.

Only numbers come from here; ``report_plane.html`` draws them. Both axes span the same range of score, so that a large
move looks large and a small one small.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from reset_pl.evaluation import numbers
from reset_pl.evaluation.intervals import Interval
from reset_pl.evaluation.results import Stage
from reset_pl.report.labels import Box, Label, place_labels

__all__ = ["Arrow", "Axis", "Plane", "Point", "plane_of"]

_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 30.0, 44.0, 46.0
_RADIUS = 6.5
_SMALLEST_SPAN = 0.2
_STEPS = (0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One axis: score to SVG unit."""

    low: float
    """Score at the start."""
    high: float
    """Score at the end."""
    start: float
    """Position of ``low``."""
    end: float
    """Position of ``high``."""
    step: float
    """Distance of the ticks, in score."""

    def at(self, score: float) -> float:
        """Position of a score."""
        return self.start + (score - self.low) / (self.high - self.low) * (self.end - self.start)

    @property
    def ticks(self) -> list[tuple[float, str]]:
        """Position and label of each tick."""
        count = round((self.high - self.low) / self.step)
        values = [self.low + index * self.step for index in range(count + 1)]
        return [(self.at(value), numbers.score(value)) for value in values]


@dataclass(frozen=True, kw_only=True)
class Point:
    """One stage on the plane."""

    kind: str
    """``start``, ``mtl`` or ``round``: how it is drawn."""
    x: float
    y: float
    left: float
    """End of the interval across."""
    right: float
    top: float
    """End of the interval upwards."""
    bottom: float


@dataclass(frozen=True, kw_only=True)
class Arrow:
    """From one stage towards the next, cut short of both points."""

    x1: float
    y1: float
    x2: float
    y2: float
    head: str
    """``points`` of the arrow head."""


@dataclass(frozen=True, kw_only=True)
class Plane:
    """All that is drawn."""

    width: float
    height: float
    x: Axis
    y: Axis
    points: list[Point]
    labels: list[Label]
    """One a point, in its order."""
    arrows: list[Arrow]
    star: str
    """``points`` of the North Star, in the corner at the top right."""
    reaches_star: bool
    """Whether that corner is (1, 1) itself; otherwise it only shows the way."""
    description: str
    """The figure in words."""


def plane_of(stages: Sequence[Stage], *, width: float = 760, height: float = 500) -> Plane | None:
    """The plane of the stages that have both averages; None when there is none."""
    placed = [
        (stage, stage.macro["instruction"], stage.macro["faithfulness"])
        for stage in stages
        if "instruction" in stage.macro and "faithfulness" in stage.macro
    ]
    if not placed:
        return None
    span, step = _span([x for _, x, _ in placed], [y for _, _, y in placed])
    x_axis = _axis([x for _, x, _ in placed], span, step, _LEFT, width - _RIGHT)
    y_axis = _axis([y for _, _, y in placed], span, step, height - _BOTTOM, _TOP)
    points = [_point(stage.name, x_axis, x, y_axis, y) for stage, x, y in placed]
    centres = [(point.x, point.y) for point in points]
    frame = Box(left=x_axis.start + 4, top=y_axis.end, right=width - 4, bottom=y_axis.start)
    names = [stage.label for stage, _, _ in placed]
    labels = place_labels(names, centres, list(_lines(points)), frame, radius=_RADIUS)
    arrows = [arrow for start, end in pairwise(centres) if (arrow := _arrow(start, end))]
    return Plane(
        width=width,
        height=height,
        x=x_axis,
        y=y_axis,
        points=points,
        labels=labels,
        arrows=arrows,
        star=_star(x_axis.end, y_axis.end),
        reaches_star=x_axis.high >= 0.999 and y_axis.high >= 0.999,
        description="; ".join(
            f"{stage.label}: instruction following {numbers.score(x.mean)}, faithfulness {numbers.score(y.mean)}"
            for stage, x, y in placed
        ),
    )


def _span(*axes: Sequence[Interval]) -> tuple[float, float]:
    """The range of score that both axes show, and the distance of their ticks."""
    widest = max(max(entry.high for entry in axis) - min(entry.low for entry in axis) for axis in axes)
    # A lone point has nothing to be compared with but the star.
    wanted = 1.0 if len(axes[0]) == 1 else min(1.0, max(_SMALLEST_SPAN, widest * 1.25))
    step = next((step for step in _STEPS if wanted / step <= 7), _STEPS[-1])
    return math.ceil(wanted / step - 1e-9) * step, step


def _axis(entries: Sequence[Interval], span: float, step: float, start: float, end: float) -> Axis:
    """An axis of that span around the data, on whole ticks and within [0, 1]."""
    low, high = min(entry.low for entry in entries), max(entry.high for entry in entries)
    first = round(((low + high - span) / 2) / step) * step
    first = min(first, math.floor(low / step + 1e-9) * step)
    while first + span < high - 1e-9:
        first += step
    first = max(0.0, min(first, round((1.0 - span) / step) * step))
    return Axis(low=first, high=first + span, start=start, end=end, step=step)


def _point(name: str, x_axis: Axis, x: Interval, y_axis: Axis, y: Interval) -> Point:
    """A stage with its whiskers."""
    return Point(
        kind=name if name in ("start", "mtl") else "round",
        x=x_axis.at(x.mean),
        y=y_axis.at(y.mean),
        left=x_axis.at(x.low),
        right=x_axis.at(x.high),
        top=y_axis.at(y.high),
        bottom=y_axis.at(y.low),
    )


def _lines(points: Sequence[Point]) -> Iterator[Box]:
    """What labels had better not cover: the whiskers, and small squares along every arrow."""
    for point in points:
        yield Box(left=point.left, top=point.y - 2, right=point.right, bottom=point.y + 2)
        yield Box(left=point.x - 2, top=point.top, right=point.x + 2, bottom=point.bottom)
    for start, end in pairwise(points):
        count = max(1, round(math.hypot(end.x - start.x, end.y - start.y) / 6))
        for index in range(1, count):
            x, y = start.x + (end.x - start.x) * index / count, start.y + (end.y - start.y) * index / count
            yield Box(left=x - 4, top=y - 4, right=x + 4, bottom=y + 4)


def _arrow(start: tuple[float, float], end: tuple[float, float]) -> Arrow | None:
    """An arrow between two points; None when there is no room for one."""
    length = math.hypot(end[0] - start[0], end[1] - start[1])
    gap = _RADIUS + 2
    if length < 2 * gap + 7:
        return None
    ux, uy = (end[0] - start[0]) / length, (end[1] - start[1]) / length
    tip = (end[0] - ux * gap, end[1] - uy * gap)
    size = min(9.0, length - 2 * gap)
    back = (tip[0] - ux * size, tip[1] - uy * size)
    across = (-uy * size * 0.4, ux * size * 0.4)
    corners = [tip, (back[0] + across[0], back[1] + across[1]), (back[0] - across[0], back[1] - across[1])]
    return Arrow(x1=start[0] + ux * gap, y1=start[1] + uy * gap, x2=back[0], y2=back[1], head=_path(corners))


def _star(x: float, y: float) -> str:
    """A four-pointed star."""
    radii = (13.0, 3.4)
    return _path([
        (x + radii[index % 2] * math.sin(index * math.pi / 4), y - radii[index % 2] * math.cos(index * math.pi / 4))
        for index in range(8)
    ])  # fmt: skip


def _path(corners: Sequence[tuple[float, float]]) -> str:
    """Corners as SVG ``points``."""
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in corners)
