"""Grouped bars: scores side by side, before and after."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from reset_pl.evaluation import numbers
from reset_pl.evaluation.intervals import Interval
from reset_pl.figures.style import WIDTH, legend_columns, look, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["grouped_bars"]

_HEIGHT = 1.9  # inches, without the legend
_LINE = 0.15  # of the legend, inches
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
        counts: Of each thing compared, how many examples are behind each of its bars, to be written there.
    """
    from matplotlib.figure import Figure

    names = [plain(title) for title, _ in bars]
    columns = legend_columns(names)
    figure = Figure(figsize=(WIDTH, _HEIGHT + _LINE * -(-len(bars) // columns)), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(bars)
    for index, (name, (_, scores)) in enumerate(zip(names, bars, strict=True)):
        style = look(index)
        known = [(place, score) for place, score in enumerate(scores) if score]
        xs = [place + (index - (len(bars) - 1) / 2) * width for place, _ in known]
        sides = [[s.mean - s.low for _, s in known], [s.high - s.mean for _, s in known]]
        axes.bar(
            xs, [score.mean for _, score in known], width * 0.92, yerr=sides, color=style.colour, hatch=style.hatch,
            edgecolor="black", linewidth=0.6, label=name,
            error_kw={"elinewidth": 0.8, "capsize": 1.5, "ecolor": "black"},
        )  # fmt: skip
        if len(bars) * len(groups) <= _MOST_NUMBERS:
            _write(axes, xs, [max(s.high, 0) for _, s in known], [numbers.score(s.mean) for _, s in known])
        if counts:
            _write(axes, xs, [0.0] * len(xs), [f"n={counts[index][place]:,}" for place, _ in known], upright=True)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.tick_params(axis="x", length=0)
    axes.set(ylabel=ylabel, xlim=(-0.5, len(groups) - 0.5))
    low, high = axes.get_ylim()
    axes.set_ylim(min(0.0, low), 1.1 if high > 0.9 else 1.0)
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    figure.legend(loc="outside upper center", ncols=columns, handlelength=1.8, columnspacing=1.2)
    return figure


def _write(
    axes: Axes, xs: Sequence[float], ys: Sequence[float], texts: Sequence[str], *, upright: bool = False
) -> None:
    """Texts just above places; upright ones stand on a white ground, over a bar."""
    box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"} if upright else None
    for x, y, text in zip(xs, ys, texts, strict=True):
        axes.annotate(
            text, (x, y), (0, 1.5), textcoords="offset points", ha="center", va="bottom", bbox=box,
            rotation=90 if upright else 0,
        )  # fmt: skip
