"""The losses: next-token cross-entropy over the response, and DPO's of a preference pair."""

from __future__ import annotations

import torch
from torch.nn.functional import cross_entropy, logsigmoid


def target_losses(logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Cross-entropy of each target.

    Args:
        logits: (targets, vocabulary), those of the positions that predict the targets.
        targets: (targets,) token ids.

    Returns:
        (targets,) in float32.
    """
    return cross_entropy(logits.float(), targets, reduction="none")


def answer_log_probs(logits: torch.Tensor, targets: torch.Tensor, row_of_target: torch.Tensor) -> torch.Tensor:
    """Log-probability of each answer, the end of its sequence included.

    Args:
        logits: (targets, vocabulary), those of the positions that predict the targets.
        targets: (targets,) token ids.
        row_of_target: (targets,) the answer that each target is of; every answer has at least one.

    Returns:
        (answers,) in float32, in nats.
    """
    log_probs = -target_losses(logits, targets)
    return log_probs.new_zeros(int(row_of_target[-1]) + 1).index_add(0, row_of_target, log_probs)


def preference_losses(rewards: torch.Tensor) -> torch.Tensor:
    """DPO's loss of each pair (Rafailov et al. 2023, arXiv 2305.18290, equation 7).

    Args:
        rewards: (pairs, 2), beta * log(policy / reference) of the chosen and of the rejected answer.

    Returns:
        (pairs,): log 2 where both answers have the same reward.
    """
    chosen, rejected = rewards.unbind(dim=1)
    return -logsigmoid(chosen - rejected)
