"""What a fit is to run on, as its configuration says."""

from __future__ import annotations

import re
from collections.abc import Sized
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """Processes and how they share the model."""

    accelerator: str
    """``gpu`` or ``cpu``."""
    devices: int
    """Processes of a node, each with a device of its own."""
    nodes: int
    """Machines."""
    precision: str
    """The trainer's, ``bf16-true`` for example."""
    strategy: str
    """Its class or short name."""
    zero_stage: int
    """DeepSpeed's, 0 without it."""
    offloads: bool
    """Whether DeepSpeed keeps the optimizer's state on the CPU."""

    @property
    def processes(self) -> int:
        """On all nodes together."""
        return self.devices * self.nodes

    def __str__(self) -> str:
        """One line."""
        nodes = f" on each of {self.nodes} nodes" if self.nodes > 1 else ""
        zero = f"DeepSpeed stage {self.zero_stage}" if self.zero_stage else self.strategy
        return f"{self.devices} × {self.accelerator.upper()}{nodes}, strategy {zero}, precision {self.precision}"


def hardware_of(trainer: Any) -> Hardware:
    """Read the resolved settings of a trainer; no device is touched but to count it where they say ``auto``.

    Args:
        trainer: The ``trainer`` of a configuration.
    """
    accelerator = str(trainer.accelerator)
    if accelerator in ("auto", "cuda"):
        accelerator = "gpu" if accelerator == "cuda" or torch.cuda.is_available() else "cpu"
    strategy, options = trainer.strategy, {}
    if not isinstance(strategy, str):
        strategy, options = strategy.class_path.rpartition(".")[2], dict(strategy.get("init_args") or {})
    is_deepspeed = "deepspeed" in strategy.lower()
    named_stage = re.search(r"stage_(\d)", strategy)
    stage = int(named_stage[1]) if named_stage else int(options.get("stage", 2))
    return Hardware(
        accelerator=accelerator,
        devices=_count(trainer.devices, accelerator),
        nodes=int(trainer.num_nodes),
        precision=str(trainer.precision or "32-true"),
        strategy=strategy,
        zero_stage=stage if is_deepspeed else 0,
        offloads=is_deepspeed and (bool(options.get("offload_optimizer")) or "offload" in strategy),
    )


def _count(devices: Any, accelerator: str) -> int:
    """How many devices Lightning would take: a number, a list of them, ``auto`` or -1 for all."""
    if isinstance(devices, Sized) and not isinstance(devices, str):
        return len(devices)
    text = str(devices)
    if "," in text:
        return len([part for part in text.split(",") if part.strip()])
    if text in ("auto", "-1"):
        return max(torch.cuda.device_count(), 1) if accelerator == "gpu" else 1
    return int(text)
