"""How the scores of a round are spread: all candidates, those chosen, the references; and chosen against reference.

The geometry of a histogram a data set, all on the same scale of score, and the paired comparison;
``report_rounds.html`` draws and prints them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reset_pl.evaluation import numbers
from reset_pl.evaluation.intervals import Interval, paired_interval
from reset_pl.evaluation.results import Round
from reset_pl.records import Aspect, Status
from reset_pl.rounds.selection import REFERENCE

__all__ = ["AgainstGold", "Distributions", "ScorePanel", "distributions_of"]

_WIDTH, _HEIGHT = 200.0, 120.0
_LEFT, _RIGHT, _TOP, _BOTTOM = 42.0, 192.0, 12.0, 96.0
_BINS = 20
_SEED = 0

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class ScorePanel:
    """One data set."""

    name: str
    bars: list[tuple[float, float, float, float]]
    """x, y, width and height of each bin of all candidates that was reached."""
    chosen: str
    """``points`` of the outline of the chosen ones; empty where nothing was chosen."""
    gold: str
    """``points`` of the outline of the references; empty where they were not judged."""
    description: str
    """The panel in words."""
    peak: str
    """The share at its top."""


@dataclass(frozen=True, kw_only=True)
class AgainstGold:
    """A data set's chosen answers against its references, prompt by prompt."""

    name: str
    n: int
    """Prompts with both."""
    chosen: float
    """Mean weighted score of the chosen answers."""
    gold: float
    """Mean weighted score of the references."""
    difference: Interval
    """Paired, with its 95% interval."""
    better: float
    """Share of the prompts whose chosen answer scores more than the reference."""
    equal: float
    worse: float


