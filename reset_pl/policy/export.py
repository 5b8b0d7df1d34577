"""A policy in training → a Hugging Face folder."""

from __future__ import annotations

import copy
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from reset_pl.errors import InputError
from reset_pl.policy.adapters import adapted_layers
from reset_pl.policy.merged import merged_specs, merged_tensors
from reset_pl.policy.ranks import gather
from reset_pl.policy.shards import ShardWriter, Specs, num_bytes
from reset_pl.policy.weights import full_tensors

ROOM_BESIDE = 64 * 2**20
"""Bytes asked for beside the weights: tokenizer, settings."""


def export_policy(
    model: Any,
    tokenizer: Any,
    folder: Path,
    *,
    writes: bool = True,
    dtype: torch.dtype | None = None,
    adapters_only: bool = False,
    card: str = "",
) -> None:
    """Write safetensors, tokenizer and generation settings, adapters merged; the folder is whole or absent.

    All ranks call it together, since sharded weights are gathered a few at a time; all go on together, and all fail
    together. Beside the model no more than those few are held. Weights of 4 bits (QLoRA) are written as the wider ones
    that they stand for, which is what the adapters were tuned on top of.

    Args:
        model: The transformers model in training, with or without adapters; it is left as it was.
        tokenizer: Its tokenizer.
        folder: Where to write; must not exist.
        writes: Whether this rank writes (one on each file system does).
        dtype: Type of the weights written; the policy's own when not given.
        adapters_only: Write the adapters alone, as peft reads them.
        card: The README.md.

    Raises:
        InputError: The disk is full or cannot be written; then nothing remains of the folder.
    """
    specs = _with_dtype(_adapter_specs(model) if adapters_only else _specs_on_disk(model), dtype)
    tensors = _adapter_tensors(model) if adapters_only else _tensors_on_disk(model)
    unfinished = folder.with_name(f".{folder.name}.tmp")
    writer: ShardWriter | None = None
    problem: str | None = None
    try:
        if writes:
            try:
                _make_room(folder, unfinished, num_bytes(specs) + ROOM_BESIDE)
                _write_settings(model, tokenizer, unfinished, specs, adapters_only=adapters_only, card=card)
                writer = ShardWriter(unfinished, specs, stem="adapter_model" if adapters_only else "model")
            except Exception as error:  # whatever it is, the other ranks wait to hear of it
                problem = _reason(folder, error)
        _agree(problem)
        for name, tensor in tensors:
            if writer is not None and problem is None:
                try:
                    writer.write(name, tensor)
                except OSError as error:  # the other ranks still gather, and need this one to the end
                    problem = _reason(folder, error)
        if writer is not None and problem is None:
            try:
                writer.finish()
                _commit(unfinished, folder)
            except OSError as error:
                problem = _reason(folder, error)
        _agree(problem)
    finally:
        if writes:
            if writer is not None:
                writer.close()
            shutil.rmtree(unfinished, ignore_errors=True)


# ---------------------------------------------------------------------- what is written


def _specs_on_disk(model: Any) -> Specs:
    specs: dict[str, tuple[torch.Size, torch.dtype]] = {}
    for name, (shape, dtype) in merged_specs(model).items():
        written = _on_disk(model, name, torch.empty(shape, dtype=dtype, device="meta"))
        assert not specs.keys() & written.keys(), f"{name} is written under the name of another weight"
        specs.update({key: (value.shape, value.dtype) for key, value in written.items()})
    return specs


def _tensors_on_disk(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    for name, tensor in merged_tensors(model):
        yield from _on_disk(model, name, tensor).items()


def _on_disk(model: Any, name: str, tensor: torch.Tensor) -> dict[str, torch.Tensor]:
    """A weight under the name, or in the parts, that the model's files have: transformers joins experts, for one."""
    from transformers.core_model_loading import revert_weight_conversion

    return revert_weight_conversion(model, {name: tensor})


def _adapter_specs(model: Any) -> Specs:
    return {
        _peft_name(layer, part): (torch.Size(getattr(p, "ds_shape", p.shape)), p.dtype)
        for layer, part, p in _adapter_parameters(model)
    }


def _adapter_tensors(model: Any) -> Iterator[tuple[str, torch.Tensor]]:
    for name, layer in adapted_layers(model):
        for part in ("lora_A", "lora_B"):
            for _, tensor in full_tensors(getattr(layer, part)):
                yield _peft_name(name, part), tensor


def _adapter_parameters(model: Any) -> Iterator[tuple[str, str, Any]]:
    for name, layer in adapted_layers(model):
        for part in ("lora_A", "lora_B"):
            yield name, part, getattr(layer, part)["default"].weight


def _peft_name(layer: str, part: str) -> str:
    return f"base_model.model.{layer}.{part}.weight"


def _with_dtype(specs: Specs, dtype: torch.dtype | None) -> Specs:
    if dtype is None:
        return specs
    return {name: (shape, dtype if own.is_floating_point else own) for name, (shape, own) in specs.items()}


# ---------------------------------------------------------------------- the folder


def _make_room(folder: Path, unfinished: Path, needed: int) -> None:
    if folder.exists():
        raise InputError(f"expected a new folder for the export, but {folder} exists")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    free = shutil.disk_usage(unfinished).free
    if free < needed:
        raise InputError(
            f"expected {needed / 1e9:.2f} GB free for the export to {folder}, but got {free / 1e9:.2f} GB: free some "
            "space, or have it written elsewhere"
        )


def _write_settings(model: Any, tokenizer: Any, folder: Path, specs: Specs, *, adapters_only: bool, card: str) -> None:
    if adapters_only:
        adapters = copy.deepcopy(model.peft_config["default"])
        adapters.inference_mode = True
        base = Path(adapters.base_model_name_or_path)
        adapters.base_model_name_or_path = str(base.resolve() if base.exists() else base)
        adapters.save_pretrained(folder)
    else:
        config = copy.deepcopy(model.config)
        config.architectures = [type(model).__name__]
        config.dtype = next(dtype for _, dtype in specs.values() if dtype.is_floating_point)
        if hasattr(config, "quantization_config"):
            del config.quantization_config
        config.save_pretrained(folder)
        # Not save_pretrained(): it refuses settings that published models have (a temperature beside greedy search).
        model.generation_config.to_json_file(folder / "generation_config.json")
    tokenizer.save_pretrained(folder)
    if card:
        (folder / "README.md").write_text(card)


def _commit(unfinished: Path, folder: Path) -> None:
    """Give the folder its name once all of it is on the disk."""
    for path in [*unfinished.rglob("*"), unfinished]:
        _flush(path)
    unfinished.rename(folder)
    _flush(folder.parent)


def _flush(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


# ---------------------------------------------------------------------- trouble


def _reason(folder: Path, error: Exception) -> str:
    if isinstance(error, InputError):
        return str(error)
    line = (str(getattr(error, "strerror", None) or error).splitlines() or [type(error).__name__])[0]
    return f"cannot export to {folder}: {line}; nothing of it was kept: free some space or mend the folder's rights"


def _agree(problem: str | None) -> None:
    """Stop all ranks where one cannot go on: those that gather would wait for it.

    Raises:
        InputError: There is a problem, on whichever rank.
    """
    for said in gather(problem):
        if said is not None:
            raise InputError(said)
