"""The model that is tuned: loading it and telling it from others."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any, Literal

import torch

from reset_pl.errors import InputError

DType = Literal["float32", "bfloat16", "float16"]


def load_policy(path: str, dtype: DType) -> Any:
    """A causal language model from a folder or a hub id, in training mode.

    Args:
        path: Folder or hub id.
        dtype: Type of the parameters in memory.

    Raises:
        InputError: There is no such model.
    """
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    logging.disable_progress_bar()  # its bars for a few shards tear ours

    if Path(path).is_dir() and not (Path(path) / "config.json").exists():
        raise InputError(
            f"expected a Hugging Face model folder at {path}, but it has no config.json: mend --model.model"
        )
    try:
        model = AutoModelForCausalLM.from_pretrained(path, dtype=getattr(torch, dtype))
    except (OSError, ValueError) as error:
        line = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"expected a model at --model.model {path!r} (a folder, as seen from {Path.cwd()}, or a hub id): {line}"
        ) from error
    return model.train()


@torch.no_grad()
def policy_fingerprint(model: torch.nn.Module) -> str:
    """Sixteen hex digits that change when any weight changes: rounds and evaluations name their policy by it."""
    digest = hashlib.sha256()
    for name, parameter in sorted(model.named_parameters()):
        digest.update(name.encode())
        digest.update(parameter.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()[:16]
