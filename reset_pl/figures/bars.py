"""Grouped bars: scores side by side, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reset_pl.evaluation import numbers
from reset_pl.evaluation.intervals import Interval
from reset_pl.figures.style import WIDTH, legend_columns, look, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["grouped_bars"]

_HEIGHT = 1.9  # inches, without the legend
_LINE = 0.15  # of the legend, inches
_POINTS: Any = {"textcoords": "offset points"}
_MOST_NUMBERS = 14
"""Bars in a figure that still have room for a number each."""


def grouped_bars(
    groups: Sequence[str],
    bars: Sequence[tuple[str, Sequence[Interval | None]]],
    ylabel: str,
    *,
    counts: Sequence[Sequence[int]] | None = None,
) -> Figure:
    """A group of bars a score, in each group one bar a thing compared; numbers above the bars where there is room.

    Args:
        groups: Names of the groups, lines apart.
        bars: Title of each thing compared, and its score in each group; none where it has none.
        ylabel: What the scores are.
        counts: Of each thing compared, how many examples are behind each of its bars, to be written below.
    """
    from matplotlib.figure import Figure

    names = [plain(title) for title, _ in bars]
    columns = legend_columns(names)
    figure = Figure(figsize=(WIDTH, _HEIGHT + _LINE * -(-len(bars) // columns)), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(bars)
    for index, (name, (_, scores)) in enumerate(zip(names, bars, strict=True)):
        style = look(index)
        known = [(group, score) for group, score in enumerate(scores) if score]
        xs = [group + (index - (len(bars) - 1) / 2) * width for group, _ in known]
        sides = [[s.mean - s.low for _, s in known], [s.high - s.mean for _, s in known]]
        axes.bar(
            xs, [score.mean for _, score in known], width * 0.92, yerr=sides, color=style.colour, hatch=style.hatch,
            edgecolor="black", linewidth=0.6, label=name,
            error_kw={"elinewidth": 0.8, "capsize": 1.5, "ecolor": "black"},
        )  # fmt: skip
        if len(bars) * len(groups) <= _MOST_NUMBERS:
            for x, (_, score) in zip(xs, known, strict=True):
                place = (x, max(score.high, 0))
                axes.annotate(numbers.score(score.mean), place, (0, 1.5), ha="center", va="bottom", **_POINTS)
        if counts:
            for x, (group, _) in zip(xs, known, strict=True):
                axes.annotate(
                    numbers.count(counts[index][group]), (x, 0), (0, -5), xycoords=axes.get_xaxis_transform(),
                    ha="center", va="top", **_POINTS,
                )  # fmt: skip
    if counts:
        axes.annotate("n", (0, 0), (-4, -5), xycoords="axes fraction", ha="right", va="top", **_POINTS)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.tick_params(axis="x", length=0, pad=14 if counts else 3)
    axes.set(ylabel=ylabel, xlim=(-0.5, len(groups) - 0.5))
    low, high = axes.get_ylim()
    axes.set_ylim(min(0.0, low), 1.1 if high > 0.9 else 1.0)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    figure.legend(loc="outside upper center", ncols=columns, handlelength=1.8, columnspacing=1.2)
    return figure
