"""Geometry of a round's weight-sensitivity figure: a small curve a data set, all on the same scales.

Across is the weight of faithfulness (of instruction following on instructions) beside a task weight of 1, up is the
share of the prompts that this weight would give another text. Only numbers come from here; ``report_rounds.html`` draws
them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reset_pl.evaluation import numbers
from reset_pl.evaluation.results import Round
from reset_pl.records import Aspect

__all__ = ["Panel", "WeightFigure", "weight_figure_of"]

_WIDTH, _HEIGHT = 200.0, 120.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 38.0, 12.0, 12.0, 24.0
_TOPS = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One data set."""

    name: str
    points: list[tuple[float, float]]
    """One a weight, in SVG units."""
    description: str
    """The curve in words."""

    @property
    def curve(self) -> str:
        """``points`` of the polyline."""
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in self.points)


@dataclass(frozen=True, kw_only=True)
class WeightFigure:
    """All panels, and the scales that they share."""

    width: float
    height: float
    left: float
    """Where the axis across begins; it ends at ``right``."""
    right: float
    bottom: float
    """Where the axis up begins; it ends at ``top``."""
    top: float
    x_ticks: list[tuple[float, str]]
    """Position and label of each weight."""
    y_ticks: list[tuple[float, str]]
    """Position and label of 0, half and the top."""
    own: float | None
    """Position of the weight that the round selected with; none where it is not one of those tried."""
    panels: list[Panel]


def weight_figure_of(entry: Round) -> WeightFigure | None:
    """The figure of a round; None where its manifest tells nothing of it."""
    weights, changed = _content(entry.manifest.get("sensitivity"))
    if len(weights) < 2 or not changed:
        return None
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    # Even steps: the weights are powers of two, with 0 before them.
    across = [_LEFT + index * (right - _LEFT) / (len(weights) - 1) for index in range(len(weights))]
    largest = max(map(max, changed.values()))
    top = next(value for value in _TOPS if largest <= value)

    def up(share: float) -> float:
        return bottom - share / top * (bottom - _TOP)

    own = _own_weight(entry)
    return WeightFigure(
        width=_WIDTH, height=_HEIGHT, left=_LEFT, right=right, bottom=bottom, top=_TOP,
        x_ticks=[(x, _label(weight)) for x, weight in zip(across, weights, strict=True)],
        y_ticks=[(up(share), numbers.share(share)) for share in (0.0, top / 2, top)],
        own=next((x for x, weight in zip(across, weights, strict=True) if own and math.isclose(weight, own)), None),
        panels=[
            Panel(
                name=name,
                points=[(x, up(share)) for x, share in zip(across, shares, strict=True)],
                description=", ".join(
                    f"{numbers.share(share)} at {weight:g}" for weight, share in zip(weights, shares, strict=True)
                ),
            )
            for name, shares in changed.items()
        ],
    )  # fmt: skip


def _label(weight: float) -> str:
    """A weight, short enough that the labels of a small panel do not touch.

    >>> _label(0.125), _label(2.0)
    ('⅛', '2')
    """
    return {0.125: "⅛", 0.25: "¼", 0.5: "½"}.get(weight, f"{weight:g}")


def _content(content: Any) -> tuple[list[float], dict[str, list[float]]]:
    """Weights, and data set → share for each of them; nothing of what is not as it should be."""
    if not isinstance(content, Mapping) or not isinstance(content.get("changed"), Mapping):
        return [], {}
    weights = _floats(content.get("weights"), math.inf)
    shares = {str(name): _floats(values, 1.0) for name, values in content["changed"].items()}
    return weights, {name: values for name, values in shares.items() if len(values) == len(weights)}


def _floats(values: object, most: float) -> list[float]:
    """Numbers from 0 to ``most``; none at all when one of them is not."""
    if not isinstance(values, Sequence) or not all(isinstance(v, int | float) and 0 <= v <= most for v in values):
        return []
    return [float(value) for value in values]


def _own_weight(entry: Round) -> float | None:
    """The round's weight beside a task weight of 1; None where faithfulness and instruction following have two."""
    weights = entry.numbers("weights")
    task, instruction, faithfulness = (
        weights.get(key) for key in (Aspect.TASK, Aspect.INSTRUCTION, Aspect.FAITHFULNESS)
    )
    return faithfulness / task if task and faithfulness is not None and instruction == faithfulness else None