@dataclass(frozen=True, kw_only=True)
class Distributions:
    """Of a round."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    highest: float
    """The score at the right end of all panels."""
    panels: list[ScorePanel]
    against_gold: list[AgainstGold]


def distributions_of(entry: Round) -> Distributions | None:
    """The distributions of a round; None while its tables are missing, or where nothing was scored."""
    scored = _scored(entry)
    if scored is None or not scored.num_rows:
        return None
    kinds = {name: _by_dataset(scored.filter(pc.field(name))) for name in ("drawn", "is_chosen", "is_gold")}
    highest = max(float(pc.max(scored["score"]).as_py()), 1e-9)
    edges = np.linspace(0.0, highest, _BINS + 1)
    shares = {
        kind: {name: np.histogram(list(own.values()), edges)[0] / len(own) for name, own in sets.items()}
        for kind, sets in kinds.items()
    }
    names = sorted(kinds["drawn"])
    return Distributions(
        width=_WIDTH, height=_HEIGHT, left=_LEFT, right=_RIGHT, top=_TOP, bottom=_BOTTOM,
        highest=highest,
        panels=[_panel(name, {kind: sets.get(name) for kind, sets in shares.items()}, kinds) for name in names],
        against_gold=[
            found
            for name in names
            if (found := _against_gold(name, *(_by_prompt(scored, name, kind) for kind in ("is_chosen", "is_gold"))))
        ],
    )  # fmt: skip


# ---------------------------------------------------------------------- scores


def _scored(entry: Round) -> pa.Table | None:
    """candidate_id, example_id, dataset, score, and whether it was drawn, is chosen, is the reference."""
    candidates = _read(entry.path / "candidates.parquet", ["candidate_id", "example_id", "dataset", "procedure"])
    verdicts = _read(entry.path / "verdicts.parquet", ["candidate_id", "judge", "aspect", "status", "score"])
    selected = _read(entry.path / "selected.parquet", ["candidate_id"])
    if candidates is None or verdicts is None or selected is None:
        return None
    held_out = pa.array(sorted(entry.held_out), pa.string())
    verdicts = verdicts.filter(~pc.field("judge").isin(held_out))
    # As in the selection: a candidate on which a judge failed would compete with a part of its score missing.
    failed = verdicts.filter(pc.field("status") == str(Status.FAILED))["candidate_id"].combine_chunks()
    verdicts = verdicts.filter((pc.field("status") == str(Status.SCORED)) & ~pc.field("candidate_id").isin(failed))
    means = verdicts.group_by(["candidate_id", "aspect"]).aggregate([("score", "mean")])
    weights = _weights(entry)
    weighted = [weights.get(aspect, 0.0) for aspect in means["aspect"].to_pylist()]
    means = means.append_column("part", pc.multiply(means["score_mean"], pa.array(weighted, pa.float64())))
    scores = means.group_by("candidate_id").aggregate([("part", "sum")]).rename_columns(["candidate_id", "score"])
    table = candidates.join(scores, "candidate_id", join_type="inner")
    is_gold = pc.equal(table["procedure"], REFERENCE)
    columns = {
        "drawn": pc.invert(is_gold),
        "is_chosen": pc.is_in(table["candidate_id"], selected["candidate_id"].combine_chunks()),
        "is_gold": is_gold,
    }
    for name, values in columns.items():
        table = table.append_column(name, values)
    return table


def _weights(entry: Round) -> dict[str, float]:
    """The round's; the paper's (section 5.1) where its manifest names none."""
    paper: Mapping[str, float | None] = {Aspect.TASK: 1.0, Aspect.INSTRUCTION: 2.0, Aspect.FAITHFULNESS: 2.0}
    return {str(key): value or 0.0 for key, value in (entry.numbers("weights") or paper).items()}


def _by_dataset(table: pa.Table) -> dict[str, dict[str, float]]:
    """Data set → candidate id → score."""
    found: dict[str, dict[str, float]] = {}
    columns = (table[key].to_pylist() for key in ("dataset", "candidate_id", "score"))
    for dataset, candidate, score in zip(*columns, strict=True):
        found.setdefault(dataset, {})[candidate] = score
    return found


def _by_prompt(table: pa.Table, dataset: str, kind: str) -> dict[str, float]:
    """Example id → score of the chosen answer (of several the best) or of the reference."""
    own = table.filter((pc.field("dataset") == dataset) & pc.field(kind))
    best = own.group_by("example_id").aggregate([("score", "max")])
    return dict(zip(best["example_id"].to_pylist(), best["score_max"].to_pylist(), strict=True))


def _against_gold(name: str, chosen: Mapping[str, float], gold: Mapping[str, float]) -> AgainstGold | None:
    ids = sorted(chosen.keys() & gold.keys())
    if not ids:
        return None
    first, second = (np.array([side[key] for key in ids]) for side in (gold, chosen))
    return AgainstGold(
        name=name, n=len(ids), chosen=float(second.mean()), gold=float(first.mean()),
        difference=paired_interval(first, second, seed=_SEED),
        better=float((second > first + 1e-9).mean()), worse=float((second < first - 1e-9).mean()),
        equal=float((abs(second - first) <= 1e-9).mean()),
    )  # fmt: skip


def _read(path: Path, columns: list[str]) -> pa.Table | None:
    """Columns of a table; None when it is missing, unreadable or lacks one of them."""
    try:
        table = pq.read_table(path, columns=columns)
    except (OSError, pa.ArrowException):
        return None
    return table if set(columns) <= set(table.column_names) else None


# ---------------------------------------------------------------------- geometry


def _panel(
    name: str, shares: Mapping[str, Floats | None], kinds: Mapping[str, Mapping[str, Mapping[str, float]]]
) -> ScorePanel:
    width = (_RIGHT - _LEFT) / _BINS
    peak = max(float(own.max()) for own in shares.values() if own is not None)
    drawn = shares["drawn"]
    heights = [] if drawn is None else [float(share) / peak * (_BOTTOM - _TOP) for share in drawn]
    words = {"drawn": "all candidates", "is_chosen": "the chosen ones", "is_gold": "the references"}
    said = [
        f"{words[kind]} {numbers.score(float(np.mean(list(sets[name].values()))))}"
        for kind, sets in kinds.items()
        if name in sets
    ]
    return ScorePanel(
        name=name,
        bars=[
            (_LEFT + place * width + 0.5, _BOTTOM - height, width - 1, height)
            for place, height in enumerate(heights)
            if height
        ],
        chosen=_outline(shares["is_chosen"], peak),
        gold=_outline(shares["is_gold"], peak),
        description=f"Weighted scores of {name}, means: {', '.join(said)}",
        peak=numbers.share(peak),
    )


def _outline(shares: Sequence[float] | Floats | None, peak: float) -> str:
    """A histogram's outline as ``points``."""
    if shares is None:
        return ""
    width = (_RIGHT - _LEFT) / _BINS
    corners = [(_LEFT, _BOTTOM)]
    for place, share in enumerate(shares):
        y = _BOTTOM - float(share) / peak * (_BOTTOM - _TOP)
        corners += [(_LEFT + place * width, y), (_LEFT + (place + 1) * width, y)]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in [*corners, (_RIGHT, _BOTTOM)])
