"""How large the model is, from its config alone: no weight is read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from reset_pl.errors import InputError
from reset_pl.policy.adapters import Lora, with_adapters


@dataclass(frozen=True, kw_only=True)
class ModelSize:
    """The policy in numbers."""

    parameters: int
    """All of them, adapters included."""
    trained: int
    """Those that the optimizer changes."""
    layers: int
    """Transformer blocks."""
    width: int
    """Width of the hidden states."""
    vocabulary: int
    """Rows of the output layer."""
    cache_width: int
    """Numbers that the cache of a generation holds for a token and layer: keys and values of all heads."""


def model_size(path: str, lora: Lora | None) -> ModelSize:
    """Build the model without memory for its weights, adapters included, and count.

    Args:
        path: Folder or hub id.
        lora: Its adapters.

    Raises:
        InputError: There is no such model.
    """
    from transformers import AutoConfig, AutoModelForCausalLM

    try:
        config = AutoConfig.from_pretrained(path)
        with torch.device("meta"):
            model = AutoModelForCausalLM.from_config(config)
    except (OSError, ValueError) as error:
        line = (str(error).splitlines() or [""])[0]
        raise InputError(
            f"expected a model at --model.model {path!r} (a folder, as seen from {Path.cwd()}, or a hub id): {line}"
        ) from error
    if lora is not None:
        with torch.device("meta"):
            model = with_adapters(model, lora)
    text: Any = config.get_text_config()
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    head_width = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return ModelSize(
        parameters=sum(p.numel() for p in model.parameters()),
        trained=sum(p.numel() for p in model.parameters() if p.requires_grad),
        layers=text.num_hidden_layers,
        width=text.hidden_size,
        vocabulary=text.vocab_size,
        cache_width=2 * heads * head_width,
    )
