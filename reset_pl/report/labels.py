"""Where labels stand on a figure: beside their own point, over nothing else, and not to be taken for another's."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

__all__ = ["Box", "Label", "place_labels"]

XY = tuple[float, float]

_CHARACTER, _LINE = 7.6, 16.0
"""Width and height of a character in SVG units, on the safe side."""
_DISTANCES = (5.0, 12.0, 22.0, 34.0, 48.0, 64.0)
_ANGLES = (-30, 30, 0, -150, 150, 180, -60, 60, -90, 90, -120, 120)
"""Directions in degrees, clockwise from the right; the first ones win among equals."""
_LEADER_FROM = 14.0
"""A label farther away than this is tied to its point by a line."""


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle, by its edges."""

    left: float
    top: float
    right: float
    bottom: float

    def overlap(self, other: Box) -> float:
        """Shared area; 0 when apart."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        return max(0.0, width) * max(0.0, height)

    def nearest(self, x: float, y: float) -> XY:
        """The point of the rectangle that is nearest to another point."""
        return min(max(x, self.left), self.right), min(max(y, self.top), self.bottom)

    def gap(self, x: float, y: float) -> float:
        """Distance of a point; 0 inside."""
        near = self.nearest(x, y)
        return math.hypot(near[0] - x, near[1] - y)


@dataclass(frozen=True, kw_only=True)
class Label:
    """A placed label."""

    text: str
    """What it says."""
    x: float
    """SVG ``x`` of the text."""
    y: float
    """SVG ``y`` of the text: its baseline."""
    anchor: str
    """SVG ``text-anchor``."""
    box: Box
    """What it covers."""
    leader: tuple[float, float, float, float] | None
    """Line from the point's edge to the label; none when it stands right beside it."""


def place_labels(
    texts: Sequence[str], points: Sequence[XY], obstacles: Sequence[Box], frame: Box, *, radius: float
) -> list[Label]:
    """Label each point.

    Args:
        texts: one label a point.
        points: their centres.
        obstacles: what had better stay visible, such as lines.
        frame: what labels must stay inside.
        radius: radius of a point.

    Returns:
        The labels, in the order of the points: placed one after another, then each once more, knowing all others.
    """
    labels: list[Label | None] = [None] * len(points)
    for _ in range(3):
        for index, text in enumerate(texts):
            taken = [label.box for other, label in enumerate(labels) if label and other != index]
            costs = [
                # Rounded, so that equally good places tie and the preferred direction wins.
                (round(_cost(label, index, points, taken, obstacles, frame, radius), 2), label)
                for label in _placings(text, points[index], radius)
            ]
            labels[index] = min(costs, key=lambda entry: entry[0])[1]
    return [label for label in labels if label]


def _placings(text: str, point: XY, radius: float) -> Iterator[Label]:
    """Places around a point, the preferred ones first."""
    width = len(text) * _CHARACTER
    for distance in _DISTANCES:
        for angle in _ANGLES:
            dx, dy = math.cos(math.radians(angle)), math.sin(math.radians(angle))
            anchor = "middle" if abs(dx) < 0.1 else "start" if dx > 0 else "end"
            x = point[0] + dx * (radius + distance)
            middle = point[1] + dy * (radius + distance + abs(dy) * _LINE / 2)
            left = x - {"start": 0.0, "middle": width / 2, "end": width}[anchor]
            box = Box(left=left, top=middle - _LINE / 2, right=left + width, bottom=middle + _LINE / 2)
            leader = _leader(box, point, radius)
            yield Label(text=text, x=x, y=middle + 0.3 * _LINE, anchor=anchor, box=box, leader=leader)


def _leader(box: Box, point: XY, radius: float) -> tuple[float, float, float, float] | None:
    """The line from a point's edge to a label that is not right beside it."""
    gap = box.gap(*point)
    if gap < radius + _LEADER_FROM:
        return None
    x, y = box.nearest(*point)
    ux, uy = (x - point[0]) / gap, (y - point[1]) / gap
    return point[0] + ux * radius, point[1] + uy * radius, x - 3 * ux, y - 3 * uy


def _cost(
    label: Label,
    index: int,
    points: Sequence[XY],
    taken: Sequence[Box],
    obstacles: Sequence[Box],
    frame: Box,
    radius: float,
) -> float:
    """How bad a place is: what is covered, what is cut off, and whose label it could be taken for."""
    box = label.box
    discs = [
        Box(left=x - radius - 2, top=y - radius - 2, right=x + radius + 2, bottom=y + radius + 2) for x, y in points
    ]
    covered = 10 * sum(box.overlap(other) for other in (*taken, *discs)) + sum(box.overlap(it) for it in obstacles)
    outside = 10 * ((box.right - box.left) * (box.bottom - box.top) - box.overlap(frame))
    own = box.gap(*points[index])
    others = [point for other, point in enumerate(points) if other != index and math.dist(point, points[index]) > 1]
    doubtful = label.leader is None and any(box.gap(*point) < own + 6 for point in others)
    crossed = sum(_crosses(label.leader, point, radius) for point in others) if label.leader else 0
    astride = label.anchor == "middle"  # above and below are for when there is no room beside the point
    return covered + outside + 2 * own + 12 * astride + 150 * doubtful + 150 * crossed + 25 * bool(label.leader)


def _crosses(leader: tuple[float, float, float, float], point: XY, radius: float) -> bool:
    """Whether a line runs over a point."""
    x1, y1, x2, y2 = leader
    along = ((point[0] - x1) * (x2 - x1) + (point[1] - y1) * (y2 - y1)) / max((x2 - x1) ** 2 + (y2 - y1) ** 2, 1e-9)
    near = min(max(along, 0.0), 1.0)
    return math.dist(point, (x1 + near * (x2 - x1), y1 + near * (y2 - y1))) < radius + 2
