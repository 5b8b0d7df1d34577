"""Disk and directories."""

from __future__ import annotations

from pathlib import Path

import pytest

from reset_pl.doctor import storage
from reset_pl.doctor.storage import check_directories, check_disk, check_export_room, check_shared_memory
from reset_pl.planning.disk import Disk, free_bytes


def test_a_run_larger_than_the_disk(tmp_path: Path) -> None:
    free = free_bytes(tmp_path)
    for checkpoints, level in ((10**6, "ok"), (2 * free, "red")):
        (finding,) = check_disk(tmp_path / "run", Disk(checkpoints=checkpoints, exports=0, ledgers=0))
        assert finding.level == level
    assert "--trainer.default_root_dir" in finding.fix
    assert list(tmp_path.iterdir()) == []


def test_a_directory_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    good, bad = check_directories({"a": tmp_path / "new" / "run", "b": tmp_path / "file" / "run"})
    assert (good.level, bad.level) == ("ok", "red")
    assert bad.fix == "give b another one"
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_no_room_for_the_weights(tmp_path: Path) -> None:
    assert list(check_export_room(tmp_path, 10**6)) == []
    (finding,) = check_export_room(tmp_path, 2 * free_bytes(tmp_path))
    assert finding.level == "red"


def test_a_containers_shared_memory(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(storage, "SHARED_MEMORY", tmp_path)
    monkeypatch.setattr(storage, "_ENOUGH_SHARED_MEMORY", 10**18)
    (finding,) = check_shared_memory(2, 0)
    assert (finding.level, "--shm-size" in finding.fix) == ("warning", True)
    assert list(check_shared_memory(1, 0)) == []
    monkeypatch.setattr(storage, "_ENOUGH_SHARED_MEMORY", 1)
    assert list(check_shared_memory(2, 2)) == []
