"""The ledger's tables: their columns, and records to rows and back (documented in ``docs/artifacts.md``)."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from reset_pl.data.curated import example_to_json
from reset_pl.records import Aspect, Candidate, Decoding, Example, Selection, Status, Verdict

SCHEMAS: dict[str, pa.Schema] = {
    "prompts": pa.schema({"example_id": pa.string(), "dataset": pa.string(), "example": pa.string()}),
    "candidates": pa.schema(
        {
            "candidate_id": pa.string(),
            "example_id": pa.string(),
            "dataset": pa.string(),
            "round": pa.int64(),
            "procedure": pa.string(),
            "decoding": pa.string(),
            "temperature": pa.float64(),
            "top_k": pa.int64(),
            "top_p": pa.float64(),
            "max_new_tokens": pa.int64(),
            "seed": pa.int64(),
            "text": pa.string(),
            "token_ids": pa.list_(pa.int32()),
            "token_count": pa.int64(),
            "finish_reason": pa.string(),
        }
    ),
    "verdicts": pa.schema(
        {
            "candidate_id": pa.string(),
            "judge": pa.string(),
            "version": pa.string(),
            "aspect": pa.string(),
            "status": pa.string(),
            "score": pa.float64(),
            "raw": pa.float64(),
            "detail": pa.string(),
            "cost": pa.float64(),
            "model": pa.string(),
        }
    ),
    "selected": pa.schema(
        {
            "example_id": pa.string(),
            "candidate_id": pa.string(),
            "dataset": pa.string(),
            "text": pa.string(),
            "score": pa.float64(),
            "task": pa.float64(),
            "instruction": pa.float64(),
            "faithfulness": pa.float64(),
            "reason": pa.string(),
            "rank": pa.int64(),
            "rejected_id": pa.string(),
            "rejected": pa.string(),
            "rejected_score": pa.float64(),
        }
    ),
}


def prompt_row(example: Example) -> dict[str, Any]:
    """A row of ``prompts``."""
    return {"example_id": example.id, "dataset": example.dataset, "example": example_to_json(example)}


def candidate_row(candidate: Candidate, dataset: str) -> dict[str, Any]:
    """A row of ``candidates``."""
    return {
        "candidate_id": candidate.id,
        "example_id": candidate.example_id,
        "dataset": dataset,
        "round": candidate.round,
        "procedure": candidate.procedure,
        "decoding": candidate.decoding.label,
        "temperature": candidate.decoding.temperature,
        "top_k": candidate.decoding.top_k,
        "top_p": candidate.decoding.top_p,
        "max_new_tokens": candidate.decoding.max_new_tokens,
        "seed": candidate.seed,
        "text": candidate.text,
        "token_ids": list(candidate.token_ids),
        "token_count": len(candidate.token_ids),
        "finish_reason": candidate.finish_reason,
    }


def candidate_from_row(row: dict[str, Any]) -> Candidate:
    """The candidate that ``candidate_row`` wrote."""
    return Candidate(
        id=row["candidate_id"],
        example_id=row["example_id"],
        round=row["round"],
        procedure=row["procedure"],
        decoding=Decoding(
            temperature=row["temperature"],
            top_k=row["top_k"],
            top_p=row["top_p"],
            max_new_tokens=row["max_new_tokens"],
            label=row["decoding"],
        ),
        text=row["text"],
        token_ids=tuple(row["token_ids"]),
        finish_reason=row["finish_reason"],
        seed=row["seed"],
    )


def verdict_row(verdict: Verdict) -> dict[str, Any]:
    """A row of ``verdicts``."""
    return {name: getattr(verdict, name) for name in SCHEMAS["verdicts"].names}


def verdict_from_row(row: dict[str, Any]) -> Verdict:
    """The verdict that ``verdict_row`` wrote."""
    return Verdict(**{**row, "aspect": Aspect(row["aspect"]), "status": Status(row["status"])})


def selected_row(selection: Selection, dataset: str) -> dict[str, Any]:
    """A row of ``selected``, for a chosen answer."""
    return {
        "example_id": selection.example_id,
        "candidate_id": selection.candidate_id,
        "dataset": dataset,
        "text": selection.text,
        "score": selection.score,
        "task": selection.parts.get(Aspect.TASK),
        "instruction": selection.parts.get(Aspect.INSTRUCTION),
        "faithfulness": selection.parts.get(Aspect.FAITHFULNESS),
        "reason": selection.reason,
        "rank": selection.rank,
        "rejected_id": selection.rejected_id,
        "rejected": selection.rejected_text,
        "rejected_score": selection.rejected_score,
    }
