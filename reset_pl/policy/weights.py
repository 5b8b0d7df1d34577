"""Whole weights, wherever the strategy keeps them: on every rank, or sharded over the ranks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch


@contextmanager
def gathered(model: Any) -> Iterator[None]:
    """Keep the model's weights whole on every rank for as long as the block runs, for a whole generation.

    All ranks enter and leave together; in between each may run the model as often as it likes, on its own. Does
    nothing where the weights are whole already.

    Args:
        model: A transformers model in training.
    """
    yield


def full_tensors(model: torch.nn.Module) -> Iterator[tuple[str, torch.Tensor]]:
    """Name and whole value of each parameter, a few at a time, on every rank; all ranks iterate together to the end.

    A value is only good until the next one is asked for.

    Args:
        model: A model, or a part of one.
    """
    for name, parameter in sorted(model.named_parameters()):
        yield name, parameter.detach()
