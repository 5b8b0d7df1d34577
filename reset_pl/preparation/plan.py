"""What a preparation is told: its sets and its settings, checked before anything is read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reset_pl.data.sources import Source
from reset_pl.errors import InputError
from reset_pl.records import stable_hash

SPLITS = ("train", "validation", "test")


@dataclass
class SetPlan:
    """One data set of a split, as the configuration says it.

    Args:
        name: Name of the set; it becomes ``Example.dataset``.
        sources: Where its examples come from, in order.
        unique: Keep only the first of equal examples (normalised instruction; question and passages; article).
            Otherwise they are counted.
        hold_out: Evaluation split → this many seeded rows of a training set are taken out and make up the set of its
            name there; half of the set at most.
    """

    name: str
    sources: list[Source]
    unique: bool = False
    hold_out: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What a preparation is told beside its sets."""

    output_dir: Path
    """Where it is written."""
    limit: int | None = None
    """Rows read of each source; a dry run."""
    num_proc: int = 1
    """Worker processes."""
    strict: bool = False
    """Refuse an evaluation set that overlaps training, instead of removing the overlap from it."""
    tokenizer: str | None = None
    """Folder or hub id of the tokenizer that lengths are counted with; words without one."""
    seed: int = 0
    """Of the rows held out and of the samples for lengths."""


def each_set(plans: Mapping[str, Sequence[SetPlan]]) -> list[tuple[str, SetPlan]]:
    """(split, plan) of all sets, in order."""
    return [(split, plan) for split, own in plans.items() for plan in own]


def check_plans(plans: Mapping[str, Sequence[SetPlan]]) -> None:
    """Refuse plans that cannot be followed.

    Raises:
        InputError: A set has no source or a name that names no folder, two of a split share one, rows are held out of
            an evaluation set, or there is no set at all.
    """
    titles: Counter[str] = Counter()
    for split, plan in each_set(plans):
        if not plan.name or any(letter in plan.name for letter in "/\\") or plan.name.startswith("."):
            raise InputError(f"expected a name for every set of {split} that can name a folder, but got {plan.name!r}")
        if not plan.sources:
            raise InputError(f"expected at least one source for the set {plan.name!r} of {split}, but got none")
        titles[f"{split}/{plan.name}"] += 1
        for other, count in plan.hold_out.items():
            if split != "train" or other not in ("validation", "test") or count < 1:
                raise InputError(
                    "expected hold_out on a training set, as {validation: 2500} or {test: 2500} with at least 1 row, "
                    f"but {split}/{plan.name} has {{{other}: {count}}}"
                )
            titles[f"{other}/{plan.name}"] += 1
    if not titles:
        raise InputError("expected at least one set in train, validation or test, but got none: give --config")
    twice = [title for title, count in titles.items() if count > 1]
    if twice:
        raise InputError(
            f"expected sets with different names within a split, but {twice[0]} stands there twice (sets held out of "
            "training count too): rename one, or give both sources to one set"
        )


def fingerprint_of_plans(plans: Mapping[str, Sequence[SetPlan]], settings: Settings, names: Mapping[Any, str]) -> str:
    """What a preparation follows from: plans, settings, the fingerprints of its sources (``names``) and the code."""
    of_plans = [(split, plan.name, plan.unique, sorted(plan.hold_out.items())) for split, plan in each_set(plans)]
    of_settings = (settings.limit, settings.strict, settings.tokenizer, settings.seed)
    code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in _CODE]
    return f"{stable_hash(of_plans, of_settings, sorted(names.items()), code):016x}"


_CODE = sorted(Path(__file__).parent.glob("*.*"))
