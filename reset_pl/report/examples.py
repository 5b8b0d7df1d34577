"""A handful of selections of a round, each with its rivals: the prompts whose candidates differed most."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reset_pl.records import Aspect, Status

__all__ = ["Choice", "Rival", "choices_of"]

_WEIGHTS: Mapping[str, float] = {Aspect.TASK: 1.0, Aspect.INSTRUCTION: 2.0, Aspect.FAITHFULNESS: 2.0}
"""The paper's (section 5.1), for manifests that name none."""
_TEXT_LIMIT = 1200
_PROMPT_FIELDS = ("instruction", "question", "passages")
_REFERENCE = "reference"
"""Procedure of an example's own response: judged beside the candidates, never selected."""


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One candidate; equal texts are shown once."""

    text: str
    """The answer, cut when very long."""
    labels: list[str]
    """How it was decoded, once for each time it was drawn."""
    scores: dict[str, float]
    """Aspect → score, the mean over its judges."""
    total: float | None
    """Weighted sum of the scores; none when nothing was scored."""
    finish_reason: str
    """``stop`` or ``length``."""
    declined: bool
    """Whether it says that the passages do not answer the question; then it has no score for faithfulness."""


@dataclass(frozen=True, kw_only=True)
class Choice:
    """One prompt: what was chosen, and against whom."""

    example_id: str
    dataset: str
    reason: str
    """``best`` or ``tie``."""
    prompt: list[str]
    """Instruction, question and passages, as far as they were kept."""
    answerable: bool
    """False where the passages do not answer the question, so that only an answer that declines could be chosen."""
    chosen: Rival
    rivals: list[Rival]
    """The other texts, best first."""
    reference: Rival | None
    """The example's own response, where it was judged too."""


@dataclass(frozen=True, kw_only=True)
class _Totals:
    """Scores of all candidates of a round."""

    parts: dict[str, dict[str, float]]
    """Candidate id → aspect → score."""
    declined: frozenset[str]
    """Ids of the candidates that decline."""
    weights: Mapping[str, float]

    def of(self, candidate_id: str) -> float | None:
        """Weighted sum; None without a score."""
        parts = self.parts.get(candidate_id)
        return sum(self.weights.get(aspect, 0.0) * score for aspect, score in parts.items()) if parts else None


def choices_of(
    round_dir: Path,
    weights: Mapping[str, float] | None = None,
    *,
    held_out: Collection[str] = (),
    per_dataset: int = 3,
) -> list[Choice]:
    """Selections worth reading.

    Args:
        round_dir: ``rounds/round-NNN``.
        weights: aspect → weight in the selection's score; the paper's when absent.
        held_out: judges that took no part in the selection.
        per_dataset: number of prompts of each data set.

    Returns:
        The prompts with the widest spread of scores, data set by data set; none while the tables are missing.
    """
    candidates = _read(round_dir / "candidates.parquet", ["candidate_id", "example_id", "procedure"])
    selected = _read(round_dir / "selected.parquet", ["example_id", "candidate_id", "dataset", "reason"])
    if candidates is None or selected is None:
        return []
    verdicts = _read(round_dir / "verdicts.parquet", ["candidate_id", "judge", "aspect", "status", "score"])
    if verdicts is not None:
        verdicts = verdicts.filter(~pc.field("judge").isin(pa.array(list(held_out), pa.string())))
    totals = _Totals(parts=_scores(verdicts), declined=_declined(verdicts), weights=weights or _WEIGHTS)
    spreads = _spreads(candidates, totals)
    by_dataset: dict[str, list[dict[str, Any]]] = defaultdict(list)
    first = {row["example_id"]: row for row in reversed(selected.to_pylist())}  # of several answers the best
    for row in reversed(first.values()):
        if row["candidate_id"] is not None:
            by_dataset[row["dataset"]].append(row)
    chosen = [
        row
        for rows in by_dataset.values()
        for row in sorted(rows, key=lambda row: (-spreads.get(row["example_id"], 0.0), row["example_id"]))[:per_dataset]
    ]
    return _with_texts(round_dir, chosen, totals)


def _with_texts(round_dir: Path, chosen: Sequence[Mapping[str, Any]], totals: _Totals) -> list[Choice]:
    """The chosen rows with the texts that belong to them, read for these alone."""
    wanted = ("example_id", "in", [row["example_id"] for row in chosen])
    columns = ["candidate_id", "example_id", "procedure", "decoding", "text", "finish_reason"]
    texts = _read(round_dir / "candidates.parquet", columns, wanted) if chosen else None
    if texts is None:
        return []
    prompts = _prompts(round_dir / "prompts.parquet", wanted)
    by_example: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in texts.to_pylist():
        by_example[row["example_id"]].append(row)
    choices = [
        _choice(row, by_example[row["example_id"]], prompts.get(row["example_id"], {}), totals) for row in chosen
    ]
    return [choice for choice in choices if choice]


