"""Geometry of the training curves: a panel a stage, with the loss and the learning rate over its steps.

Stages differ in length a hundredfold, so each has a panel of its own; the scale of the loss is the same in all. Only
numbers come from here; ``report_curves.html`` draws them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from reset_pl.evaluation import numbers
from reset_pl.evaluation.results import Stage
from reset_pl.training_record import TrainingStep

__all__ = ["CurvePanel", "Curves", "curves_of"]

_WIDTH, _HEIGHT = 320.0, 190.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 44.0, 310.0, 14.0, 166.0
_POINTS = 120
"""Of a curve at most; each is the mean over as many steps."""
_STEPS = (1.0, 2.0, 5.0)


@dataclass(frozen=True, kw_only=True)
class CurvePanel:
    """One stage."""

    title: str
    """The stage as a reader calls it."""
    first: int
    """Its first step that was recorded."""
    last: int
    """Its last one so far."""
    loss: str
    """``points`` of the loss; empty where it was not recorded."""
    rate: str
    """``points`` of the learning rate, 0 at the bottom and its peak at the top; empty where it was not recorded."""
    peak: str
    """The highest learning rate."""
    description: str
    """The panel in words."""


@dataclass(frozen=True, kw_only=True)
class Curves:
    """All panels, and the scale of loss that they share."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    ticks: list[tuple[float, str]]
    """Position and label of losses, from 0 upwards."""
    panels: list[CurvePanel]
    missing: str
    """Steps that were not recorded, in words; empty where there are none."""


def curves_of(steps: Sequence[TrainingStep]) -> Curves | None:
    """The curves of a run; None where no step was recorded."""
    if not steps:
        return None
    stages = [(name, list(own)) for name, own in groupby(steps, lambda step: step.stage)]
    losses = [list(_means([(step.step, step.loss) for step in own])) for _, own in stages]
    ticks = _ticks(max((value for curve in losses for _, value in curve), default=1.0))
    panels = [_panel(name, own, curve, ticks[-1]) for (name, own), curve in zip(stages, losses, strict=True)]
    return Curves(
        width=_WIDTH, height=_HEIGHT, left=_LEFT, right=_RIGHT, top=_TOP, bottom=_BOTTOM,
        ticks=[(_up(value / ticks[-1]), f"{value:g}") for value in ticks], panels=panels, missing=_missing(steps),
    )  # fmt: skip


def _panel(name: str, steps: Sequence[TrainingStep], loss: Sequence[tuple[float, float]], top: float) -> CurvePanel:
    rates = list(_means([(step.step, step.lr) for step in steps]))
    peak = max((step.lr for step in steps if step.lr is not None), default=0.0)
    first, last = steps[0].step, steps[-1].step
    said = f"loss from {loss[0][1]:.3f} to {loss[-1][1]:.3f}, " if loss else ""
    title = Stage.from_json({"stage": name}).label
    return CurvePanel(
        title=title,
        first=first,
        last=last,
        loss=_path([(_across(x, first, last), _up(y / top)) for x, y in loss]),
        rate=_path([(_across(x, first, last), _up(y / peak)) for x, y in rates]) if peak else "",
        peak=f"{peak:.1e}",
        description=f"{title}, steps {first:,} to {last:,}: {said}learning rate up to {peak:.1e}",
    )


def _means(values: Sequence[tuple[int, float | None]]) -> Iterator[tuple[float, float]]:
    """Means over equally many steps, few enough to draw; steps without a value are left out."""
    known = [(step, value) for step, value in values if value is not None]
    size = math.ceil(len(known) / _POINTS)
    for start in range(0, len(known), max(size, 1)):
        part = known[start : start + size]
        yield sum(step for step, _ in part) / len(part), sum(value for _, value in part) / len(part)


def _ticks(highest: float) -> list[float]:
    """Round numbers from 0 to at least the highest, four to six of them.

    >>> _ticks(0.43), _ticks(5.5)
    ([0.0, 0.1, 0.2, 0.3, 0.4, 0.5], [0.0, 2.0, 4.0, 6.0])
    """
    power = 10.0 ** math.floor(math.log10(highest)) if highest > 0 else 1.0
    candidates = [step * scale for scale in (power / 10, power) for step in _STEPS]
    step = next(step for step in candidates if math.ceil(highest / step) <= 5)
    return [round(number * step, 12) for number in range(math.ceil(highest / step) + 1)]


def _missing(steps: Sequence[TrainingStep]) -> str:
    """The steps before the first line: those of an older version that the run was begun with."""
    first = steps[0].step
    return f"Steps 1 to {numbers.count(first - 1)} were not recorded." if first > 1 else ""


def _across(step: float, first: int, last: int) -> float:
    return _LEFT + (step - first) / max(last - first, 1) * (_RIGHT - _LEFT)


def _up(share: float) -> float:
    return _BOTTOM - share * (_BOTTOM - _TOP)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
