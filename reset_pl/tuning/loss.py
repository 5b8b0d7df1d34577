"""The supervised loss: next-token cross-entropy over the response."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy


def target_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each target.

    Args:
        logits: (targets, vocabulary), those of the positions that predict the targets.
        targets: (targets,) token ids.

    Returns:
        (targets,) in float32.
    """
    return cross_entropy(logits.float(), targets, reduction="none")
