"""What ``--ckpt_path`` names."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from reset_pl.checkpoints import seal
from reset_pl.errors import InputError
from reset_pl.evaluation.stage_names import stage_order
from reset_pl.evaluation.targets import Target, check_vocabulary, find_targets


def make_checkpoint(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({}, path)
    return path


def make_model(path: Path) -> Path:
    path.mkdir(parents=True)
    (path / "config.json").write_text("{}")
    return path


def names(*given: Path | str) -> list[str]:
    return [target.name for target in find_targets([str(path) for path in given])]


def test_nothing_is_the_configured_model() -> None:
    assert find_targets([]) == [Target(name="start", path=None)]


def test_a_run_is_its_checkpoints_by_their_steps(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "checkpoints"
    for name in ("mtl-000100", "round-000-000120", "mtl-000020-best-1.500000", "mtl-000099"):
        make_checkpoint(folder / f"{name}.ckpt")
    make_checkpoint(folder / ".mtl-000200.ckpt.tmp")  # being written
    found = ["mtl-000020-best-1.500000", "mtl-000099", "mtl-000100", "round-000-000120"]
    assert names(tmp_path / "run") == names(folder) == found
    assert sorted(found, key=stage_order) == found
    assert all(target.is_checkpoint for target in find_targets([str(folder)]))


def test_a_sharded_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "mtl-000020.ckpt"
    shard = make_checkpoint(path / "checkpoint" / "mp_rank_00_model_states.pt")
    seal(path, shards=[str(shard.relative_to(path))], world_size=1, zero_stage=2)
    assert names(path) == ["mtl-000020"]
    shard.unlink()
    with pytest.raises(InputError, match="expected a whole checkpoint of fit at .*mtl-000020.ckpt"):
        names(path)


def test_folders_of_models_and_hub_ids(tmp_path: Path) -> None:
    for name in ("round-001", "mtl", "round-000"):
        make_model(tmp_path / "policy" / name)
    make_model(tmp_path / "policy" / ".mtl.unproved")
    assert names(tmp_path / "policy") == ["mtl", "round-000", "round-001"]
    assert names(tmp_path / "policy" / "mtl") == ["mtl"]
    assert names("meta-llama/Llama-3.2-1B", "gpt2") == ["Llama-3.2-1B", "gpt2"]
    assert not find_targets(["gpt2"])[0].is_checkpoint


def test_the_name_of_a_folder_given_from_within(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(make_model(tmp_path / "mine"))
    assert names(".") == [os.path.basename(tmp_path / "mine")]


def test_one_path_given_twice_is_one_target_and_two_of_a_name_are_refused(tmp_path: Path) -> None:
    first, second = (make_checkpoint(tmp_path / run / "checkpoints" / "mtl-000001.ckpt") for run in ("a", "b"))
    assert names(first, first.parent) == ["mtl-000001"]
    with pytest.raises(InputError, match="would both be evaluation/mtl-000001.json"):
        names(first, second)


@pytest.mark.parametrize("given", ["./absent", "a/b/c", "absent.ckpt", "-x"])
def test_what_is_neither_there_nor_a_hub_id(given: str) -> None:
    with pytest.raises(InputError, match="there is none"):
        names(given)


def test_vocabularies() -> None:
    check_vocabulary("path", {"a": 0}, {"a": 0})
    with pytest.raises(InputError, match="1 of 1 tokens differ, 'b' among them"):
        check_vocabulary("path", {"a": 0, "b": 1}, {"a": 0})
