"""Going on from a checkpoint that other processes wrote."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.strategies import DeepSpeedStrategy

from reset_pl.checkpoints import is_complete, sharding
from reset_pl.errors import InputError
from reset_pl.policy.restore import check_weights, read_states, read_weights, restore_weights
from reset_pl.progress import say
from reset_pl.tuning.strategies import zero_stage


def present_sharding(trainer: L.Trainer) -> tuple[int, int] | None:
    """Number of processes and stage of ZeRO under which this fit writes checkpoints; none where it writes files."""
    if not isinstance(trainer.strategy, DeepSpeedStrategy):
        return None
    return trainer.world_size, zero_stage(trainer.strategy.config)


def resume_from_any(trainer: L.Trainer) -> None:
    """Let a restart go on from a checkpoint of another number of processes, or of another strategy.

    DeepSpeed keeps a process's share of the optimizer's moments and nothing else (DeepSpeed#2898), so such a restart
    goes on from the weights with fresh moments. All else is kept: stage, schedule, place in the data, the curated pool;
    optimizer steps hold the same rows on any number of processes. Files of plain runs hold everything for all.

    Args:
        trainer: Before it sets up its strategy.
    """
    load = trainer.strategy.load_checkpoint
    trainer.strategy.load_checkpoint = partial(_load, trainer, load)  # type: ignore[method-assign]


def _load(trainer: L.Trainer, load: Any, checkpoint_path: str, weights_only: bool | None = None) -> dict[str, Any]:
    path = Path(trainer.strategy.broadcast(str(checkpoint_path)))  # a network file system may show ranks unlike ones
    states = read_states(path)
    if not is_complete(path):
        raise InputError(
            f"expected a whole checkpoint at {path}, but a part of it is missing or cut short: leave --ckpt_path out, "
            "and the newest whole one of the run is taken"
        )
    before, now = sharding(path), present_sharding(trainer)
    if before == now:
        loaded: dict[str, Any] = load(path, weights_only=weights_only)
        if now is None:
            check_weights(trainer.lightning_module, loaded["state_dict"])
        return loaded
    if trainer.is_global_zero:
        say(
            f"{path.name} was written by {_in_words(before)}, and this run has {_in_words(now)}: going on from its "
            "weights with fresh moments"
        )
    module = trainer.lightning_module
    restore_weights(module, partial(read_weights, path), device=trainer.strategy.root_device)
    return {**states, "state_dict": {} if now else module.state_dict(), "optimizer_states": []}


def _in_words(sharding: tuple[int, int] | None) -> str:
    if sharding is None:
        return "processes with whole weights"
    world_size, stage = sharding
    return f"{world_size} {'process' if world_size == 1 else 'processes'} under DeepSpeed stage {stage}"
