"""Which test answers changed, and that losses stand beside gains."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reset_pl.evaluation.results import Stage
from reset_pl.report.changed import changed_sets

CHANGES = {0: 0.5, 1: 0.9, 2: -0.2, 3: 0.0, 4: -0.6, 5: -0.1, 6: 0.004, 7: 0.9}


def stage(name: str) -> Stage:
    sets = {
        "qa": {"group": "extractive_qa", "seen": False, "n": 9},
        "chat": {"group": "instruction", "seen": True, "n": 1},
    }
    macro = {"faithfulness_oracle": {"mean": 0.5, "low": 0.4, "high": 0.6}}
    return Stage.from_json({"stage": name, "datasets": sets, "macro": macro})


def write(run: Path, name: str, rows: list[dict[str, Any]]) -> None:
    (run / "evaluation").mkdir(exist_ok=True)
    pq.write_table(pa.Table.from_pylist(rows), run / "evaluation" / f"{name}.parquet")


def row(number: int, score: float | None, text: str, **changes: Any) -> dict[str, Any]:
    fields = {"example_id": f"qa/{number}", "dataset": "qa", "text": text, "faithfulness": score, "instruction": None}
    return {**fields, "faithfulness_oracle": 1.0, "task": 0.25, **changes}


def both(run: Path) -> None:
    own = {"example_id": "chat/0", "dataset": "chat", "faithfulness": None, "instruction": 0.5}
    before = [row(n, 0.1 if change > 0 else 0.9, f"old {n}") for n, change in CHANGES.items()]
    after = [row(n, (0.1 if d > 0 else 0.9) + d, f"new {n}" + "." * (n == 1)) for n, d in CHANGES.items()]
    write(run, "mtl", [*before, row(8, None, "declined"), row(0, 0.5, "hi", **own)])
    write(run, "round-000", [*after, row(8, 1.0, "now"), row(0, 0.5, "ho", **own)])


def test_gains_and_losses_of_every_set(tmp_path: Path) -> None:
    both(tmp_path)
    chat, qa = changed_sets(tmp_path, stage("mtl"), stage("round-000"))
    assert (chat.name, chat.aspect, chat.rose, chat.fell, chat.same) == ("chat", "instruction", 0, 0, 1)
    assert (qa.rose, qa.fell, qa.same, qa.unpaired) == (3, 3, 2, 1)
    assert [one.example_id for one in qa.gains] == ["qa/7", "qa/1"]  # equal gains: the shorter answers first
    assert [one.example_id for one in qa.losses] == ["qa/4", "qa/2"]
    assert (qa.gains[0].before, qa.gains[0].after) == ("old 7", "new 7")
    assert [(name, old) for name, old, _ in qa.losses[0].scores] == [
        ("faithfulness", 0.9),
        ("faithfulness_oracle", 1.0),
        ("task", 0.25),
    ]


def test_texts_are_cut_and_made_visible(tmp_path: Path) -> None:
    write(tmp_path, "mtl", [row(0, 0.0, "‮" + "x" * 2_000_000)])
    write(tmp_path, "round-000", [row(0, 1.0, "\x1b[2J")])
    (qa,) = changed_sets(tmp_path, stage("mtl"), stage("round-000"))
    assert qa.gains[0].after == r"\x1b[2J"
    assert qa.gains[0].before.startswith(r"\u202exxx")
    assert qa.gains[0].before.endswith("… [2,000,001 characters]")
    assert len(qa.gains[0].before) < 800


def test_without_the_rows_of_both_stages_nothing_is_compared(tmp_path: Path) -> None:
    both(tmp_path)
    assert changed_sets(tmp_path, None, stage("round-000")) == []
    assert changed_sets(tmp_path, stage("start"), stage("round-000")) == []
    (tmp_path / "evaluation" / "mtl.parquet").write_bytes(b"PAR1 cut")
    assert changed_sets(tmp_path, stage("mtl"), stage("round-000")) == []
    write(tmp_path, "mtl", [{"example_id": "qa/0", "dataset": "qa", "faithfulness": 0.5}])  # no texts
    assert changed_sets(tmp_path, stage("mtl"), stage("round-000")) == []
