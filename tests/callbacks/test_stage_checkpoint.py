"""Which checkpoints stay."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch

from callbacks.export_hf import ExportPolicy
from callbacks.stage_checkpoint import StageCheckpoint
from reset_pl.checkpoints import newest_checkpoint
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.data.sources import JsonlSource
from reset_pl.errors import InputError
from reset_pl.policy.restore import read_weights
from reset_pl.tuning.mtl import MTL

STEPS = 7


def fit(
    root: Path,
    model: Path,
    *callbacks: L.Callback,
    checkpoint: Path | None = None,
    validation: str | None = None,
    lr: float = 1e-2,
    **settings: Any,
) -> MTL:
    """One stage of seven steps; validation hears one answer to everything."""
    rows = [{"objective": "instruction", "instruction": f"say {n}", "response": str(n)} for n in range(2 * STEPS)]
    for name, response in (("train", None), ("validation", validation)):
        lines = [json.dumps({**row, "response": response or row["response"]}) + "\n" for row in rows]
        (root / f"{name}.jsonl").write_text("".join(lines))
    train, held_out = (JsonlSource(str(root / f"{name}.jsonl")) for name in ("train", "validation"))
    data = ResetDataModule([train], str(model), validation=[held_out] if validation else None, batch_size=2)
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        default_root_dir=root,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
        **settings,
    )
    L.seed_everything(0, verbose=False)
    module = MTL(str(model), lr=lr)
    trainer.fit(module, data, ckpt_path=checkpoint)
    return module


def names(root: Path) -> list[str]:
    return sorted(path.name for path in (root / "checkpoints").iterdir())


def test_stage_end_stays_and_inside_only_the_newest(tmp_path: Path, tiny_model: Path) -> None:
    seen: list[set[str]] = []

    class Watch(L.Callback):
        def on_train_batch_end(self, *_: object) -> None:
            seen.append({path.name for path in (tmp_path / "checkpoints").glob("*.ckpt")})

    fit(tmp_path, tiny_model, StageCheckpoint(every_n_steps=2), ExportPolicy(), Watch())
    assert seen[1:6] == [{"mtl-000002.ckpt"}] * 2 + [{"mtl-000004.ckpt"}] * 2 + [{"mtl-000006.ckpt"}]
    assert names(tmp_path) == ["mtl-000007.ckpt"]
    exported = {path.name for path in (tmp_path / "policy" / "mtl").iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= exported


class Copies(L.Callback):
    """Copies the checkpoints away after every validation, and the losses with them."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.losses = folder, list[float]()

    def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.losses.append(float(trainer.callback_metrics["val/loss"]))
        shutil.copytree(Path(trainer.default_root_dir) / "checkpoints", self.folder / str(trainer.global_step))


BEST: dict[str, Any] = {"validation": "zq" * 9, "val_check_interval": 1, "num_sanity_val_steps": 0}
"""What training drives out."""


def test_best_of_a_stage_is_what_goes_on_and_a_restart_chooses_the_same(tmp_path: Path, tiny_model: Path) -> None:
    whole, copies = tmp_path / "whole", Copies(tmp_path / "copies")
    whole.mkdir()
    module = fit(whole, tiny_model, StageCheckpoint(3, best=True), copies, **BEST)
    best = min(range(STEPS), key=lambda n: copies.losses[n]) + 1
    assert 1 < best < STEPS - 1, "the miniature must get worse for this test to mean something"
    assert names(whole) == [f"mtl-{best:06d}-best-{copies.losses[best - 1]:.6f}.ckpt", "mtl-000007.ckpt"]
    kept = read_weights(whole / "checkpoints" / names(whole)[0])
    assert all(torch.equal(value, kept[name]) for name, value in module.state_dict().items())
    assert not all(
        torch.equal(value, kept[name])
        for name, value in read_weights(whole / "checkpoints" / "mtl-000007.ckpt").items()
    )
    for step in range(1, STEPS + 1):
        again = tmp_path / f"again-{step}"
        shutil.copytree(copies.folder / str(step), again / "checkpoints")
        newest = newest_checkpoint(again / "checkpoints")
        assert newest is not None
        repeated = fit(again, tiny_model, StageCheckpoint(3, best=True), checkpoint=newest, **BEST)
        assert names(again) == names(whole), step
        assert all(torch.equal(value, kept[name]) for name, value in repeated.state_dict().items()), step


