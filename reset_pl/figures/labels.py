"""The names of a plane's points, written where they cover nothing."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reset_pl.evaluation.intervals import Interval
from reset_pl.figures.style import FONT_SIZE
from reset_pl.report.labels import Box, place_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["write_labels"]

XY = tuple[float, float]
_UNIT = FONT_SIZE / 13 / 72
"""Inches in a unit of ``place_labels``, which thinks of letters 13 units high and counts downwards."""
_RADIUS = 5.0  # of a marker, units
_ALIGNED = {"start": "left", "middle": "center", "end": "right"}


def write_labels(
    axes: Axes, names: Sequence[str], scores: Sequence[tuple[Interval, Interval]], lines: Sequence[tuple[XY, XY]]
) -> None:
    """Name each point.

    Args:
        axes: With its limits set; they must not change any more.
        names: One a point.
        scores: Of each point, across and up.
        lines: Ends of the arrows between points, in scores.
    """
    sheet = _Sheet(axes)
    points = [sheet.at(across.mean, up.mean) for across, up in scores]
    x, y = sheet.at(1, 1)
    star = Box(left=x - 95, top=y - 12, right=x + 12, bottom=y + 12)  # and its name
    obstacles = [*_whiskers(sheet, scores), *_along(sheet, lines), star]
    for name, label in zip(names, place_labels(names, points, obstacles, sheet.frame, radius=_RADIUS), strict=True):
        axes.annotate(
            name,
            sheet.fraction(label.x, label.y),
            xycoords="figure fraction",
            ha=_ALIGNED[label.anchor],
            va="baseline",
            zorder=4,
        )
        if label.leader:
            x1, y1, x2, y2 = label.leader
            axes.annotate(
                "",
                sheet.fraction(x1, y1),
                sheet.fraction(x2, y2),
                xycoords="figure fraction",
                textcoords="figure fraction",
                arrowprops={"arrowstyle": "-", "linewidth": 0.4, "color": "#777777", "shrinkA": 0, "shrinkB": 0},
            )


class _Sheet:
    """The figure in units of ``place_labels``."""

    def __init__(self, axes: Axes) -> None:
        figure = axes.get_figure(root=True)
        assert figure is not None
        self._to_inches = axes.transData + figure.dpi_scale_trans.inverted()
        self._width, self._height = figure.get_size_inches() / _UNIT
        box = axes.get_position()
        self.frame = Box(
            left=box.x0 * self._width + 3, top=3, right=self._width - 3, bottom=(1 - box.y0) * self._height - 3
        )

    def at(self, across: float, up: float) -> XY:
        """Where a pair of scores stands."""
        x, y = self._to_inches.transform((across, up)) / _UNIT
        return float(x), float(self._height - y)

    def fraction(self, x: float, y: float) -> XY:
        """A place as shares of the figure's width and height, from the lower left."""
        return x / self._width, 1 - y / self._height


def _whiskers(sheet: _Sheet, scores: Sequence[tuple[Interval, Interval]]) -> Iterator[Box]:
    for across, up in scores:
        (left, y), (right, _) = sheet.at(across.low, up.mean), sheet.at(across.high, up.mean)
        (x, bottom), (_, top) = sheet.at(across.mean, up.low), sheet.at(across.mean, up.high)
        yield Box(left=left, top=y - 2, right=right, bottom=y + 2)
        yield Box(left=x - 2, top=top, right=x + 2, bottom=bottom)


def _along(sheet: _Sheet, lines: Sequence[tuple[XY, XY]]) -> Iterator[Box]:
    """Small squares along each line."""
    for start, end in lines:
        (x1, y1), (x2, y2) = sheet.at(*start), sheet.at(*end)
        count = max(1, round(math.dist((x1, y1), (x2, y2)) / 6))
        for index in range(1, count):
            yield _around(x1 + (x2 - x1) * index / count, y1 + (y2 - y1) * index / count, 3)


def _around(x: float, y: float, half: float) -> Box:
    return Box(left=x - half, top=y - half, right=x + half, bottom=y + half)
