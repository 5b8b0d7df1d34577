"""Many arms or stages at a glance: a row each, a column a score, a dot with its interval."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from reset_pl.figures.style import WIDTH, look, plain
from reset_pl.figures.subjects import NotPossible, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["SCORES", "dots"]

SCORES: Mapping[str, str] = {"faithfulness": "faithful", "instruction": "IF", "task": "task"}
"""Macro average → heading of its column, as in the tables."""


def dots(subjects: Sequence[Subject], bars: str) -> Figure:
    """Scores of any number of arms or stages.

    Args:
        subjects: From the top down.
        bars: What the error bars are, in words.

    Raises:
        NotPossible: None of them has a macro average.
    """
    from matplotlib.figure import Figure

    columns = [key for key in SCORES if any(subject.macro(key) for subject in subjects)]
    if not columns:
        raise NotPossible("needs macro averages")
    figure = Figure(figsize=(WIDTH, 0.75 + 0.17 * len(subjects)), layout="constrained")
    grid = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for index, (key, axes) in enumerate(zip(columns, grid, strict=True)):
        style = look(index)
        found = [(row, score) for row, subject in enumerate(subjects) if (score := subject.macro(key))]
        means = [score.mean for _, score in found]
        sides = [[s.mean - s.low for _, s in found], [s.high - s.mean for _, s in found]]
        axes.errorbar(
            means, [row for row, _ in found], xerr=sides, color=style.colour, marker=style.marker, linestyle="none",
            markeredgecolor="black", markeredgewidth=0.5, elinewidth=0.9,
        )  # fmt: skip
        axes.set_title(SCORES[key])
        axes.set_axisbelow(True)
        axes.grid(True)
        axes.margins(x=0.12)
        axes.locator_params(axis="x", nbins=2)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:.3g}".replace("0.", ".", 1))
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(range(len(subjects)), [plain(subject.title) for subject in subjects])
    grid[0].set_ylim(len(subjects) - 0.4, -0.6)
    figure.supxlabel(bars)
    return figure
