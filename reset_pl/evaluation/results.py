"""What a run directory says: its stages, rounds and settings, read from JSON (contract: ``docs/artifacts.md``).

A run may be half done, of an older version or partly unreadable. What is absent is ``None`` or empty, what cannot be
read becomes a note; only a folder that is no run at all is an error.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from reset_pl.errors import InputError
from reset_pl.evaluation.intervals import Interval
from reset_pl.evaluation.stage_names import is_inside_stage, round_of, stage_order
from reset_pl.records import Aspect, Objective

__all__ = ["DatasetScores", "Round", "Run", "Stage", "read_run", "read_stages"]


@dataclass(frozen=True, kw_only=True)
class DatasetScores:
    """One test set at one stage."""

    name: str
    """The data set."""
    group: str
    """Its objective."""
    seen: bool
    """Whether its training part was trained on."""
    n: int
    """Number of examples."""
    scores: dict[str, Interval]
    """Score → mean with interval; a score that does not apply is absent."""

    @property
    def is_context_dependent(self) -> bool:
        """Whether faithfulness is what it measures."""
        return self.group != Objective.INSTRUCTION


@dataclass(frozen=True, kw_only=True)
class Stage:
    """``evaluation/<stage>.json``."""

    name: str
    """``start``, ``mtl``, ``round-000``, …"""
    step: int | None
    """Optimizer steps so far."""
    policy: str | None
    """Fingerprint of the weights."""
    commit: str | None
    """Commit of the code."""
    datasets: dict[str, DatasetScores]
    """Test set → its scores."""
    macro: dict[str, Interval]
    """Macro average → mean with interval; one that does not apply is absent."""

    rolled_back: bool = False
    """Whether the gate gave these weights up (``callbacks.RoundGate``)."""

    @property
    def held_out(self) -> list[str]:
        """Judges of faithfulness that took no part in selection; each has averages of its own."""
        return self.held_out_judges(Aspect.FAITHFULNESS)

    def held_out_judges(self, aspect: Aspect) -> list[str]:
        """Judges of an aspect that took no part in selection."""
        known = {"raw", "seen", "unseen", "extractive", "abstractive"}
        splits = tuple(f"_{split}" for split in ("seen", "unseen", "extractive", "abstractive"))
        names = (key.removeprefix(f"{aspect}_") for key in self.macro if key.startswith(f"{aspect}_"))
        return [name for name in names if name not in known and not name.endswith(splits)]

    @property
    def has_declines(self) -> bool:
        """Whether an answer declined, or a question was there that should be."""
        declined = self.macro.get("declined")
        return "declined_unanswerable" in self.macro or (declined is not None and declined.mean > 0)

    @property
    def label(self) -> str:
        """The stage as a reader calls it.

        >>> Stage.from_json({"stage": "round-001"}).label
        'round 1'
        """
        number = round_of(self.name)
        label = f"round {number}" if number is not None else self.name.upper() if self.name == "mtl" else self.name
        return f"{label} (rolled back)" if self.rolled_back else label

    @property
    def is_inside_stage(self) -> bool:
        """Whether it is a checkpoint evaluated by its own name, ``mtl-000040``, and not a stage's end."""
        return is_inside_stage(self.name)

    @property
    def order(self) -> tuple[int, int, float, bool, str]:
        """Sorting key."""
        return stage_order(self.name, self.step)

    @classmethod
    def from_json(cls, content: Mapping[str, Any], *, rolled_back: bool = False) -> Stage:
        """The stage in one JSON file."""
        return cls(
            name=content["stage"],
            step=content.get("step"),
            policy=content.get("policy"),
            commit=content.get("commit"),
            datasets={name: _dataset(name, entry) for name, entry in (content.get("datasets") or {}).items()},
            macro=_intervals(content.get("macro") or {}, n=0),
            rolled_back=rolled_back,
        )


@dataclass(frozen=True, kw_only=True)
class Round:
    """One ``rounds/round-NNN``: where it lies and its manifest, which the contract describes key by key."""

    path: Path
    """The round's directory."""
    number: int
    """Counted from 0."""
    manifest: dict[str, Any]
    """``manifest.json``."""

    @property
    def is_complete(self) -> bool:
        """Whether the round ended; a running one may lack any of the rest."""
        return self.manifest.get("status") == "complete"

    def numbers(self, key: str) -> dict[str, float | None]:
        """The name → number under a key of the manifest; nothing where the key is absent."""
        return _numbers(self.manifest.get(key))

    def numbers_by_dataset(self, key: str) -> dict[str, dict[str, float | None]]:
        """The data set → name → number under a key of the manifest."""
        entries = self.manifest.get(key)
        return {name: _numbers(entry) for name, entry in entries.items()} if isinstance(entries, Mapping) else {}

    @property
    def has_declines(self) -> bool:
        """Whether a candidate declined, or a prompt was there that should be."""
        rates = self.numbers("rates")
        return rates.get("declined_unanswerable") is not None or bool(rates.get("declined"))

    @property
    def held_out(self) -> frozenset[str]:
        """Names of the judges that took no part in the selection."""
        entries = self.manifest.get("judges") or []
        return frozenset(str(e["name"]) for e in entries if isinstance(e, Mapping) and e.get("held_out"))

    @property
    def judges(self) -> list[str]:
        """Each judge in words: name, version, aspect."""
        entries = self.manifest.get("judges") or []
        if isinstance(entries, Mapping):
            return [f"{name} {version}" for name, version in entries.items()]
        return [
            " ".join(str(entry[key]) for key in ("name", "version", "aspect") if entry.get(key))
            + (" (held out)" if entry.get("held_out") else "")
            if isinstance(entry, Mapping)
            else str(entry)
            for entry in entries
        ]


