"""Did a round help where its judges could not push it? Gains by the selection judges, beside held-out ones.

A policy tuned on what some judges like can learn what they like and nothing else. So a round is held against what had
no part in selecting its answers: judges held out, and test sets whose domain was not trained on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reset_pl.evaluation.changes import Change, macro_changes
from reset_pl.evaluation.results import Stage, read_stages
from reset_pl.records import Aspect

__all__ = ["GateVerdict", "judge_stage"]

_ASPECTS = (Aspect.FAITHFULNESS, Aspect.INSTRUCTION)


@dataclass(frozen=True, kw_only=True)
class GateVerdict:
    """What a stage gained over the stage that it came from."""

    before: str
    """The stage whose weights it started from."""
    selection: dict[str, float]
    """Macro average that the selection judges give on seen sets (of instructions: on all) → its gain."""
    held_out: dict[str, float]
    """Macro average by a held-out judge, or on unseen sets → its gain."""
    unconfirmed: tuple[str, ...]
    """The held-out averages that did not rise although the selection judges' did."""

    @property
    def confirmed(self) -> bool | None:
        """Whether the held-out averages rose too; none where there are none, or nothing that they could confirm."""
        if self.unconfirmed:
            return False
        return True if self.held_out and any(gain > 0 for gain in self.selection.values()) else None

    def to_json(self, *, rolled_back: bool) -> dict[str, Any]:
        """The manifest's ``gate``."""
        return {
            "before": self.before,
            "selection": self.selection,
            "held_out": self.held_out,
            "unconfirmed": list(self.unconfirmed),
            "confirmed": self.confirmed,
            "rolled_back": rolled_back,
        }


def judge_stage(run_dir: Path, stage: str, *, min_gain: float = 0.0) -> GateVerdict | None:
    """Compare an evaluated stage with the last one before it that was not rolled back.

    A held-out average answers for its aspect only: faithfulness by a held-out judge cannot excuse instructions.

    Args:
        run_dir: The run directory.
        stage: Name of the stage.
        min_gain: What counts as a gain: a difference of macro averages above this, on either side.

    Returns:
        The verdict; none when the stage, or any before it, has not been evaluated.
    """
    stages = [entry for entry in read_stages(run_dir) if not entry.is_inside_stage]
    after = next((entry for entry in stages if entry.name == stage), None)
    earlier = [entry for entry in stages if after and entry.order < after.order and not entry.rolled_back]
    if after is None or not earlier:
        return None
    changes = macro_changes(run_dir, earlier[-1], after)
    selection: dict[str, float] = {}
    held_out: dict[str, float] = {}
    unconfirmed: list[str] = []
    for aspect in _ASPECTS:
        own = _gains(changes, _selection_keys(aspect, after))
        others = _gains(changes, _held_out_keys(aspect, after))
        if any(gain > min_gain for gain in own.values()):
            unconfirmed += [key for key, gain in others.items() if gain <= min_gain]
        selection |= own
        held_out |= others
    return GateVerdict(before=earlier[-1].name, selection=selection, held_out=held_out, unconfirmed=tuple(unconfirmed))


def _selection_keys(aspect: Aspect, stage: Stage) -> list[str]:
    seen = f"{aspect}_seen"
    return [seen if seen in stage.macro else str(aspect)]


def _held_out_keys(aspect: Aspect, stage: Stage) -> list[str]:
    return [f"{aspect}_unseen", *(f"{aspect}_{judge}" for judge in stage.held_out_judges(aspect))]


def _gains(changes: dict[str, Change], keys: Iterable[str]) -> dict[str, float]:
    """Key → difference of its macro averages, for those measured at both stages."""
    found = {key: changes[key].delta for key in keys if key in changes}
    return {key: delta for key, delta in found.items() if delta is not None}
