"""Multi-task learning on the up-sampled mixture (paper, section 5)."""

from __future__ import annotations

from typing import Any

import torch

from reset_pl.tuning.sft import SFT


class MTL(SFT):
    """SFT that also logs the loss of every data set in the mixture, so that one starving another shows."""

    stage_name = "mtl"

    def on_train_start(self) -> None:
        """Begin without sets: a restart comes back into the middle of an epoch."""
        super().on_train_start()
        self._sums: dict[str, torch.Tensor] = {}

    def on_train_epoch_start(self) -> None:
        """Forget the sets of the epoch before."""
        self._sums = {}

    def collect(self, losses: torch.Tensor, batch: dict[str, Any]) -> None:
        """Add up each set's losses and targets."""
        super().collect(losses, batch)
        names = sorted(set(batch["dataset"]))
        set_of_row = torch.tensor([names.index(name) for name in batch["dataset"]], device=losses.device)
        sums = losses.new_zeros(len(names), 2)
        sums.index_add_(0, set_of_row[batch["row_of_target"]], torch.stack([losses, torch.ones_like(losses)], dim=1))
        for name, own in zip(names, sums, strict=True):
            self._sums[name] = self._sums.get(name, 0.0) + own

    def log_step(self) -> None:
        """Log ``train/loss/<dataset>``: the mean over the set's targets in this process's share of the step.

        A set of the epoch that is not in the step gets nan: Lightning would log its last value once more.
        """
        super().log_step()
        for name, (loss, count) in self._sums.items():
            self.log(f"train/loss/{name}", loss / count)
            self._sums[name] = torch.zeros(2, device=self.device)
