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

    def log_training(self, logits: torch.Tensor, batch: dict[str, Any]) -> None:
        """Log ``train/loss/<dataset>``: the mean over the set's response tokens in the batch."""
        losses = token_losses(logits, batch["labels"]).sum(dim=1)
        counts = (batch["labels"][:, 1:] != IGNORE_INDEX).sum(dim=1)
        names = batch["dataset"]
        for name in sorted(set(names)):
            rows = torch.tensor([i for i, other in enumerate(names) if other == name], device=losses.device)
            num_tokens = counts[rows].sum()
            if num_tokens > 0:
                self.log(f"train/loss/{name}", losses[rows].sum() / num_tokens, batch_size=int(num_tokens))
