"""Where a restart goes on, whatever became of the checkpoints and by however many processes they were written."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from reset_pl.checkpoints import (
    best_checkpoint,
    checkpoint_name,
    checkpoints,
    clear,
    discard,
    newest_checkpoint,
    seal,
    stage_weights,
    unfinished,
)
from reset_pl.errors import InputError
from reset_pl.policy.restore import read_weights
from reset_pl.rounds.ledger import Ledger
from tests.test_restart import ROOT, write_config


def write_archive(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("weights", "w" * 100)


def write_directory(path: Path, *, world_size: int = 2) -> None:
    shards = [f"checkpoint/zero_pp_rank_{rank}_mp_rank_00_optim_states.pt" for rank in range(world_size)]
    for shard in shards:
        write_archive(path / shard)
    seal(path, shards=shards, world_size=world_size, zero_stage=3)


def test_newest_is_the_furthest_then_the_latest(tmp_path: Path) -> None:
    assert newest_checkpoint(tmp_path) is None
    names = ["mtl-000100.ckpt", "mtl-000120-best-1.250000.ckpt", "round-000-000120.ckpt", "mtl-000005.ckpt"]
    for age, name in enumerate([*names, "epoch=0-step=7.ckpt", "notes.ckpt", ".mtl-000900.ckpt.tmp"]):
        write_archive(tmp_path / name)
        os.utime(tmp_path / name, (age, age))
    assert newest_checkpoint(tmp_path) == tmp_path / "round-000-000120.ckpt"
    assert [one.step for one in checkpoints(tmp_path)] == [120, 120, 100, 7, 5]


def test_what_is_not_whole_is_passed_over_with_a_warning(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_archive(tmp_path / "mtl-000005.ckpt")
    write_directory(tmp_path / "mtl-000010.ckpt")
    write_directory(tmp_path / "mtl-000015.ckpt")
    write_archive(tmp_path / "mtl-000020.ckpt")
    assert newest_checkpoint(tmp_path) == tmp_path / "mtl-000020.ckpt"
    cut = (tmp_path / "mtl-000020.ckpt").read_bytes()[:-10]
    (tmp_path / "mtl-000020.ckpt").write_bytes(cut)
    (tmp_path / "mtl-000015.ckpt" / "checkpoint" / "zero_pp_rank_1_mp_rank_00_optim_states.pt").unlink()
    assert newest_checkpoint(tmp_path) == tmp_path / "mtl-000010.ckpt"
    said = capsys.readouterr().err
    assert "warning: mtl-000020.ckpt, mtl-000015.ckpt" in said
    assert "going back to mtl-000010.ckpt" in said
    (tmp_path / "mtl-000010.ckpt" / "complete.json").unlink()
    assert newest_checkpoint(tmp_path) == tmp_path / "mtl-000005.ckpt"
    discard(tmp_path / "mtl-000005.ckpt")
    with pytest.raises(InputError, match=r"a part is missing or cut short in all of them \(mtl-000020.ckpt, "):
        newest_checkpoint(tmp_path)


def test_best_of_a_stage_and_what_it_hands_on(tmp_path: Path) -> None:
    write_archive(tmp_path / checkpoint_name("mtl", 12))
    assert best_checkpoint(tmp_path, "mtl") is None
    assert stage_weights(tmp_path, "mtl") == tmp_path / "mtl-000012.ckpt"
    write_archive(tmp_path / checkpoint_name("mtl", 4, 2.5))
    write_archive(tmp_path / checkpoint_name("mtl", 8, 1.5))
    write_archive(tmp_path / checkpoint_name("round-000", 16, 0.5))
    assert stage_weights(tmp_path, "mtl") == tmp_path / "mtl-000008-best-1.500000.ckpt"
    assert stage_weights(tmp_path, "round-001") is None


def test_a_discarded_checkpoint_is_never_taken_for_a_whole_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mtl-000010.ckpt"
    write_directory(path)

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "rmtree", killed)
        with pytest.raises(KeyboardInterrupt):
            discard(path)
    assert newest_checkpoint(tmp_path) is None
    assert unfinished(path).exists()
    clear(tmp_path)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------------- whole commands


STRATEGIES: dict[str, dict[str, Any]] = {
    "plain": {"devices": 1},
    "ddp": {"devices": 2, "strategy": "ddp"},
    **{
        name: {
            "devices": devices,
            "strategy": {
                "class_path": "reset_pl.tuning.strategies.CpuDeepSpeedStrategy",
                "dict_kwargs": {"stage": stage},
            },
        }
        for name, devices, stage in (("zero2", 2, 2), ("zero3", 2, 3), ("zero3 alone", 1, 3))
    },
}
STEPS = 12


def config_of(folder: Path, model: Path, strategy: str, *, rows_of: Path | None = None) -> Path:
    """One stage whose validation loss rises after a few steps, and one round."""
    folder.mkdir(exist_ok=True)
    config = write_config(folder, model)
    settings = yaml.safe_load(config.read_text())
    rows = [
        {"id": str(n), "question": f"Which {n}?", "passages": [f"It is w{n}."], "response": "zq" * 9} for n in range(7)
    ]
    (folder / "validation.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (source,) = settings["data"]["train"]
    validation = {**source, "init_args": {**source["init_args"], "path": str(folder / "validation.jsonl")}}
    settings["data"]["validation"] = [validation]
    settings["trainer"].update(
        val_check_interval=2, check_val_every_n_epoch=None, num_sanity_val_steps=0, **STRATEGIES[strategy]
    )
    settings["model"]["init_args"].update(lr=3e-2, continued_lr=1e-2, warmup_ratio=0.0)
    checkpoint, evaluation, rounds = settings["trainer"]["callbacks"]
    checkpoint["init_args"] = {"every_n_steps": 5, "best": True}
    snapshots = {
        "class_path": "tests.snapshots.Snapshots",
        "init_args": {"folder": str(folder / "snapshots"), "step": STEPS - 1},
    }
    rounds["init_args"].update(rounds=1, prompts_per_dataset=12)
    settings["trainer"]["callbacks"] = [checkpoint, evaluation, "callbacks.ExportPolicy", snapshots, rounds]
    config.write_text(yaml.safe_dump(settings))
    return config


def finish(config: Path) -> str:
    """Run the command, its processes side by side as Slurm starts them; returns what they said."""
    devices = yaml.safe_load(config.read_text())["trainer"]["devices"]
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "MASTER_PORT": str(port)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "reset_pl", "fit", "--config", str(config)],
            cwd=ROOT,
            env={**environment, "LOCAL_RANK": str(rank)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(devices)
    ]
    try:
        said = [process.communicate(timeout=300)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0] * devices, "\n".join(said)[-3000:]
    return "\n".join(said)


def go_on(folder: Path, model: Path, strategy: str, snapshot: Path) -> str:
    """Start the command in a copy of a snapshot, so that it finishes that run; returns what was said."""
    config = config_of(folder, model, strategy)
    shutil.copytree(snapshot, folder / "run")
    (folder / "run" / "config.yaml").unlink()  # the folder's name is in the paths of its settings
    return finish(config)


def evaluations(run: Path) -> dict[str, Any]:
    """Scores of every stage, the fingerprint of its weights among them."""
    return {
        path.stem: {key: value for key, value in json.loads(path.read_text()).items() if key != "commit"}
        for path in sorted((run / "evaluation").glob("*.json"))
    }


def same_selections(a: Path, b: Path) -> bool:
    ledgers = [Ledger(run / "rounds" / "round-000") for run in (a, b)]
    tables = ("prompts", "candidates", "verdicts", "selected")
    return all(ledgers[0].read_table(table) == ledgers[1].read_table(table) for table in tables)


def exported(run: Path, stage: str) -> dict[str, torch.Tensor]:
    return load_file(run / "policy" / stage / "model.safetensors")


def far_apart(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max((a[name].float() - b[name].float()).abs().max().item() for name in a)


def weights_in(checkpoint: Path) -> dict[str, torch.Tensor]:
    weights = read_weights(checkpoint)
    return {name.removeprefix("policy."): value.contiguous() for name, value in weights.items()}


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> dict[str, Path]:
    """Undisturbed runs, with snapshots beside them."""
    folder = tmp_path_factory.mktemp("undisturbed")
    for strategy in ("plain", "zero3"):
        finish(config_of(folder / strategy, tiny_model, strategy))
    return {strategy: folder / strategy for strategy in ("plain", "zero3")}


@pytest.mark.integration
def test_best_weights_go_on_whatever_the_sharding(runs: dict[str, Path]) -> None:
    for folder in runs.values():
        found = [(one.stage, one.step, one.loss is not None) for one in checkpoints(folder / "run" / "checkpoints")]
        steps = {(stage, is_best): step for stage, step, is_best in found}
        assert len(found) == 3, "the first stage leaves its best and its end, the one behind the round its end"
        assert steps["mtl", True] < steps["mtl", False] == STEPS
        best = stage_weights(folder / "run" / "checkpoints", "mtl")
        assert best is not None
        assert far_apart(exported(folder / "run", "mtl"), weights_in(best)) == 0
        assert far_apart(exported(folder / "run", "mtl"), weights_in(best.with_name("mtl-000012.ckpt"))) > 1e-3
        before, after = json.loads((folder / "snapshots" / "start.json").read_text())
        assert before == after, "back to the weights of the start, as a round that is given up goes"
    plain, zero3 = (folder / "run" for folder in runs.values())
    assert [one.step for one in checkpoints(plain / "checkpoints")] == [
        one.step for one in checkpoints(zero3 / "checkpoints")
    ]
    # Had DeepSpeed's optimizer kept other float32 weights, the round's stage would have begun from those.
    for stage in ("mtl", "round-000"):
        assert far_apart(exported(plain, stage), exported(zero3, stage)) < 1e-3
    losses = [one.loss for run in (plain, zero3) for one in checkpoints(run / "checkpoints") if one.loss is not None]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)  # over 7 rows, an odd number, on one process and two


@pytest.mark.integration
def test_a_lost_shard_costs_steps_and_changes_nothing(runs: dict[str, Path], tiny_model: Path, tmp_path: Path) -> None:
    snapshot = tmp_path / "snapshot"
    shutil.copytree(runs["zero3"] / "snapshots" / "inside", snapshot)
    newest, best = checkpoints(snapshot / "checkpoints")
    assert best.loss is not None
    sorted(newest.path.glob("checkpoint/*_optim_states.pt"))[-1].unlink()
    said = go_on(tmp_path / "again", tiny_model, "zero3", snapshot)
    assert said.count(f"warning: {newest.path.name} lacks a part or is cut short: going back to {best.path.name}") == 1
    assert "fresh moments" not in said
    assert evaluations(tmp_path / "again" / "run") == evaluations(runs["zero3"] / "run")
    assert same_selections(tmp_path / "again" / "run", runs["zero3"] / "run")


@pytest.mark.integration
def test_a_round_is_pending_and_one_process_is_left(runs: dict[str, Path], tiny_model: Path, tmp_path: Path) -> None:
    said = go_on(tmp_path / "alone", tiny_model, "zero3 alone", runs["zero3"] / "snapshots" / "pending")
    line = "mtl-000012.ckpt was written by 2 processes under DeepSpeed stage 3, and this run has 1 process under"
    assert said.count(line) == 1
    assert same_selections(tmp_path / "alone" / "run", runs["zero3"] / "run")
    assert (
        far_apart(exported(tmp_path / "alone" / "run", "round-000"), exported(runs["zero3"] / "run", "round-000"))
        < 1e-3
    )


@pytest.mark.integration
def test_one_process_becomes_two_and_loses_nothing(runs: dict[str, Path], tiny_model: Path, tmp_path: Path) -> None:
    said = go_on(tmp_path / "ddp", tiny_model, "ddp", runs["plain"] / "snapshots" / "inside")
    assert "going on from" in said
    assert "fresh moments" not in said
    for stage in ("mtl", "round-000"):
        assert far_apart(exported(tmp_path / "ddp" / "run", stage), exported(runs["plain"] / "run", stage)) < 1e-3


@pytest.mark.integration
def test_another_strategy_goes_on_from_the_weights_and_resumes_itself(
    runs: dict[str, Path], tiny_model: Path, tmp_path: Path
) -> None:
    said = go_on(tmp_path / "zero2", tiny_model, "zero2", runs["plain"] / "snapshots" / "inside")
    assert said.count("processes with whole weights, and this run has 2 processes under DeepSpeed stage 2") == 1
    assert far_apart(exported(tmp_path / "zero2" / "run", "mtl"), exported(runs["plain"] / "run", "mtl")) == 0
    again = go_on(tmp_path / "again", tiny_model, "zero2", tmp_path / "zero2" / "snapshots" / "pending")
    assert "fresh moments" not in again
    assert evaluations(tmp_path / "again" / "run") == evaluations(tmp_path / "zero2" / "run")
    assert same_selections(tmp_path / "again" / "run", tmp_path / "zero2" / "run")
