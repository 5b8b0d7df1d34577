"""A run whose candidates are of every kind that the report's browser shows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reset_pl.data.curated import example_from_json, example_to_json
from reset_pl.judging.evidence import format_supports
from reset_pl.metrics.summac import Support
from tests.synthetic_run import HOSTILE

HIDDEN = "\x1b[31mred\x1b[0m \u202eevil\u202c zero\u200bwidth \x00\x7f"
LONG = "word " * 200_000


def rewrite(path: Path, edit: dict[str, dict[str, Any]], key: str) -> None:
    """Change the fields of some rows."""
    table = pq.read_table(path)
    rows = [{**row, **edit.get(row[key], {})} for row in table.to_pylist()]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)


def make_interesting(run: Path) -> None:
    """Evidence, hidden characters, a very long text, a tie, a prompt left out, an answer below the reference."""
    folder = run / "rounds" / "round-000"
    fact = "The observatory was founded by Ilda Renn."
    supports = [
        Support(premise=1, entailment=0.97, refuter=None, contradiction=0.0),
        Support(premise=0, entailment=0.3, refuter=1, contradiction=0.8),
    ]
    table = pq.read_table(folder / "prompts.parquet").to_pylist()
    examples = {row["example_id"]: example_from_json(row["example"]) for row in table}
    examples["mini_nq/0001"] = replace(examples["mini_nq/0001"], passages=(fact, HOSTILE))
    rewrite(
        folder / "prompts.parquet",
        {key: {"example": example_to_json(it)} for key, it in examples.items()},
        "example_id",
    )
    best = {row["example_id"]: row["candidate_id"] for row in pq.read_table(folder / "selected.parquet").to_pylist()}
    texts = {
        best["mini_nq/0001"]: f"{fact} It never had a telescope.",
        best["mini_nq/0002"]: HIDDEN,
        best["mini_nq/0003"]: LONG,
        best["mini_nq/0004"]: "",
    }
    rewrite(folder / "candidates.parquet", {key: {"text": text} for key, text in texts.items()}, "candidate_id")
    verdicts = pq.read_table(folder / "verdicts.parquet")
    rows = verdicts.to_pylist()
    for row in rows:
        if row["judge"] == "summac" and row["candidate_id"] == best["mini_nq/0001"]:
            row["detail"] = format_supports(supports, "sentence", "sentence")
        if row["judge"] == "summac" and row["candidate_id"].startswith("0/mini_nq/0004/reference"):
            row["score"] = 1.0
            rows.append({**row, "judge": "rouge", "aspect": "task"})
        if row["judge"] == "summac" and row["candidate_id"] == "0/mini_marco/0001/temperature/1":
            row["detail"] = "p1 31-35"
        if row["judge"] == "summac" and row["candidate_id"].startswith("0/mini_nq/0005/temperature/0"):
            row |= {"status": "failed", "score": None, "detail": "no reply </script><script>document.title='pwned'"}
    rows += [
        {**row, "judge": "second", "score": 1 - row["score"]}
        for row in rows
        if row["judge"] == "summac" and row["candidate_id"].startswith("0/mini_cnn/0003/") and row["score"]
    ]
    pq.write_table(pa.Table.from_pylist(rows, verdicts.schema), folder / "verdicts.parquet")
    selected = pq.read_table(folder / "selected.parquet")
    kept = [row for row in selected.to_pylist() if row["example_id"] != "mini_cnn/0001"]
    for row in kept:
        row["reason"] = "tie" if row["example_id"] == "mini_cnn/0002" else row["reason"]
    pq.write_table(pa.Table.from_pylist(kept, selected.schema), folder / "selected.parquet")
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["judges"].append({"name": "second", "aspect": "faithfulness", "held_out": True})
    (folder / "manifest.json").write_text(json.dumps(manifest))
