"""Copies of a run's directory as a kill would leave it, and what its weights are after they went back to the start."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L

from callbacks.stage_end import run_root
from reset_pl.policy.fingerprint import policy_fingerprint
from reset_pl.policy.restore import read_model, restore_weights


class Snapshots(L.Callback):
    """Put behind ``StageCheckpoint``: copies the directory inside a stage, and at its end, when a round is due.

    Args:
        folder: Where to.
        step: Optimizer step of the first.
    """

    def __init__(self, folder: str, step: int) -> None:
        self.folder, self.step = Path(folder), step

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        self.start = policy_fingerprint(pl_module.policy)

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if trainer.global_step == self.step:
            self._copy(trainer, "inside")

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        if trainer.current_epoch == 0:
            self._copy(trainer, "pending")

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        module: Any = pl_module
        restore_weights(module, partial(read_model, module.model_path, module.dtype_name, lora=module.lora))
        after = policy_fingerprint(module.policy)
        if trainer.is_global_zero:
            self.folder.mkdir(exist_ok=True)
            (self.folder / "start.json").write_text(json.dumps([self.start, after]))

    def _copy(self, trainer: L.Trainer, name: str) -> None:
        if trainer.is_global_zero and not (self.folder / name).exists():
            shutil.copytree(run_root(trainer), self.folder / name)
        trainer.strategy.barrier()
