"""The weights that a policy amounts to: adapters added to the layers that have them, 4 bits made wide again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from reset_pl.policy.adapters import adapted_layers, is_adapter
from reset_pl.policy.shards import Specs
from reset_pl.policy.weights import full_tensors


def merged_specs(model: torch.nn.Module) -> Specs:
    """Name, whole shape and type of what ``merged_tensors`` yields; tied weights are there once.

    Args:
        model: A transformers model in training; nothing of it is gathered.
    """
    specs = {}
    for name, parameter in model.named_parameters():
        if not is_adapter(name):
            quantized = getattr(parameter, "quant_state", None)
            shape = getattr(parameter, "ds_shape", parameter.shape) if quantized is None else quantized.shape
            dtype = parameter.dtype if quantized is None else quantized.dtype
            specs[_plain(name)] = (torch.Size(shape), dtype)
    return specs | {name: (tensor.shape, tensor.dtype) for name, tensor in _saved_buffers(model)}


@torch.no_grad()
def merged_tensors(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and whole value of each weight, as the same model without adapters has it; the model stays as it is.

    One layer at a time is merged: its weight + alpha / rank · B · A (LoRA, arXiv 2106.09685, section 4.1). All ranks
    iterate together to the end. A value is only good until the next one is asked for.

    Args:
        model: A transformers model in training.
    """
    layers = dict(adapted_layers(model))
    parameters = dict(model.named_parameters())
    waiting: dict[str, dict[str, torch.Tensor]] = {name: {} for name in layers}
    for name, tensor in full_tensors(model):
        value = _widened(parameters[name], tensor)
        layer, part = _part(name)
        if layer not in layers or part == "base_layer.bias":
            yield _plain(name), value
            continue
        waiting[layer][part] = value.clone()
        if len(waiting[layer]) == 3:
            yield f"{layer}.weight", _merged(layers[layer].scaling["default"], waiting.pop(layer))
    yield from _saved_buffers(model)


def _part(name: str) -> tuple[str, str]:
    """Layer, and which of its parameters.

    >>> _part("h.0.q_proj.lora_A.default.weight"), _part("h.0.q_proj.base_layer.bias"), _part("norm.weight")
    (('h.0.q_proj', 'lora_A'), ('h.0.q_proj', 'base_layer.bias'), ('norm', 'weight'))
    """
    for part in ("lora_A", "lora_B", "base_layer.weight", "base_layer.bias"):
        layer, found, _ = name.partition(f".{part}")
        if found:
            return layer, part
    layer, _, part = name.rpartition(".")
    return layer, part


def _plain(name: str) -> str:
    """The name that a parameter of an adapted layer had before."""
    return name.replace(".base_layer.", ".")


def _merged(scaling: float, parts: dict[str, torch.Tensor]) -> torch.Tensor:
    """In float32, since the sum of a bfloat16 weight and a small change is rounded once then, not twice."""
    base = parts["base_layer.weight"]
    change = parts["lora_B"].float() @ parts["lora_A"].float()
    return (base.float() + scaling * change).to(base.dtype)


def _widened(parameter: Any, tensor: torch.Tensor) -> torch.Tensor:
    """What a weight of 4 bits stands for: what the layers of QLoRA compute with."""
    if getattr(parameter, "quant_state", None) is None:
        return tensor
    from bitsandbytes.functional import dequantize_4bit

    return dequantize_4bit(parameter.data, parameter.quant_state)


def _saved_buffers(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Buffers that belong into a checkpoint; no strategy shards them."""
    for prefix, module in model.named_modules():
        for name, buffer in module.named_buffers(recurse=False):
            if name not in module._non_persistent_buffers_set:
                yield _plain(f"{prefix}.{name}".lstrip(".")), buffer
