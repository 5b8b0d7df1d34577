"""Telling one policy from another."""

from __future__ import annotations

import hashlib

import torch

from reset_pl.policy.weights import full_tensors


@torch.no_grad()
def policy_fingerprint(model: torch.nn.Module) -> str:
    """Sixteen hex digits that change when any weight changes: rounds and evaluations name their policy by it.

    The same however the weights are sharded; all ranks call it together.
    """
    digest = hashlib.sha256()
    for name, tensor in full_tensors(model):
        digest.update(name.encode())
        digest.update(tensor.cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
