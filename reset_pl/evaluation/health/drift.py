"""Drift: does a judge rate human answers the same, round after round?

A policy changes from round to round, so the scores of its answers may; the references are people's answers to prompts
drawn from the same data sets, so theirs should not. What differs between rounds beyond the luck of the draw is the
judge: another model behind the same name, another version, another prompt.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from reset_pl.evaluation.health.judged import JudgeColumns, Judged
from reset_pl.evaluation.intervals import macro_unpaired_interval

__all__ = ["drift_of"]

_LEVEL = 0.99
"""Many judges and rounds are compared: at 95% some would seem to drift by chance."""

_FEWEST = 10
"""References of a data set, in each round, below which it is not compared."""


def drift_of(judged: Judged, judge: JudgeColumns, names: list[str]) -> dict[str, Any]:
    """The judge's mean on the references of each round, and each later round against the first.

    Args:
        judged: The candidates.
        judge: The judge.
        names: What the rounds are called.
    """
    rounds = [_round(judged, judge, place) | {"round": name} for place, name in enumerate(names)]
    present = [place for place, entry in enumerate(rounds) if entry["n"]]
    later = [_difference(judged, judge, present[0], place) | {"round": names[place]} for place in present[1:]]
    return {
        "rounds": rounds,
        "against": names[present[0]] if present else None,
        "differences": later,
    }


def _round(judged: Judged, judge: JudgeColumns, place: int) -> dict[str, Any]:
    here = judged.round == place
    scores = judge.score[here & judge.is_scored & judged.is_reference]
    spoke = here & (judge.status >= 0)
    return {
        "n": len(scores),
        "mean": float(scores.mean()) if len(scores) else None,
        "verdicts": int(spoke.sum()),
        "versions": [judge.versions[k] for k in np.unique(judge.version[spoke])],
        "models": [judge.models[k] for k in np.unique(judge.model[spoke]) if judge.models[k]],
    }


def _difference(judged: Judged, judge: JudgeColumns, first: int, later: int) -> dict[str, Any]:
    """``later - first``, averaged over the data sets that both have enough references of."""
    usable = judge.is_scored & judged.is_reference
    sides = []
    for place in (first, later):
        scores = {
            name: judge.score[usable & (judged.round == place) & (judged.dataset == number)]
            for number, name in enumerate(judged.datasets)
        }
        sides.append({name: values for name, values in scores.items() if len(values) >= _FEWEST})
    shared = sides[0].keys() & sides[1].keys()
    if not shared:
        return {"difference": None, "beyond_chance": None}
    interval = macro_unpaired_interval(*({name: side[name] for name in shared} for side in sides), seed=0, level=_LEVEL)
    return {"difference": interval.to_json(), "beyond_chance": interval.low > 0 or interval.high < 0}
