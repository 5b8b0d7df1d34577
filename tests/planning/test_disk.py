"""The disk estimate; against a real run: tests/test_dry_run.py."""

from __future__ import annotations

from pathlib import Path

from reset_pl.planning.disk import free_bytes, run_disk
from reset_pl.planning.model_size import ModelSize


def of(parameters: int, trained: int) -> ModelSize:
    return ModelSize(parameters=parameters, trained=trained, layers=1, width=1, vocabulary=1, cache_width=1)


def test_a_sharded_checkpoint_holds_fourteen_bytes_a_parameter() -> None:
    """bf16 weights, their float32 copy and two moments."""
    disk = run_disk(of(1000, 1000), dtype="bfloat16", zero_stage=3, checkpoints=4, exports=2, candidate_tokens=0)
    assert (disk.checkpoints, disk.exports, disk.ledgers) == (4 * 14_000, 2 * 2000, 0)


def test_a_checkpoint_of_adapters_leaves_the_model_out() -> None:
    disk = run_disk(of(10_000, 10), dtype="bfloat16", zero_stage=0, checkpoints=3, exports=0, candidate_tokens=1)
    assert disk.checkpoints == 3 * 10 * 12
    assert disk.total == disk.checkpoints + disk.ledgers


def test_free_space_of_a_folder_to_be(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "a" / "b") == free_bytes(tmp_path) > 0