@dataclass(frozen=True, kw_only=True)
class Run:
    """A run directory."""

    path: Path
    """The directory."""
    stages: tuple[Stage, ...]
    """In the order in which they were reached."""
    rounds: tuple[Round, ...]
    """In order."""
    config: str | None
    """The text of ``config.yaml``."""
    environment: dict[str, Any]
    """``environment.json``."""
    notes: tuple[str, ...] = field(default=())
    """What could not be read, in words."""


def read_run(run_dir: Path) -> Run:
    """Read a run directory.

    Raises:
        InputError: the folder is absent or holds nothing that a run leaves behind.
    """
    run_dir = Path(run_dir)
    if not run_dir.is_dir():
        raise InputError(f"Expected the directory of a run, but {run_dir} is not a directory")
    config = run_dir / "config.yaml"
    parts = [*run_dir.glob("evaluation/*.json"), *run_dir.glob("rounds/*/manifest.json")]
    if not parts and not config.is_file():
        raise InputError(
            f"Expected the directory of a run, but {run_dir} holds no config.yaml, evaluation/*.json or "
            "rounds/*/manifest.json; give the default_root_dir of a fit"
        )
    notes: list[str] = []
    return Run(
        path=run_dir,
        stages=read_stages(run_dir, notes),
        rounds=_read_rounds(run_dir, notes),
        config=config.read_text(encoding="utf-8", errors="replace") if config.is_file() else None,
        environment=_read_object(run_dir / "environment.json", notes) or {},
        notes=tuple(notes),
    )


def read_stages(run_dir: Path, notes: list[str] | None = None) -> tuple[Stage, ...]:
    """The evaluated stages of a run, in order; ``notes`` collects what cannot be read."""
    notes = [] if notes is None else notes
    given_up = {stage_name for stage_name, gate in _gates(Path(run_dir)).items() if gate.get("rolled_back")}
    stages = []
    for path in sorted(Path(run_dir).glob("evaluation/*.json")):
        content = _read_object(path, notes)
        try:
            if content is not None:
                stages.append(Stage.from_json({"stage": path.stem, **content}, rolled_back=path.stem in given_up))
        except (AttributeError, TypeError, ValueError) as error:
            notes.append(f"evaluation/{path.name} is no evaluation ({error})")
    return tuple(sorted(stages, key=lambda stage: stage.order))


def _gates(run_dir: Path) -> dict[str, Mapping[str, Any]]:
    """Stage → the gate's word on it, of the rounds that have one; manifests that cannot be read are noted elsewhere."""
    manifests = {path.parent.name: _read_object(path, []) or {} for path in run_dir.glob("rounds/*/manifest.json")}
    return {name: gate for name, manifest in manifests.items() if isinstance(gate := manifest.get("gate"), Mapping)}


def _read_rounds(run_dir: Path, notes: list[str]) -> tuple[Round, ...]:
    """The rounds that have a manifest, in order."""
    rounds = []
    for path in run_dir.glob("rounds/*/manifest.json"):
        number = round_of(path.parent.name)
        manifest = _read_object(path, notes) if number is not None else None
        if number is not None and manifest is not None:
            rounds.append(Round(path=path.parent, number=number, manifest=manifest))
    return tuple(sorted(rounds, key=lambda entry: entry.number))


def _read_object(path: Path, notes: list[str]) -> dict[str, Any] | None:
    """A JSON object; a file that is absent is None, one that is broken is None and a note."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, OSError) as error:
        notes.append(f"{'/'.join(path.parts[-2:])} could not be read ({error})")
        return None
    if not isinstance(content, dict):
        notes.append(f"{'/'.join(path.parts[-2:])} is not a JSON object")
        return None
    return content


def _dataset(name: str, entry: Mapping[str, Any]) -> DatasetScores:
    """One entry of ``datasets``."""
    n = int(entry.get("n") or 0)
    scores = _intervals(entry, n=n)
    return DatasetScores(
        name=name, group=str(entry.get("group", "")), seen=bool(entry.get("seen", True)), n=n, scores=scores
    )


def _intervals(entries: Mapping[str, Any], n: int) -> dict[str, Interval]:
    """The scores that are there; one without a finite mean (null, NaN) is left out."""
    found = {}
    for key, entry in entries.items():
        mean = _number(entry.get("mean")) if isinstance(entry, Mapping) else None
        if mean is not None:
            low, high = _number(entry.get("low")), _number(entry.get("high"))
            found[key] = Interval(
                mean=mean,
                low=mean if low is None else low,
                high=mean if high is None else high,
                n=int(_number(entry.get("n")) or n),
            )
    return found


def _numbers(entries: object) -> dict[str, float | None]:
    """A mapping of names to numbers; what is no number is None, a nested mapping is left out."""
    if not isinstance(entries, Mapping):
        return {}
    return {str(name): _number(value) for name, value in entries.items() if not isinstance(value, Mapping)}


def _number(value: object) -> float | None:
    """A finite number, else None."""
    return float(value) if isinstance(value, int | float) and math.isfinite(value) else None
