"""Low-rank adapters in place of all weights: tuning on one GPU."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Tune low-rank adapters (LoRA, arXiv 2106.09685) and leave the model's own weights as they are."""

    rank: int = 16
    """Rank of each adapter."""
    alpha: int = 32
    """Scale: an adapter's output is multiplied by alpha / rank."""
    dropout: float = 0.0
    """Share of an adapter's inputs dropped in training."""
    target_modules: list[str] | str = "all-linear"
    """Names of the layers that get one; ``all-linear`` for every linear layer but the output's."""
    quantize: bool = False
    """Whether the model's own weights are kept in 4 bits (QLoRA, arXiv 2305.14314); needs a CUDA GPU."""


def with_adapters(model: Any, lora: Lora) -> Any:
    """The model with adapters, which alone are trained.

    Args:
        model: A transformers model.
        lora: Their settings.
    """
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=lora.target_modules,
        task_type="CAUSAL_LM",
    )
    return get_peft_model(model, config)
