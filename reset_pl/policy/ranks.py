"""What the ranks that hold a policy tell each other."""

from __future__ import annotations

from typing import Any, TypeVar

import torch.distributed as dist

_T = TypeVar("_T")


def gather(value: _T) -> list[_T]:
    """The value of every rank, by rank; all ranks call this together, and a process alone gets its own."""
    if not (dist.is_available() and dist.is_initialized()):
        return [value]
    values: list[Any] = [None] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values
