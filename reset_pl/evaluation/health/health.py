"""All that is reported of the judges of some rounds, as one JSON object (keys: ``docs/artifacts.md``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from reset_pl.evaluation.health.drift import drift_of
from reset_pl.evaluation.health.judged import JudgeColumns, Judged, read_judged
from reset_pl.evaluation.health.pairs import agreement_of
from reset_pl.evaluation.health.statistics import judge_statistics, repeats_of
from reset_pl.evaluation.health.warnings import warnings_of
from reset_pl.records import Status
from reset_pl.rounds.ledger import Ledger

__all__ = ["health_of", "held_out_of", "judge_health", "judged_twice", "kinds_of", "with_retests"]

_SAME = 5e-4
"""A difference that is printed as none."""


def judge_health(rounds: Sequence[Path]) -> dict[str, Any]:
    """Read the ledgers of finished rounds and report on their judges.

    Raises:
        InputError: A table of a round is missing, cannot be read or lacks a column.
    """
    return health_of(read_judged(rounds), held_out_of(rounds))


def held_out_of(rounds: Sequence[Path]) -> set[str]:
    """Judges that the rounds' manifests say took no part in selection."""
    judges = [judge for path in rounds for judge in (Ledger(path).read_manifest() or {}).get("judges") or ()]
    return {judge["name"] for judge in judges if isinstance(judge, Mapping) and judge.get("held_out")}


def health_of(judged: Judged, held_out: Collection[str] = ()) -> dict[str, Any]:
    """The report on candidates and verdicts that have been read; ``retest`` is empty in it.

    Args:
        judged: The candidates and verdicts.
        held_out: Judges that took no part in selection.
    """
    names = _names(judged.rounds)
    report: dict[str, Any] = {
        "rounds": [
            {
                "name": name,
                "path": str(path),
                "candidates": int(((judged.round == place) & ~judged.is_reference).sum()),
                "references": int(((judged.round == place) & judged.is_reference).sum()),
            }
            for place, (name, path) in enumerate(zip(names, judged.rounds, strict=True))
        ],
        "judges": {
            judge.name: {"aspect": judge.aspect, "held_out": judge.name in held_out} | _judge(judged, judge, names)
            for judge in judged.judges
        },
        "agreement": agreement_of(judged),
        "stray_verdicts": judged.stray,
    }
    return report | {"warnings": warnings_of(report)}


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


def with_retests(report: Mapping[str, Any], retests: Mapping[str, Any]) -> dict[str, Any]:
    """The report with the retests of some of its judges, and what they warn of."""
    judges = {name: judge | {"retest": retests.get(name)} for name, judge in report["judges"].items()}
    whole = {**report, "judges": judges}
    return whole | {"warnings": warnings_of(whole)}


def kinds_of(judges: Mapping[str, Any]) -> list[Status]:
    """The ways in which a judgement ended that are there at all; ``scored`` always."""
    return [
        kind
        for kind in Status
        if kind is Status.SCORED or any(judge["all"]["verdicts"][kind] for judge in judges.values())
    ]


def judged_twice(judges: Mapping[str, Any]) -> tuple[list[tuple[str, str, Mapping[str, Any]]], list[str]]:
    """What there is to say of answers that were judged twice.

    Returns:
        ``(judge, what, differences)`` of retests, of judges that ask a model and of those that differ from themselves;
        and the names of the others that were seen to repeat themselves.
    """
    rows, same = [], []
    for name, judge in judges.items():
        for what, entry in (("equal answers", judge["repeats"]), ("retest", judge["retest"])):
            if not entry or not entry["n"]:
                continue
            if what == "retest" or judge["models"] or entry["mean_absolute"] > _SAME:
                rows.append((name, what, entry))
            else:
                same.append(name)
    return rows, same
