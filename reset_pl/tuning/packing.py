"""Rows laid end to end in one long row, each attending to itself alone: no padding and no wasted attention."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch

from reset_pl.errors import InputError

ATTENTION = "reset_packed"
"""Name of our attention function in transformers' registry."""
_TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 5e-2, torch.float16: 5e-2}
"""Largest difference of a logit, as a share of the largest logit, that rounding explains."""


def packed_attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    row_lengths: list[int] | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """Causal attention inside each row of a packed batch; without ``row_lengths`` transformers' own.

    Args:
        module: The attention layer.
        query: (1, heads, tokens, width); ``key`` and ``value`` may have fewer heads.
        key: See ``query``.
        value: See ``query``.
        attention_mask: Of a batch that is not packed.
        row_lengths: Tokens of each packed row; they sum to the tokens.
        kwargs: ``scaling``, ``dropout`` and what else the layer says.

    Returns:
        (1, tokens, heads, width), and no attention weights.
    """
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if row_lengths is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)
    window = kwargs.get("sliding_window")
    if window is not None and max(row_lengths) > window:
        raise InputError(
            f"expected packed rows within the model's attention window of {window} tokens, but got one of "
            f"{max(row_lengths)}: set --data.layout grouped or padded, or lower --data.max_length"
        )
    kwargs["is_causal"] = True
    rows = zip(*(tensor.split(row_lengths, dim=2) for tensor in (query, key, value)), strict=True)
    return torch.cat([sdpa_attention_forward(module, q, k, v, None, **kwargs)[0] for q, k, v in rows], dim=1), None


def target_logits(model: Any, batch: dict[str, Any]) -> torch.Tensor:
    """Logits that predict the targets of a batch, packed or padded.

    Args:
        model: A causal language model.
        batch: As ``reset_pl.data.layout`` lays it out.

    Returns:
        (targets, vocabulary).

    Raises:
        InputError: The batch is packed, and the model cannot be.
    """
    if "row_lengths" in batch:
        enable_packing(model)
        return packed_logits(model, batch)
    output = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], use_cache=False)
    return output.logits.flatten(0, 1)[batch["predictors"]]


def packed_logits(model: Any, batch: dict[str, Any]) -> torch.Tensor:
    """Logits that predict the targets of a packed batch.

    Args:
        model: A causal language model that ``enable_packing`` has prepared.
        batch: ``input_ids`` and ``position_ids``, (1, tokens); ``row_lengths``; ``predictors``.

    Returns:
        (targets, vocabulary). Logits of other positions are never computed where the model can leave them out.
    """
    arguments: dict[str, Any] = {
        "input_ids": batch["input_ids"],
        "position_ids": batch["position_ids"],
        "row_lengths": batch["row_lengths"],
        # A mask of four dimensions is passed on as it is: none is built, and ours needs none.
        "attention_mask": batch["input_ids"].new_zeros(1, 1, 1, 1),
        "use_cache": False,
    }
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        return model(**arguments, logits_to_keep=batch["predictors"]).logits[0]
    return model(**arguments).logits[0, batch["predictors"]]


def enable_packing(model: Any) -> None:
    """Give the model our attention, and prove on it that packed rows do not see each other.

    Raises:
        InputError: They do, or the model takes no attention function: sliding windows, recurrent layers, position
            biases and the like need padded batches.
    """
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    if model.config._attn_implementation == ATTENTION:
        return
    AttentionInterface.register(ATTENTION, packed_attention)
    AttentionMaskInterface.register(ATTENTION, sdpa_mask)
    before = model.config._attn_implementation
    expected = _probe_alone(model)
    try:
        model.set_attn_implementation(ATTENTION)
        difference = (_probe_packed(model) - expected).abs().max() / expected.abs().max()
        # A model whose weights are no numbers proves nothing either way; its loss is checked where it is made.
        is_equal = difference <= _TOLERANCE[expected.dtype] or not expected.isfinite().all()
        problem = None if is_equal else f"its logits differ by {difference:.1e}"
    except (TypeError, ValueError, RuntimeError, AttributeError) as error:
        problem = f"{type(error).__name__}: {str(error).splitlines()[0]}"
    if problem is not None:
        model.set_attn_implementation(before)
        raise InputError(
            f"expected {type(model).__name__} to give packed rows the logits that it gives them alone, but {problem}: "
            "set --data.layout grouped or padded"
        )


# Two rows of unlike length; the second is the longer, so that a window or a wrong position shows.
_PROBE_LENGTHS = (5, 11)


def _probe_rows(model: Any) -> list[torch.Tensor]:
    vocabulary = model.get_input_embeddings().num_embeddings
    tokens = torch.arange(sum(_PROBE_LENGTHS), device=model.device) * 7919 % vocabulary
    return list(tokens.split(list(_PROBE_LENGTHS)))


@contextmanager
def evaluating(model: Any) -> Iterator[None]:
    """Switch dropout and the like off in the block.

    Args:
        model: Any module.
    """
    was_training = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was_training)


@torch.no_grad()
def _probe_alone(model: Any) -> torch.Tensor:
    with evaluating(model):
        return torch.cat([model(input_ids=row[None], use_cache=False).logits[0] for row in _probe_rows(model)])


@torch.no_grad()
def _probe_packed(model: Any) -> torch.Tensor:
    rows = _probe_rows(model)
    batch = {
        "input_ids": torch.cat(rows)[None],
        "position_ids": torch.cat([torch.arange(len(row), device=row.device) for row in rows])[None],
        "row_lengths": list(_PROBE_LENGTHS),
        "predictors": torch.arange(sum(_PROBE_LENGTHS), device=model.device),
    }
    with evaluating(model):
        return packed_logits(model, batch)
