"""The ledger: whole parts or none, and what a full disk leaves behind."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from reset_pl.errors import InputError
from reset_pl.records import Aspect, Candidate, Decoding, Selection, Status, Verdict
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.tables import (
    candidate_from_row,
    candidate_row,
    prompt_row,
    selected_row,
    verdict_from_row,
    verdict_row,
)
from tests.conftest import make_example

ROW = prompt_row(make_example(1))


def test_part_round_trip(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "round-000")
    assert ledger.read_part("prompts", "qa-0000") is None
    ledger.write_part([ROW], "prompts", "qa-0000")
    assert ledger.read_part("prompts", "qa-0000") == [ROW]
    assert [path.name for path in ledger.parts.iterdir()] == ["prompts-qa-0000.parquet"]


def test_records_round_trip() -> None:
    candidate = Candidate(
        id="0/qa/1/top_k/3",
        example_id="qa/1",
        round=0,
        procedure="top_k",
        decoding=Decoding(temperature=1.0, top_k=20, top_p=0.9, max_new_tokens=7, label="top_k=20"),
        text="naïve\n“text”",
        token_ids=(3, 4),
        finish_reason="stop",
        seed=2**62 + 1,
    )
    assert candidate_from_row(candidate_row(candidate, "qa")) == candidate
    verdict = Verdict(
        candidate_id="c", judge="j", version="1", aspect=Aspect.TASK, status=Status.FAILED, detail="boom", cost=0.5
    )
    assert verdict_from_row(verdict_row(verdict)) == verdict
    selection = Selection(
        example_id="qa/1", candidate_id="c", score=1.5, text="w1", parts={"task": 0.5, "faithfulness": 0.5}
    )
    assert selected_row(selection, "qa")["instruction"] is None
    assert selected_row(selection, "qa")["faithfulness"] == 0.5


def test_manifest_and_completeness(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "round-000")
    assert ledger.read_manifest() is None
    assert not ledger.complete
    ledger.write_manifest({"status": "running"})
    assert not ledger.complete
    ledger.write_manifest({"status": "complete"})
    assert ledger.complete


def test_failed_write_leaves_no_file_and_earlier_parts_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = Ledger(tmp_path / "round-000")
    ledger.write_part([ROW], "prompts", "qa-0000")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(InputError, match=r"No space left on device.*free some space"):
            ledger.write_part([ROW], "prompts", "qa-0001")
    assert [path.name for path in ledger.parts.iterdir()] == ["prompts-qa-0000.parquet"]
    assert ledger.read_part("prompts", "qa-0000") == [ROW]
    ledger.write_part([ROW], "prompts", "qa-0001")
    assert ledger.read_part("prompts", "qa-0001") == [ROW]


@pytest.fixture
def small_disk(tmp_path: Path) -> Any:
    """A real file system of 256 KiB."""
    mount = tmp_path / "disk"
    mount.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(mount)]
    if os.geteuid() != 0 or not shutil.which("mount") or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("mounting a small file system needs root and the right to mount")
    yield mount
    subprocess.run(["umount", "-l", str(mount)], check=True)


def test_full_disk_for_real(small_disk: Path) -> None:
    ledger = Ledger(small_disk / "round-000")
    row = {**ROW, "example": os.urandom(60_000).hex()}
    written = 0

    def fill() -> None:
        nonlocal written
        for chunk in range(20):
            ledger.write_part([row], "prompts", f"qa-{chunk:04d}")
            written += 1

    with pytest.raises(InputError, match="cannot write"):
        fill()
    assert written >= 1
    assert all(ledger.read_part("prompts", f"qa-{chunk:04d}") == [row] for chunk in range(written))
    assert ledger.read_part("prompts", f"qa-{written:04d}") is None