def _choice(
    row: Mapping[str, Any], judged: Sequence[Mapping[str, Any]], prompt: Mapping[str, Any], totals: _Totals
) -> Choice | None:
    """One prompt; None when the chosen candidate is not among those drawn."""
    drawn = [entry for entry in judged if entry["procedure"] != _REFERENCE]
    own = next((entry for entry in judged if entry["procedure"] == _REFERENCE), None)
    winner = next((entry for entry in drawn if entry["candidate_id"] == row["candidate_id"]), None)
    if winner is None:
        return None
    distinct: dict[str, Rival] = {}
    for entry in sorted(drawn, key=lambda entry: entry is not winner):
        known = distinct.get(entry["text"]) or _rival(entry, totals)
        distinct[entry["text"]] = replace(known, labels=[*known.labels, str(entry["decoding"])])
    chosen, *rivals = distinct.values()
    rivals.sort(key=lambda rival: -1.0 if rival.total is None else rival.total, reverse=True)
    return Choice(
        example_id=row["example_id"], dataset=row["dataset"], reason=row["reason"], prompt=_texts(prompt),
        answerable=prompt.get("answerable", True), chosen=chosen, rivals=rivals,
        reference=_rival(own, totals) if own else None,
    )  # fmt: skip


def _rival(entry: Mapping[str, Any], totals: _Totals) -> Rival:
    """One candidate as it is shown."""
    identity = entry["candidate_id"]
    return Rival(
        text=_cut(entry["text"]), labels=[], scores=totals.parts.get(identity, {}), total=totals.of(identity),
        finish_reason=entry["finish_reason"], declined=identity in totals.declined,
    )  # fmt: skip


def _scores(verdicts: pa.Table | None) -> dict[str, dict[str, float]]:
    """Candidate id → aspect → mean score over the judges that scored it."""
    parts: dict[str, dict[str, float]] = defaultdict(dict)
    if verdicts is not None:
        scored = verdicts.filter(pc.field("status") == str(Status.SCORED))
        for row in scored.group_by(["candidate_id", "aspect"]).aggregate([("score", "mean")]).to_pylist():
            if row["score_mean"] is not None:
                parts[row["candidate_id"]][row["aspect"]] = row["score_mean"]
    return dict(parts)


def _declined(verdicts: pa.Table | None) -> frozenset[str]:
    """Ids of the candidates on which a judge's word is that they decline."""
    if verdicts is None:
        return frozenset()
    return frozenset(verdicts.filter(pc.field("status") == str(Status.DECLINED)).column("candidate_id").to_pylist())


def _spreads(candidates: pa.Table, totals: _Totals) -> dict[str, float]:
    """Example id → difference of its best and worst scored candidate."""
    scores: dict[str, list[float]] = defaultdict(list)
    columns = (candidates.column(name).to_pylist() for name in ("candidate_id", "example_id", "procedure"))
    for candidate, example, procedure in zip(*columns, strict=True):
        total = totals.of(candidate) if procedure != _REFERENCE else None
        if total is not None:
            scores[example].append(total)
    return {example: max(entries) - min(entries) for example, entries in scores.items()}


def _prompts(path: Path, wanted: tuple[str, str, Any]) -> dict[str, dict[str, Any]]:
    """Example id → the fields of the example, which the round kept as JSON."""
    table = _read(path, ["example_id", "example"], wanted)
    return {row["example_id"]: json.loads(row["example"]) for row in (table.to_pylist() if table is not None else ())}


def _texts(prompt: Mapping[str, Any]) -> list[str]:
    """The parts of a prompt."""
    parts = [prompt.get(field) for field in _PROMPT_FIELDS]
    flat = [text for part in parts for text in (part if isinstance(part, list) else [part])]
    return [_cut(text) for text in flat if text]


def _read(path: Path, columns: list[str], wanted: tuple[str, str, Any] | None = None) -> pa.Table | None:
    """Columns of a table; None when it is missing, unreadable or lacks one of them."""
    try:
        table = pq.read_table(path, columns=columns, filters=[wanted] if wanted else None)
    except (OSError, pa.ArrowException):
        return None
    return table if set(columns) <= set(table.column_names) else None


def _cut(text: str) -> str:
    """The text, shortened when it would drown the page."""
    return text if len(text) <= _TEXT_LIMIT else f"{text[:_TEXT_LIMIT].rstrip()} … [{len(text):,} characters]"
