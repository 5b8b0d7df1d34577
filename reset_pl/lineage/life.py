"""A run directory and an id → the life of an example, as far as the files tell it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from reset_pl.errors import InputError
from reset_pl.evaluation.results import Round, Run, read_run
from reset_pl.lineage.identity import example_of
from reset_pl.lineage.origin import Prompt, Source, prompt_of, source_of
from reset_pl.lineage.tables import rows_of
from reset_pl.records import Candidate, Example, Verdict
from reset_pl.rounds.selection import REFERENCE, Weights, mean_parts, score_candidates
from reset_pl.rounds.tables import candidate_from_row, verdict_from_row
from reset_pl.run_directory import settings_of_rounds
from reset_pl.training_record import read_steps, read_trained

__all__ = ["Life", "Rival", "RoundLife", "Training", "life_of"]


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One candidate, or the reference, with what the judges said of it."""

    candidate: Candidate
    """How it was drawn, and its text."""
    parts: dict[str, float]
    """Aspect → mean score over the judges that select."""
    score: float | None
    """Weighted sum of the parts; none where nothing was scored."""
    out: str
    """Why it could not be chosen (a reason of ``score_candidates``); empty where it could."""
    rank: int | None
    """Place among the chosen answers, 0 the best; none where it was not chosen."""
    verdicts: tuple[Verdict, ...]
    """All of them, those of held-out judges too."""


@dataclass(frozen=True, kw_only=True)
class RoundLife:
    """What became of the example in one round."""

    number: int
    """The round."""
    status: str
    """``complete`` or ``running``."""
    policy: str | None
    """Fingerprint of the weights that sampled."""
    policy_stage: str | None
    """The stage whose weights these are, where it was evaluated."""
    seed: int | None
    """The run's seed, from which every candidate's follows."""
    weights: Weights
    """Of the selection."""
    held_out: frozenset[str]
    """Judges whose verdicts did not select."""
    candidates: list[Rival]
    """Chosen first, then by score."""
    reference: Rival | None
    """The example's own response, where it was judged too."""
    reasons: list[str]
    """Reason of each chosen answer, best first; empty where none was chosen."""
    rejected: frozenset[str]
    """Ids of the candidates that a chosen one is preferred to, where the selector makes pairs."""
    rolled_back: bool
    """Whether the weights of the stage that tuned on the round were given up (``callbacks.RoundGate``)."""

    @property
    def chosen(self) -> list[Rival]:
        """The chosen answers, best first."""
        return [rival for rival in self.candidates if rival.rank is not None]


@dataclass(frozen=True, kw_only=True)
class Training:
    """An optimizer step that the example was in."""

    stage: str
    """The stage."""
    step: int
    """The step of the run."""
    round: int
    """The round whose answer it was trained on."""
    rank: int
    """Place of that answer among the chosen ones."""
    loss: float | None
    """Of the step; none where it was not recorded."""
    lr: float | None
    """Of the step."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """Everything."""

    run: Path
    """The run's directory."""
    asked: str
    """The id that was asked for."""
    example: Example
    """The prompt."""
    source: Source | None
    """Where the example came from; none where ``config.yaml`` does not tell."""
    prompt: Prompt
    """What the model read."""
    rounds: list[RoundLife]
    """Those that drew it, in order."""
    selector: Mapping[str, Any]
    """Class and settings of the selector; empty where ``config.yaml`` does not tell."""
    training: list[Training]
    """Every step that it was in."""
    notes: list[str] = field(default_factory=list)
    """What is missing, in words."""


def life_of(run_dir: Path, identity: str) -> Life:
    """Collect all that a run tells of an example.

    Args:
        run_dir: The run's directory.
        identity: Id of an example, of a candidate, or of a curated answer (``<example id>#<rank>``).

    Raises:
        InputError: The folder is not a run's, or no round of it has such an id; the nearest are named.
    """
    run = read_run(run_dir)
    if not run.rounds:
        broken = [note for note in run.notes if "manifest.json" in note]
        why = "; ".join(broken) or "no example was curated there"
        raise InputError(f"expected a run with RESET rounds, but {run_dir} has none: {why}")
    notes = list(run.notes)
    example = example_of(run, identity)
    config = _config(run, notes)
    selector = settings_of_rounds(config).get("selector") or {}
    keep_truncated = bool((selector.get("init_args") or {}).get("keep_truncated"))
    rounds = [
        life for entry in run.rounds if (life := _round_life(run, entry, example, keep_truncated, notes)) is not None
    ]
    limits = [rival.candidate.decoding.max_new_tokens or 0 for one in rounds for rival in one.candidates]
    return Life(
        run=run_dir,
        asked=identity,
        example=example,
        source=source_of(config, example.dataset),
        prompt=prompt_of(run_dir, config, example, reserve=max(limits, default=0)),
        rounds=rounds,
        selector=selector,
        training=_training(run, example.id, notes),
        notes=list(dict.fromkeys(notes)),
    )


