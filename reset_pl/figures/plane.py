"""Figure 1: the trade-off plane, instruction following across and faithfulness up, the North Star at (1, 1)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from reset_pl.evaluation.intervals import Interval
from reset_pl.figures.labels import write_labels
from reset_pl.figures.style import NUM_MARKERS, WIDTH, look, plain
from reset_pl.figures.subjects import NotPossible, Source, Subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["plane"]

_HEIGHT = 3.1  # inches, without the legend
_LINE = 0.12  # of the legend, inches
_MOST_NAMED = 7
"""Points that are named beside them; of more a legend says which is which."""
_ARROW: Any = {
    "arrowstyle": "-|>",
    "linewidth": 0.7,
    "shrinkA": 3.5,
    "shrinkB": 3.5,
    "mutation_scale": 7,
    "color": "#555555",
}
_MOVES = (("cd", "cd_then_if"), ("zero_shot", "if_then_cd"), ("mtl", "mtl_reset"))
"""Arms of a study with an arrow between them, as in the paper; more would hide the points."""


def plane(source: Source) -> Figure:
    """A point a stage or an arm, with its interval both ways; arrows from stage to stage, or along the paper's moves.

    Raises:
        NotPossible: Nothing has both averages.
    """
    from matplotlib.ticker import MultipleLocator

    placed = {
        subject.name: (subject, across, up)
        for subject in source.subjects
        if (across := subject.macro("instruction")) and (up := subject.macro("faithfulness"))
    }
    if not placed:
        raise NotPossible("needs faithfulness and instruction following of the same evaluation")
    has_legend = len(placed) > _MOST_NAMED
    figure, axes = _sheet(-(-len(placed) // 2) if has_legend else 0)
    axes.set(xlabel=f"instruction following ({source.bars})", ylabel="faithfulness")
    axes.set(xlim=_limits([across for _, across, _ in placed.values()]))
    axes.set(ylim=_limits([up for _, _, up in placed.values()]))
    for axis, (low, high) in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
        axis.set_major_locator(MultipleLocator(0.1 if high - low < 0.6 else 0.2))
    for index, (subject, across, up) in enumerate(placed.values()):
        _point(axes, index, subject, across, up)
    centres = {name: (across.mean, up.mean) for name, (_, across, up) in placed.items()}
    moves = _MOVES if source.is_study else [(start, name) for name, start in source.starts.items()]
    arrows = [(centres[a], centres[b]) for a, b in moves if a in centres and b in centres]
    for start, end in arrows:
        axes.annotate("", end, start, arrowprops=_ARROW, zorder=1.5)
    if has_legend:
        figure.legend(loc="lower center", ncols=2, handlelength=1.2, labelspacing=0.2, borderpad=0)
    else:
        names = [plain(subject.title) for subject, _, _ in placed.values()]
        write_labels(axes, names, [(across, up) for _, across, up in placed.values()], arrows)
    return figure


def _sheet(lines: int) -> tuple[Figure, Axes]:
    """Axes with the star, and room for so many lines of a legend below."""
    from matplotlib.figure import Figure

    legend = _LINE * lines + (0.1 if lines else 0.0)
    height = _HEIGHT + legend
    figure = Figure(figsize=(WIDTH, height))
    figure.subplots_adjust(left=0.13, right=0.97, bottom=(0.37 + legend) / height, top=1 - 0.09 / height)
    axes = figure.add_subplot()
    axes.grid(True)
    axes.plot([1], [1], marker="*", markersize=11, color="black", linestyle="none", label="_star", clip_on=False)
    axes.annotate("North Star", (1, 1), (-8, 0), textcoords="offset points", ha="right", va="center")
    return figure, axes


def _limits(scores: Sequence[Interval]) -> tuple[float, float]:
    """From a round number below the scores to just beyond the star."""
    low = min(score.low for score in scores)
    return max(0.0, math.floor((low - 0.03) * 10) / 10) - 0.02, 1.03


def _point(axes: Axes, index: int, subject: Subject, across: Interval, up: Interval) -> None:
    style = look(index)
    axes.errorbar(
        [across.mean],
        [up.mean],
        xerr=_either_side(across),
        yerr=_either_side(up),
        color=style.colour,
        marker=style.marker,
        markerfacecolor="white" if subject.is_rolled_back or index >= NUM_MARKERS else style.colour,
        markeredgecolor="black",
        markeredgewidth=0.6,
        elinewidth=0.7,
        linestyle="none",
        label=plain(subject.title),
    )


def _either_side(score: Interval) -> list[list[float]]:
    return [[score.mean - score.low], [score.high - score.mean]]
