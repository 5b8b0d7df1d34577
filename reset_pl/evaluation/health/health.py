"""All that is reported of the judges of some rounds, as one JSON object (keys: ``docs/artifacts.md``)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reset_pl.evaluation.health.drift import drift_of
from reset_pl.evaluation.health.judged import JudgeColumns, Judged, read_judged
from reset_pl.evaluation.health.pairs import agreement_of
from reset_pl.evaluation.health.statistics import judge_statistics, repeats_of

__all__ = ["health_of", "judge_health"]


def judge_health(rounds: Sequence[Path]) -> dict[str, Any]:
    """Read the ledgers of finished rounds and report on their judges.

    Raises:
        InputError: A table of a round is missing, cannot be read or lacks a column.
    """
    return health_of(read_judged(rounds))


def health_of(judged: Judged) -> dict[str, Any]:
    """The report on candidates and verdicts that have been read; ``retest`` is empty in it."""
    names = _names(judged.rounds)
    return {
        "rounds": [
            {
                "name": name,
                "path": str(path),
                "candidates": int(((judged.round == place) & ~judged.is_reference).sum()),
                "references": int(((judged.round == place) & judged.is_reference).sum()),
            }
            for place, (name, path) in enumerate(zip(names, judged.rounds, strict=True))
        ],
        "judges": {judge.name: _judge(judged, judge, names) for judge in judged.judges},
        "agreement": agreement_of(judged),
        "stray_verdicts": judged.stray,
    }


def _names(rounds: Sequence[Path]) -> list[str]:
    """``round-000``, with its run before it where there are several runs."""
    paths = [path.resolve() for path in rounds]
    several = len({path.parent for path in paths}) > 1
    return [f"{path.parent.parent.name}/{path.name}" if several else path.name for path in paths]


def _judge(judged: Judged, judge: JudgeColumns, names: list[str]) -> dict[str, Any]:
    spoke = judge.status >= 0
    answered = np.bincount(judge.model[spoke], minlength=len(judge.models))
    datasets = {name: judged.dataset == place for place, name in enumerate(judged.datasets)}
    return {
        "aspect": judge.aspect,
        "versions": [judge.versions[place] for place in np.unique(judge.version[spoke])],
        "models": {name: int(count) for name, count in zip(judge.models, answered, strict=True) if name and count},
        "all": judge_statistics(judged, judge, np.ones(len(judged.round), dtype=bool)),
        "datasets": {
            name: judge_statistics(judged, judge, mask) for name, mask in datasets.items() if (spoke & mask).any()
        },
        "repeats": repeats_of(judged, judge),
        "retest": None,
        "drift": drift_of(judged, judge, names),
    }