def test_the_end_of_a_stage_may_be_its_best(tmp_path: Path, tiny_model: Path) -> None:
    fit(tmp_path, tiny_model, StageCheckpoint(3, best=True), **{**BEST, "validation": "1", "lr": 1e-3})
    assert names(tmp_path) == ["mtl-000007.ckpt"]


def test_a_stage_behind_a_round_hands_on_its_last_weights(tmp_path: Path, tiny_model: Path) -> None:
    class OfARound(L.Callback):
        def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            assert isinstance(pl_module, MTL)
            pl_module.begin_stage("round-000", num_steps=STEPS, lr=1e-2)

    module = fit(tmp_path, tiny_model, OfARound(), StageCheckpoint(3, best=True), **BEST)
    assert names(tmp_path) == ["round-000-000007.ckpt"]
    kept = read_weights(tmp_path / "checkpoints" / "round-000-000007.ckpt")
    assert all(torch.equal(value, kept[name]) for name, value in module.state_dict().items())


def test_weights_that_do_not_come_back_are_noticed(tmp_path: Path, tiny_model: Path) -> None:
    class Damage(L.Callback):
        def on_validation_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
            for path in (tmp_path / "checkpoints").glob("*-best-*"):
                checkpoint = torch.load(path, weights_only=False)
                checkpoint["state_dict"]["policy.model.norm.weight"] *= 1.5
                torch.save(checkpoint, path)

    with pytest.raises(InputError, match=r"expected the model reloaded from mtl-\S+-best-\S+ to give probe prompts"):
        fit(tmp_path, tiny_model, StageCheckpoint(3, best=True), Damage(), **BEST)


def test_best_needs_validation_between_steps(tmp_path: Path, tiny_model: Path) -> None:
    with pytest.raises(InputError, match="expected validation sets in data.validation"):
        fit(tmp_path, tiny_model, StageCheckpoint(best=True))
    with pytest.raises(InputError, match=r"a multiple of --trainer.accumulate_grad_batches \(2\)"):
        fit(tmp_path, tiny_model, StageCheckpoint(best=True), **BEST, accumulate_grad_batches=2)


def test_a_checkpoint_of_something_else_is_one_line(tmp_path: Path, tiny_model: Path) -> None:
    foreign, text, other = (tmp_path / f"{name}.ckpt" for name in ("foreign", "text", "other"))
    torch.save({"state_dict": {}, "epoch": 3}, foreign)
    text.write_text("not a checkpoint")
    fit(tmp_path, tiny_model, StageCheckpoint())
    checkpoint = torch.load(tmp_path / "checkpoints" / "mtl-000007.ckpt", weights_only=False)
    weights = checkpoint["state_dict"]
    weights["policy.lm_head.weight"] = weights["policy.lm_head.weight"][:, :8].clone()
    torch.save(checkpoint, other)
    for path, message in (
        (foreign, "fit' wrote at .*foreign.ckpt, but its contents are another's"),
        (text, "expected a checkpoint at .*text.ckpt, but text.ckpt cannot be read"),
        (tmp_path / "gone.ckpt", "gone.ckpt cannot be read"),
        (other, r"of policy.lm_head.weight, \(259, 16\), the checkpoint has the shape \(259, 8\) \(1 of"),
    ):
        with pytest.raises(InputError, match=message) as caught:
            fit(tmp_path, tiny_model, StageCheckpoint(), checkpoint=path)
        assert "\n" not in str(caught.value)


def test_bad_interval() -> None:
    with pytest.raises(InputError, match="every_n_steps of at least 1"):
        StageCheckpoint(every_n_steps=0)
