"""Multi-task learning on the up-sampled mixture (paper, section 5)."""

from __future__ import annotations

from typing import Any

import torch

from reset_pl.records import IGNORE_INDEX
from reset_pl.tuning.loss import token_losses
from reset_pl.tuning.sft import SFT


class MTL(SFT):
    """SFT that also logs the loss of every data set in the mixture, so that one starving another shows."""

    stage_name = "mtl"
    _datasets: frozenset[str] = frozenset()

    def on_train_epoch_start(self) -> None:
        """Forget the sets of the epoch before."""
        self._datasets = frozenset()

    def log_training(self, logits: torch.Tensor, batch: dict[str, Any]) -> None:
        """Log ``train/loss/<dataset>``: the mean over the set's response tokens in the batch.

        A set of the epoch that is not in the batch gets nan: Lightning would log its last value once more.
        """
        losses = token_losses(logits, batch["labels"]).sum(dim=1)
        counts = (batch["labels"][:, 1:] != IGNORE_INDEX).sum(dim=1)
        names = batch["dataset"]
        self._datasets |= set(names)
        for name in sorted(self._datasets):
            rows = torch.tensor([other == name for other in names], device=losses.device)
            self.log(f"train/loss/{name}", losses[rows].sum() / counts[rows].sum(), batch_size=len(names))
