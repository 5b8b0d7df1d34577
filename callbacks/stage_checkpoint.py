"""One checkpoint a stage, and the newest inside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning as L

from callbacks.stage_end import AtStageEnd, run_root
from reset_pl.errors import InputError
from reset_pl.tuning.sft import SFT


class StageCheckpoint(AtStageEnd):
    """Saves ``checkpoints/<stage>-<step>.ckpt`` at the end of every stage and every ``every_n_steps`` inside it.

    Stage ends are kept; of those inside a stage only the newest is. Put it first in the list of callbacks: what
    follows at a stage's end (evaluation, a round) can take long, and a run that dies there comes back to this
    checkpoint.

    Args:
        every_n_steps: Optimizer steps between checkpoints inside a stage (paper, A.3: 100).
    """

    def __init__(self, every_n_steps: int = 100) -> None:
        if every_n_steps < 1:
            raise InputError(f"expected StageCheckpoint.every_n_steps of at least 1, but got {every_n_steps}")
        self.every_n_steps = every_n_steps
        self._inside: Path | None = None
        self._saved_step = 0

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: SFT, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save inside a stage, once a step however many batches a step takes."""
        step = trainer.global_step
        if step % self.every_n_steps == 0 and step != self._saved_step and not pl_module.stage_finished:
            self._saved_step = step
            superseded, self._inside = self._inside, save_checkpoint(trainer, pl_module)
            self._remove(trainer, superseded)

    def at_stage_end(self, trainer: L.Trainer, module: SFT) -> None:
        """Save, unless a checkpoint of this stage's end is there."""
        if module.global_step > 0:
            save_checkpoint(trainer, module)
            self._remove(trainer, self._inside)
            self._inside = None

    def _remove(self, trainer: L.Trainer, path: Path | None) -> None:
        if path is not None:
            trainer.strategy.remove_checkpoint(path)


def save_checkpoint(trainer: L.Trainer, module: SFT) -> Path:
    """Save ``checkpoints/<stage>-<step>.ckpt``, all ranks together, unless it is there; returns its path."""
    path = run_root(trainer) / "checkpoints" / f"{module.stage}-{module.global_step:06d}.ckpt"
    if not trainer.strategy.broadcast(path.exists()):  # a rank that comes late must not take this save for an old one
        trainer.save_checkpoint(path)
    return path
