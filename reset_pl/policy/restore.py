"""Weights out of a checkpoint, whoever wrote it, into a model that is being trained, however it is sharded."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from reset_pl.errors import InputError
from reset_pl.policy.adapters import Lora
from reset_pl.policy.load import DType, load_policy
from reset_pl.policy.weights import is_sharded, writable

_OF_DEEPSPEED = ("module", "optimizer", "skipped_steps", "global_steps", "dp_world_size", "mp_world_size")
"""Keys of DeepSpeed's own in the file that holds our states too."""

_WEIGHTS = ("state_dict", "optimizer_states")


def read_states(path: Path) -> dict[str, Any]:
    """All of a checkpoint but weights and the optimizer's moments.

    Args:
        path: A file, or DeepSpeed's directory.

    Raises:
        InputError: It is not a checkpoint of a fit.
    """
    file = min(path.glob("*/*_model_states.pt"), default=path) if path.is_dir() else path
    states = _load(file, of=path)
    if "loops" not in states or not any("stage" in schedule for schedule in states.get("lr_schedulers", ())):
        raise InputError(
            f"expected a checkpoint that 'python -m reset_pl fit' wrote at {path}, but its contents are another's: "
            "weights alone are given as --model.model, a Hugging Face folder"
        )
    return {key: value for key, value in states.items() if key not in (*_OF_DEEPSPEED, *_WEIGHTS)}


def read_weights(path: Path) -> Mapping[str, Any]:
    """Name → whole weight, in float32 where DeepSpeed keeps them so.

    Weights stay on the disk until they are asked for; those of ZeRO-3 lie in several files, and ``contiguous()`` of
    one puts it together.

    Args:
        path: A file, or DeepSpeed's directory.
    """
    if not path.is_dir():
        weights: Mapping[str, Any] = _load(path, of=path)["state_dict"]
        return weights
    from deepspeed.utils.zero_to_fp32 import get_fp32_state_dict_from_zero_checkpoint

    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):  # it chats
        sharded: Mapping[str, Any] = get_fp32_state_dict_from_zero_checkpoint(str(path), lazy_mode=True)
    return sharded


def read_model(path: str, dtype: DType, *, lora: Lora | None = None, option: str = "--model.model") -> dict[str, Any]:
    """Name → whole weight of a Hugging Face folder or hub id, as the module in training names them.

    Args:
        path: Folder or hub id.
        dtype: Type of the weights.
        lora: Adapters, which begin with the same values in every process of a run.
        option: How the user gave the path.

    Raises:
        InputError: There is no such model.
    """
    policy = load_policy(path, dtype, lora=lora, option=option)
    return {f"policy.{name}": parameter for name, parameter in policy.named_parameters()}


def _load(file: Path, *, of: Path) -> dict[str, Any]:
    try:
        contents = torch.load(file, map_location="cpu", mmap=True, weights_only=False)
    except Exception as error:  # whatever a file of unknown origin makes of unpickling
        line = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"expected a checkpoint at {of}, but {file.name} cannot be read: {line}") from error
    return contents if isinstance(contents, dict) else {}


@torch.no_grad()
def restore_weights(
    model: torch.nn.Module, read: Callable[[], Mapping[str, Any]], *, device: torch.device | None = None
) -> None:
    """Give the parameters that are trained other values, in the middle of a fit; the others never change.

    Rank 0 reads and the others are told, one weight at a time. DeepSpeed's float32 weights, which its optimizer steps
    from, are set too. All ranks call it together.

    Args:
        model: The module in training.
        read: Makes name → whole weight; called on rank 0 alone.
        device: Where the ranks talk; by default that of each parameter.

    Raises:
        InputError: The weights are those of another model.
    """
    is_shared = distributed.is_available() and distributed.is_initialized()
    is_first = not is_shared or distributed.get_rank() == 0
    trained = {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}
    weights = read() if is_first else {}
    if is_first:
        check_weights(model, weights)
    for name, parameter in trained.items():
        value = torch.empty(_shape(parameter), dtype=torch.float32, device=device or parameter.device)
        if is_first:
            value.copy_(weights[name].contiguous())
        if is_shared:
            distributed.broadcast(value, src=0)
        _assign(parameter, value)


def _assign(parameter: torch.nn.Parameter, value: torch.Tensor) -> None:
    if not is_sharded(parameter) and not hasattr(parameter, "_hp_mapping"):
        parameter.copy_(value)
        return
    from deepspeed.utils import safe_set_full_fp32_param

    if hasattr(parameter, "_z3_optimizer") or hasattr(parameter, "_hp_mapping"):  # in a fit, not in a test
        safe_set_full_fp32_param(parameter, value)
    with writable([parameter]):
        parameter.data.copy_(value)


def _shape(parameter: torch.nn.Parameter) -> torch.Size:
    return torch.Size(getattr(parameter, "ds_shape", parameter.shape))


def check_weights(model: torch.nn.Module, weights: Mapping[str, Any]) -> None:
    """Compare names and shapes with those of the parameters that are trained.

    Args:
        model: The module in training.
        weights: Name → whole weight.

    Raises:
        InputError: The weights are those of another model.
    """
    strange = sorted(set(weights) - set(model.state_dict()))
    if strange:
        raise InputError(
            f"expected weights of the model in training, but {strange[0]} is none of its parameters "
            f"({len(strange)} such of {len(weights)}): give the --model.model and --model.lora that they belong to"
        )
    shapes = {name: _shape(parameter) for name, parameter in model.named_parameters() if parameter.requires_grad}
    wrong = [name for name, shape in shapes.items() if name not in weights or weights[name].shape != shape]
    if wrong:
        has = f"the shape {tuple(weights[wrong[0]].shape)}" if wrong[0] in weights else "none"
        raise InputError(
            f"expected weights of the model in training, but of {wrong[0]}, {tuple(shapes[wrong[0]])}, the checkpoint "
            f"has {has} ({len(wrong)} of {len(shapes)} parameters differ): give the --model.model and --model.lora "
            "that it was trained with"
        )
