"""Loading the model that is tuned."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import torch

from reset_pl.errors import InputError
from reset_pl.policy.adapters import Lora, with_adapters

DType = Literal["float32", "bfloat16", "float16"]


def load_policy(path: str, dtype: DType, *, lora: Lora | None = None, activation_checkpointing: bool = False) -> Any:
    """A causal language model from a folder or a hub id, in training mode.

    Args:
        path: Folder or hub id.
        dtype: Type of the parameters in memory.
        lora: Adapters to train in place of the weights.
        activation_checkpointing: Whether activations are computed again in the backward pass, to save memory.

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
    if activation_checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if lora is not None:
        model = with_adapters(model, lora)
    return model.train()