# ---------------------------------------------------------------------- what the files say


def _config(run: Run, notes: list[str]) -> dict[str, Any]:
    try:
        content = yaml.safe_load(run.config or "")
    except yaml.YAMLError:
        content = None
    if not isinstance(content, dict):
        notes.append("config.yaml is missing or cannot be read: source, prompt template and selector are not known")
        return {}
    return content


def _round_life(run: Run, entry: Round, example: Example, keep_truncated: bool, notes: list[str]) -> RoundLife | None:
    """The round's part; none where it did not draw the example."""
    if not rows_of(entry.path, "prompts", "example_id", [example.id], notes):
        return None
    drawn = [
        _candidate(row, entry.number) for row in rows_of(entry.path, "candidates", "example_id", [example.id], notes)
    ]
    rows = rows_of(entry.path, "verdicts", "candidate_id", [one.id for one in drawn], notes) if drawn else []
    verdicts: dict[str, list[Verdict]] = {one.id: [] for one in drawn}
    for row in rows:
        verdict = verdict_from_row(
            row | {"detail": row["detail"] or "", "cost": row["cost"] or 0.0, "model": row["model"] or ""}
        )
        verdicts[verdict.candidate_id].append(verdict)
    selected = rows_of(entry.path, "selected", "example_id", [example.id], notes) if entry.is_complete else []
    ranks = {row["candidate_id"]: row["rank"] or 0 for row in selected if row["candidate_id"] is not None}
    weights = Weights(**{aspect: weight for aspect, weight in entry.numbers("weights").items() if weight is not None})

    def rival(one: Candidate) -> Rival:
        own = [verdict for verdict in verdicts[one.id] if verdict.judge not in entry.held_out]
        parts = mean_parts(own)
        _, out = score_candidates(example, [one], {one.id: own}, weights, keep_truncated=keep_truncated)
        return Rival(
            candidate=one,
            parts=parts,
            score=weights.score(parts) if parts else None,
            out="" if one.id in ranks else out,
            rank=ranks.get(one.id),
            verdicts=tuple(verdicts[one.id]),
        )

    rivals = [rival(one) for one in drawn]
    return RoundLife(
        number=entry.number,
        status=str(entry.manifest.get("status", "running")),
        policy=entry.manifest.get("policy"),
        policy_stage=next((stage.name for stage in run.stages if stage.policy == entry.manifest.get("policy")), None),
        seed=entry.manifest.get("seed"),
        weights=weights,
        held_out=entry.held_out,
        candidates=sorted((one for one in rivals if one.candidate.procedure != REFERENCE), key=_order),
        reference=next((one for one in rivals if one.candidate.procedure == REFERENCE), None),
        reasons=[row["reason"] or "" for row in sorted(selected, key=lambda row: row["rank"] or 0)],
        rejected=frozenset(row["rejected_id"] for row in selected if row["rejected_id"]),
        rolled_back=bool((entry.manifest.get("gate") or {}).get("rolled_back")),
    )


def _order(rival: Rival) -> tuple[bool, int, bool, float]:
    return rival.rank is None, rival.rank or 0, rival.score is None, -(rival.score or 0.0)


def _candidate(row: dict[str, Any], number: int) -> Candidate:
    """The candidate of a row, of older versions too."""
    old = {"round": number, "top_k": 0, "top_p": 1.0, "token_ids": ()}
    return candidate_from_row(row | {key: value for key, value in old.items() if row[key] is None})


def _training(run: Run, example_id: str, notes: list[str]) -> list[Training]:
    """The steps that the example was in, of this round's answers and of earlier rounds'."""
    steps = {one.step: one for one in read_steps(run.path)}
    if not steps:
        notes.append("training.jsonl is missing: the losses of the steps are not known")
    found: list[Training] = []
    for entry in run.rounds:
        trained = read_trained(entry.path)
        if trained is None and entry.is_complete:
            notes.append(
                f"{entry.path.name}: trained.parquet is missing (the stage has not ended, or an older version ran it), "
                "so the steps that tuned on it are not known"
            )
        for row in trained or ():
            base, _, rank = row.example_id.rpartition("#")
            if example_id in (row.example_id, base):
                step = steps.get(row.step)
                found.append(
                    Training(
                        stage=entry.path.name,
                        step=row.step,
                        round=row.round,
                        rank=0 if row.example_id == example_id else int(rank),
                        loss=step.loss if step else None,
                        lr=step.lr if step else None,
                    )
                )
    return found
