"""What a run is still at, by its files."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from reset_pl.evaluation.results import read_run
from reset_pl.report.report import write_report
from reset_pl.report.unfinished import unfinished
from reset_pl.training_record import TrainingStep, append_steps
from tests.synthetic_run import write_round, write_stage

CONFIG = "trainer:\n  callbacks:\n  - class_path: callbacks.ResetRounds\n    init_args:\n      rounds: {}\n"


def configured(run_dir: Path, rounds: int) -> None:
    (run_dir / "config.yaml").write_text(CONFIG.format(rounds))


def drawn(run_dir: Path, number: int, tune: float | None) -> None:
    """A round that has ended, and was tuned on for so many seconds."""
    path = write_round(run_dir, number, parquet=False) / "manifest.json"
    manifest: dict[str, Any] = json.loads(path.read_text())
    manifest["seconds"]["tune"] = tune
    path.write_text(json.dumps(manifest))


def said(run_dir: Path) -> str:
    return (unfinished(read_run(run_dir)) or "").partition(";")[0]


def test_from_the_first_stage_to_the_end(tmp_path: Path) -> None:
    configured(tmp_path, 2)
    write_stage(tmp_path, "mtl")
    assert unfinished(read_run(tmp_path)) is None  # ``test`` evaluates here what was tuned elsewhere
    append_steps(tmp_path, [TrainingStep(step=1, stage="mtl", loss=1.0, lr=1.0)])
    assert said(tmp_path) == "none of its 2 rounds has begun"
    write_round(tmp_path, 0, status="running", parquet=False)
    assert said(tmp_path) == "round 0 is being drawn and judged"
    drawn(tmp_path, 0, None)
    assert said(tmp_path) == "the model is being tuned on what round 0 kept"
    drawn(tmp_path, 0, 3.5)
    assert said(tmp_path) == "the model of round 0 is being evaluated"
    write_stage(tmp_path, "round-000")
    assert said(tmp_path) == "1 of its 2 rounds is done"
    drawn(tmp_path, 1, None)
    write_stage(tmp_path, "round-001")
    assert unfinished(read_run(tmp_path)) is None


def test_a_run_that_evaluates_nothing_ends_with_its_last_tuning(tmp_path: Path) -> None:
    configured(tmp_path, 1)
    drawn(tmp_path, 0, None)
    assert said(tmp_path) == "the model is being tuned on what round 0 kept"
    drawn(tmp_path, 0, 3.5)
    assert unfinished(read_run(tmp_path)) is None


@pytest.mark.parametrize("config", ["{}", "trainer: {callbacks: null}", "a: [", CONFIG.format("many"), ""])
def test_settings_that_do_not_tell_are_no_rounds_to_come(run_dir: Path, config: str) -> None:
    (run_dir / "config.yaml").write_text(config)
    assert unfinished(read_run(run_dir)) is None


def test_the_head_of_the_page_says_it_with_the_time_of_the_newest_artifact(run_dir: Path) -> None:
    configured(run_dir, 3)
    for path in run_dir.rglob("*"):
        os.utime(path, (1_700_000_000, 1_700_000_000))
    part = run_dir / "rounds" / "round-002" / "parts" / "candidates-a.parquet"
    write_round(run_dir, 2, status="running", parquet=False)
    part.parent.mkdir()
    part.touch()
    os.utime(run_dir / "rounds" / "round-002" / "manifest.json", (1_700_000_000, 1_700_000_000))
    os.utime(part, (1_700_003_600, 1_700_003_600))
    head = write_report(run_dir).read_text().partition("</header>")[0]
    assert (
        "This run is not at its end: round 2 is being drawn and judged; this page shows the run as of 2023-11-14 23:13 "
        "UTC." in head
    )
    configured(run_dir, 2)
    drawn(run_dir, 2, 1.0)
    write_stage(run_dir, "round-001")
    (run_dir / "rounds" / "round-002" / "manifest.json").unlink()
    assert "not at its end" not in write_report(run_dir).read_text()
