"""How figures look: a column wide, told apart without colour, and the same bytes from the same numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from reset_pl.files import committed
from reset_pl.visible import visible

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["FONT_SIZE", "NUM_MARKERS", "WIDTH", "Format", "Look", "legend_columns", "look", "plain", "save", "styled"]

Format = Literal["pdf", "svg", "png"]
WIDTH = 3.3
"""Width of one column, inches."""
FONT_SIZE = 7.0
"""Of all text, points."""

_LONGEST = 24  # characters of a name: two stand side by side in a legend
_ROW = 58  # characters across a column, with 8 for each handle
_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#56B4E9", "#D55E00", "#CC79A7", "#444444")  # Okabe and Ito, less yellow
_MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p", "h", "d", "8")
NUM_MARKERS = len(_MARKERS)
"""Looks before a marker comes again."""
_LINES = ("-", "--", ":", "-.", (0, (5, 1, 1, 1, 1, 1)), (0, (8, 2)))
_HATCHES = ("", "////", "xxxx", "----", "\\\\\\\\", "||||", "++++", "...")  # dots make large files: last
_METADATA: dict[Format, dict[str, Any]] = {  # what would change without the numbers: dates, versions
    "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    "svg": {"Date": None, "Creator": None},
    "png": {"Software": None},
}
_SETTINGS: Any = {  # matplotlib types its keys one by one
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib: the same on every machine
    "font.size": FONT_SIZE,
    "axes.titlesize": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "xtick.labelsize": FONT_SIZE,
    "ytick.labelsize": FONT_SIZE,
    "legend.fontsize": FONT_SIZE,
    "figure.labelsize": FONT_SIZE,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.axisbelow": True,
    "axes.grid": False,
    "grid.linewidth": 0.4,
    "grid.color": "#dddddd",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "lines.linewidth": 1.1,
    "lines.markersize": 4.0,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "text.parse_math": False,  # a name with two dollar signs is a name
    "pdf.fonttype": 42,
    "svg.fonttype": "path",
    "svg.hashsalt": "reset_pl",
    "savefig.dpi": 300,
}


@dataclass(frozen=True, kw_only=True)
class Look:
    """How one series is drawn; any one of the last three tells it from the others without colour."""

    colour: str
    marker: str
    line: Any
    """Matplotlib's line style: a name, or an offset with lengths of dashes and gaps."""
    hatch: str


def look(index: int) -> Look:
    """The look of the series at a place, from 0."""
    return Look(
        colour=_COLOURS[index % len(_COLOURS)],
        marker=_MARKERS[index % len(_MARKERS)],
        line=_LINES[index % len(_LINES)],
        hatch=_HATCHES[index % len(_HATCHES)],
    )


def plain(text: str) -> str:
    r"""A name as it can stand in a figure: one line, not long, nothing hidden in it.

    >>> plain("w/ MTL\n+RESET\u202e")
    'w/ MTL +RESET\\u202e'
    """
    shown = visible(" ".join(text.split())[: _LONGEST + 1]) or "–"
    shown = f" {shown}" if shown.startswith("_") else shown  # matplotlib hides such names from legends
    return shown if len(shown) <= _LONGEST else f"{shown[: _LONGEST - 1].rstrip()}…"


def legend_columns(names: Sequence[str]) -> int:
    """Columns of a legend: all names in one row where they fit, else two columns."""
    return len(names) if sum(len(name) + 8 for name in names) <= _ROW else min(2, len(names))


@contextmanager
def styled() -> Iterator[None]:
    """Figures made and saved inside look as they should, whatever the user's matplotlibrc says."""
    import warnings

    from matplotlib import rc_context, rcdefaults

    with rc_context(), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")  # a box stands in its place
        rcdefaults()
        with rc_context(_SETTINGS):
            yield


def save(figure: Figure, path: Path, kind: Format) -> None:
    """Write a figure, the same bytes each time.

    Raises:
        InputError: The file cannot be written.
    """
    with styled(), committed(path) as file:
        figure.savefig(file, format=kind, metadata=_METADATA[kind])
