"""Grouped bars: scores side by side, before and after."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reset_pl.evaluation import numbers
from reset_pl.evaluation.intervals import Interval
from reset_pl.figures.style import FONT_SIZE, WIDTH, look, plain

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["grouped_bars"]

_HEIGHT = 1.9  # inches, without the legend
_LINE = 0.15  # of the legend, inches
_MOST_NUMBERS = 14
"""Bars in a figure that still have room for a number each."""


def grouped_bars(
    groups: Sequence[str],
    bars: Mapping[str, Sequence[Interval | None]],
    ylabel: str,
    *,
    counts: Mapping[str, Sequence[int]] | None = None,
) -> Figure:
    """A group of bars a score, in each group one bar a thing compared; numbers above the bars where there is room.

    Args:
        groups: Names of the groups, lines apart.
        bars: Title of what is compared → its score in each group; none where it has none.
        ylabel: What the scores are.
        counts: Title → number of examples behind each of its bars, to be written there.
    """
    from matplotlib.figure import Figure

    rows = -(-len(bars) // 2)
    figure = Figure(figsize=(WIDTH, _HEIGHT + _LINE * rows), layout="constrained")
    axes = figure.add_subplot()
    width = 0.8 / len(bars)
    for index, (title, scores) in enumerate(bars.items()):
        style = look(index)
        known = [(place, score) for place, score in enumerate(scores) if score]
        xs = [place + (index - (len(bars) - 1) / 2) * width for place, _ in known]
        means = [score.mean for _, score in known]
        sides = [[s.mean - s.low for _, s in known], [s.high - s.mean for _, s in known]]
        axes.bar(
            xs, means, width * 0.92, yerr=sides, color=style.colour, hatch=style.hatch, edgecolor="black",
            linewidth=0.6, label=plain(title), error_kw={"elinewidth": 0.8, "capsize": 1.5, "ecolor": "black"},
        )  # fmt: skip
        for x, (place, score) in zip(xs, known, strict=True):
            if len(bars) * len(groups) <= _MOST_NUMBERS:
                axes.annotate(
                    numbers.score(score.mean), (x, max(score.high, 0)), (0, 1.5), textcoords="offset points",
                    ha="center", va="bottom",
                )  # fmt: skip
            if counts:
                box = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"}
                axes.annotate(
                    f"n={counts[title][place]:,}", (x, 0), (0, 2), textcoords="offset points", ha="center", va="bottom",
                    fontsize=FONT_SIZE, bbox=box, rotation=90,
                )  # fmt: skip
    axes.set_xticks(range(len(groups)), list(groups))
    axes.tick_params(axis="x", length=0)
    axes.set(ylabel=ylabel, xlim=(-0.5, len(groups) - 0.5))
    axes.set_ylim(min(0.0, axes.get_ylim()[0]), 1.0 + (0.1 if axes.get_ylim()[1] > 0.9 else 0.0))
    axes.set_yticks([0, 0.2, 0.4, 0.6, 0.8, 1.0])
    figure.legend(loc="outside upper center", ncols=min(2, len(bars)), handlelength=1.8, columnspacing=1.2)
    return figure
