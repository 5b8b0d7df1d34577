"""Whole weights, wherever the strategy keeps them: on every rank, or sharded over the ranks by DeepSpeed's ZeRO-3."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

BUCKET_BYTES = 256 * 2**20
"""Sharded weights are made whole so many bytes at a time, or one by one where one is larger."""


@contextmanager
def gathered(model: Any) -> Iterator[None]:
    """Keep the model's weights whole on every rank for as long as the block runs, for a whole generation.

    All ranks enter and leave together; in between each may run the model as often as it likes, on its own. Does
    nothing where the weights are whole already.

    Args:
        model: A transformers model in training.
    """
    if not any(map(is_sharded, model.parameters())):
        yield
        return
    with _whole(model.parameters()), _without_zero_hooks(model):
        yield


def full_tensors(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and whole value of each parameter, a few at a time, on every rank; all ranks iterate together to the end.

    A value is only good until the next one is asked for.

    Args:
        model: A model, or a part of one.
    """
    for bucket in _buckets(sorted(model.named_parameters())):
        with _whole(parameter for _, parameter in bucket):
            for name, parameter in bucket:
                yield name, parameter.detach()


def is_sharded(parameter: torch.nn.Parameter) -> bool:
    """Whether a rank may hold but a part of it."""
    return hasattr(parameter, "ds_id")


@contextmanager
def _whole(parameters: Iterable[Any]) -> Iterator[None]:
    """Gather those that are not whole already: small ones always are, and all within ``gathered``."""
    sharded = [p for p in parameters if is_sharded(p)]
    if not sharded:
        yield
        return
    from deepspeed.runtime.zero import GatheredParameters
    from deepspeed.runtime.zero.partition_parameters import ZeroParamStatus

    with GatheredParameters([p for p in sharded if p.ds_status is not ZeroParamStatus.AVAILABLE]):
        yield


@contextmanager
def writable(parameters: Iterable[torch.nn.Parameter]) -> Iterator[None]:
    """Parameters that are whole and may be written in the block; of sharded ones what rank 0 writes counts.

    Args:
        parameters: Sharded ones, all ranks together, or whole ones.
    """
    sharded = [parameter for parameter in parameters if is_sharded(parameter)]
    if not sharded:
        yield
        return
    from deepspeed.runtime.zero import GatheredParameters

    with GatheredParameters(sharded, modifier_rank=0):
        yield


@contextmanager
def _without_zero_hooks(model: torch.nn.Module) -> Iterator[None]:
    """Take away the hooks by which ZeRO-3 gathers a layer before it runs and shards it again afterwards."""
    hooks = [hooks for module in model.modules() for hooks in (module._forward_pre_hooks, module._forward_hooks)]
    before = [hooks.copy() for hooks in hooks]
    try:
        for own in hooks:
            for key in [
                key for key, hook in own.items() if str(getattr(hook, "__module__", "")).startswith("deepspeed.")
            ]:
                del own[key]
        yield
    finally:
        for own, all_of_them in zip(hooks, before, strict=True):
            own.clear()
            own.update(all_of_them)


def _buckets(named: Iterable[tuple[str, torch.nn.Parameter]]) -> Iterator[list[tuple[str, torch.nn.Parameter]]]:
    bucket: list[tuple[str, torch.nn.Parameter]] = []
    size = 0
    for name, parameter in named:
        bytes_of_it = getattr(parameter, "ds_numel", parameter.numel()) * parameter.element_size()
        if bucket and size + bytes_of_it > BUCKET_BYTES:
            yield bucket
            bucket, size = [], 0
        bucket.append((name, parameter))
        size += bytes_of_it
    if bucket:
        yield bucket
