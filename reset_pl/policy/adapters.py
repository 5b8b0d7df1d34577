"""Low-rank adapters in place of all weights: tuning on one GPU."""

from __future__ import annotations

import logging
import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import torch

from reset_pl.errors import InputError
from reset_pl.policy.weights import is_sharded, writable


@dataclass(frozen=True, kw_only=True)
class Lora:
    """Tune low-rank adapters (LoRA, arXiv 2106.09685) and leave the model's own weights as they are."""

    rank: int = 16
    """Rank of each adapter."""
    alpha: int = 32
    """Scale: an adapter's output is multiplied by alpha / rank."""
    dropout: float = 0.0
    """Share of an adapter's inputs dropped in training."""
    target_modules: list[str] | Literal["all-linear"] = "all-linear"
    """Names of the layers that get one; ``all-linear`` for every linear layer but the output's."""
    quantize: bool = False
    """Whether the model's own weights are kept in 4 bits (QLoRA, arXiv 2305.14314); needs a CUDA GPU."""

    def __post_init__(self) -> None:
        """Check the numbers.

        Raises:
            InputError: One of them is none that an adapter can have.
        """
        for name, value in (("rank", self.rank), ("alpha", self.alpha)):
            if value < 1:
                raise InputError(f"expected --model.lora.{name} of at least 1, but got {value}")
        if not 0 <= self.dropout < 1:
            raise InputError(f"expected --model.lora.dropout in [0, 1), but got {self.dropout}")


def with_adapters(model: Any, lora: Lora) -> Any:
    """The model with adapters, which alone are trained; at first they change nothing that it computes.

    The layers are put into the model itself, which stays the transformers model that it was: its ``forward``, its
    ``generate`` and its settings are not hidden behind another class. An adapter's first values follow from the run's
    seed alone, so that a restart, and a roll back to the start, begin with the same ones.

    Args:
        model: A transformers model.
        lora: Their settings.

    Raises:
        InputError: The model has no layer of such a name.
    """
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # peft imports it where it is installed
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=lora.rank,
        lora_alpha=lora.alpha,
        lora_dropout=lora.dropout,
        target_modules=_targets(model, lora.target_modules),
        task_type="CAUSAL_LM",
        init_lora_weights=False,
        base_model_name_or_path=model.name_or_path,
    )
    model = inject_adapter_in_model(config, model)
    _initialise(model)
    return model


def is_adapter(name: str) -> bool:
    """Whether a parameter of that name is one of an adapter.

    >>> is_adapter("q_proj.base_layer.weight"), is_adapter("q_proj.lora_A.default.weight")
    (False, True)
    """
    return ".lora_A." in name or ".lora_B." in name


def adapted_layers(model: torch.nn.Module) -> Iterator[tuple[str, Any]]:
    """Name and layer of everything that has an adapter.

    Args:
        model: Any model.
    """
    for name, layer in model.named_modules():
        if hasattr(layer, "lora_A") and hasattr(layer, "base_layer"):
            yield name, layer


@contextmanager
def adapters_off(model: torch.nn.Module) -> Iterator[None]:
    """Let the model compute as it did before it got adapters, in the block.

    Args:
        model: Any model; one without adapters stays as it is.
    """
    layers = [layer for _, layer in adapted_layers(model)]
    for layer in layers:
        layer.enable_adapters(False)
    try:
        yield
    finally:
        for layer in layers:
            layer.enable_adapters(True)


def _targets(model: Any, wanted: list[str] | str) -> list[str]:
    """Last names of the layers that get an adapter."""
    output = model.get_output_embeddings()
    linear = {
        name.rpartition(".")[2]
        for name, layer in model.named_modules()
        if isinstance(layer, torch.nn.Linear) and layer is not output
    }
    if isinstance(wanted, str):
        wanted = sorted(linear)
    unknown = [name for name in wanted if name not in linear]
    if unknown or not wanted:
        raise InputError(
            f"expected --model.lora.target_modules among the linear layers of {type(model).__name__}, "
            f"{', '.join(sorted(linear)) or 'which has none'}, or all-linear, but got {', '.join(unknown) or 'none'}"
        )
    return wanted


@torch.no_grad()
def _initialise(model: torch.nn.Module) -> None:
    """Give A random values and B zeros (LoRA, section 4.1).

    Not left to peft, whose zeros reach an empty placeholder under ZeRO-3: B would keep the random values that a linear
    layer starts with.
    """
    generator = torch.Generator().manual_seed(torch.initial_seed() % 2**63)
    for _, layer in adapted_layers(model):
        down, up = layer.lora_A["default"].weight, layer.lora_B["default"].weight
        with writable([down, up]):
            first = torch.empty(down.shape).uniform_(-1, 1, generator=generator)
            down.copy_(first / math.sqrt(down.shape[1]))
            up.zero_()
        if not is_sharded(down):
            # Small updates are lost on bfloat16; under DeepSpeed, which wants one type, it keeps copies in float32.
            down.data, up.data = down.data.float(), up.data.float()
