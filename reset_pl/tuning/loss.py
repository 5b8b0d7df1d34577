"""The supervised loss: next-token cross-entropy over the response."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy

from reset_pl.records import IGNORE_INDEX


def token_losses(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each next token.

    Args:
        logits: (rows, tokens, vocabulary); position t predicts token t + 1.
        labels: (rows, tokens), ``IGNORE_INDEX`` where there is no loss.

    Returns:
        (rows, tokens - 1), 0 where there is no loss, in float32.
    """
    targets = labels[:, 1:]
    losses = cross_entropy(
        logits[:, :-1].flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORE_INDEX, reduction="none"
    )
    return losses.view_as(targets)


def response_loss(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """Mean cross-entropy over all response tokens of the batch; shapes as in ``token_losses``."""
    num_targets = (labels[:, 1:] != IGNORE_INDEX).sum()
    return token_losses(logits, labels).sum() / num_targets.clamp(min=1)
