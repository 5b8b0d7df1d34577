"""Scores over the optimizer steps of a run, or over what an ablation varied: a panel a test set, a line a score."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from reset_pl.evaluation.intervals import Interval
from reset_pl.figures.style import WIDTH, legend_columns, look, plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Panel", "curves"]

_PANEL = 1.15  # height, inches


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One set of axes."""

    title: str | None = None
    """The test set; none where there is but one panel."""
    lines: dict[str, list[tuple[float, Interval]]] = field(default_factory=dict)
    """What a line is → where and what its points are."""


def curves(panels: Sequence[Panel], xlabel: str, ylabel: str, *, bounded: bool = True) -> Figure:
    """Lines with their intervals as bands; two panels side by side, one alone over the whole width.

    Args:
        panels: At least one; a line of the same name looks the same in all of them.
        xlabel: What varies.
        ylabel: What the lines are.
        bounded: Whether the values are scores in [0, 1], so that all panels show that range.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(name for panel in panels for name in panel.lines))
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    in_row = legend_columns(names)
    height = _PANEL * rows + 0.45 + 0.15 * -(-len(names) // in_row)
    figure = Figure(figsize=(WIDTH, height if columns > 1 else height + 0.5), layout="constrained")
    grid = figure.subplots(rows, columns, sharex=True, sharey=bounded, squeeze=False).flatten().tolist()
    for panel, axes in zip(panels, grid, strict=False):
        for name, points in panel.lines.items():
            _line(axes, names.index(name), name, points)
        axes.set_title("" if panel.title is None else plain(panel.title))
        axes.grid(True)
        axes.locator_params(axis="x", nbins=4 if columns > 1 else 7, integer=True)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
        grid[len(panels) - columns].tick_params(labelbottom=True)  # it stands above nothing
    grid[0].set_ylim((-0.03, 1.03) if bounded else (0, None))
    figure.supxlabel(xlabel)
    figure.supylabel(ylabel)
    _legend(figure, grid, in_row)
    return figure


def _line(axes: Axes, index: int, name: str, points: Sequence[tuple[float, Interval]]) -> None:
    style = look(index)
    xs = [x for x, _ in points]
    axes.plot(
        xs, [score.mean for _, score in points], color=style.colour, marker=style.marker, linestyle=style.line,
        markeredgecolor="black", markeredgewidth=0.4, label=plain(name),
    )  # fmt: skip
    lows, highs = [score.low for _, score in points], [score.high for _, score in points]
    axes.fill_between(xs, lows, highs, color=style.colour, alpha=0.2, linewidth=0)


def _legend(figure: Figure, grid: Sequence[Axes], columns: int) -> None:
    handles: Mapping[str, Any] = {
        label: handle for axes in grid for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    figure.legend(
        list(handles.values()), list(handles), loc="outside upper center", ncols=columns, handlelength=2.8,
        columnspacing=1.2,
    )  # fmt: skip
