"""Lightning's training progress where there is no terminal to draw a bar on."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ProgressBar

from reset_pl.progress import Progress


class LineProgressBar(ProgressBar):
    """Lightning's progress as a plain line now and then, for logs and pipes."""

    def __init__(self) -> None:
        super().__init__()
        self._progress: Progress | None = None
        self._enabled = True

    def disable(self) -> None:
        """Say nothing (ranks other than 0)."""
        self._enabled = False

    def enable(self) -> None:
        """Speak."""
        self._enabled = True

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Begin an epoch's count."""
        self._progress = Progress(int(self.total_train_batches), f"training epoch {trainer.current_epoch}", "batches")

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Count a batch and tell the loss with the line."""
        if self._progress is not None and self._enabled:
            metrics = self.get_metrics(trainer, pl_module)
            loss = metrics.get("train/loss")
            self._progress.advance(1, note="" if loss is None else f", loss {loss:.3f}")
