"""What stages are called, and the order in which their names put them."""

from __future__ import annotations

import math
import re

__all__ = ["is_inside_stage", "round_of", "stage_order"]

_FIRST_STAGES = {"start": 0, "mtl": 1}
_ROUND = re.compile(r"round-(\d+)")
_INSIDE = re.compile(r"(?P<stage>.+)-(?P<step>\d{6,})(-best-[\d.]+)?")


def round_of(name: str) -> int | None:
    """The round that a stage, or a round's folder, is named after.

    >>> round_of("round-001"), round_of("mtl")
    (1, None)
    """
    match = _ROUND.fullmatch(name)
    return int(match[1]) if match else None


def is_inside_stage(name: str) -> bool:
    """Whether it is a checkpoint evaluated by its own name, and not a stage's end.

    >>> is_inside_stage("mtl-000040"), is_inside_stage("round-001")
    (True, False)
    """
    return _INSIDE.fullmatch(name) is not None


def stage_order(name: str, step: int | None = None) -> tuple[int, int, float, bool, str]:
    """Sorting key of stages: start, mtl, the rounds, then whatever else was evaluated, by step.

    Checkpoints of a stage come before its end, by the steps in their names.

    >>> sorted(["round-001", "mtl", "round-000", "mtl-000040", "start", "mtl-000020"], key=stage_order)
    ['start', 'mtl-000020', 'mtl-000040', 'mtl', 'round-000', 'round-001']
    """
    inside = _INSIDE.fullmatch(name)
    stage = inside["stage"] if inside else name
    at = float(inside["step"]) if inside else math.inf
    number = round_of(stage)
    if number is not None:
        return 2, number, at, not inside, name
    if stage in _FIRST_STAGES:
        return _FIRST_STAGES[stage], 0, at, not inside, name
    return 3, 0, at if inside else float(step or 0), not inside, name
