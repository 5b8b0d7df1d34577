"""DeepSpeed's ZeRO (arXiv 1910.02054): the optimizer's state, gradients and weights sharded over the processes."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from lightning.fabric.utilities.seed import reset_seed
from lightning.pytorch.strategies import DDPStrategy, DeepSpeedStrategy


class CpuDeepSpeedStrategy(DeepSpeedStrategy):
    """Lightning's DeepSpeed strategy, which refuses machines without a GPU, on CPUs: for tests and small models.

    Args:
        process_group_backend: How the processes talk.
        kwargs: Those of Lightning's strategy, ``stage`` first of all.
    """

    def __init__(self, process_group_backend: str = "gloo", **kwargs: Any) -> None:
        os.environ.setdefault("DS_ACCELERATOR", "cpu")  # read when DeepSpeed is imported, by what follows
        super().__init__(process_group_backend=process_group_backend, **kwargs)

    @property
    def root_device(self) -> torch.device:
        """The CPU; DeepSpeed asks for its number."""
        return torch.device("cpu", 0)

    def setup_environment(self) -> None:
        """What Lightning does on GPUs, without its check that there is one."""
        DDPStrategy.setup_environment(self)

    def setup_distributed(self) -> None:
        """Start the process group, without what Lightning asks of GPUs."""
        import deepspeed

        # Collectives through shared memory, which DeepSpeed compiles at first use: for inference only, gloo does.
        deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
        reset_seed()
        self.set_world_ranks()
        self._init_deepspeed_distributed()


def deepspeed_config(strategy: Any) -> dict[str, Any] | None:
    """DeepSpeed's configuration, or none where another strategy trains.

    It is given a batch size, which serves DeepSpeed's log only: else Lightning would build the training loader for it,
    before checkpoint and round have said what is read. And PyTorch's AdamW may run on CPUs (``offload_optimizer``):
    DeepSpeed's own is faster there, but wants a compiler.

    Args:
        strategy: The trainer's.
    """
    if not isinstance(strategy, DeepSpeedStrategy):
        return None
    assert isinstance(strategy.config, dict)
    strategy.config.setdefault("train_micro_batch_size_per_gpu", 1)
    strategy.config.setdefault("zero_force_ds_cpu_optimizer", False)
    return strategy.config


def zero_stage(config: Mapping[str, Any] | None) -> int:
    """Stage of ZeRO: 1 shards the optimizer's state, 2 gradients too, 3 weights too; 0 nothing.

    >>> zero_stage(None), zero_stage({"zero_optimization": {"stage": 3}})
    (0, 3)
    """
    return int((config or {}).get("zero_optimization", {}).get("stage", 0))


@contextmanager
def loaded_in_shards(config: dict[str, Any] | None) -> Iterator[None]:
    """Under ZeRO-3 transformers loads a model straight into its shards: no process ever holds all of it.

    Args:
        config: DeepSpeed's.
    """
    if zero_stage(config) < 3:
        yield
        return
    from transformers.integrations import HfDeepSpeedConfig, unset_hf_deepspeed_config

    alive = HfDeepSpeedConfig(config)  # transformers knows it by a weak reference
    try:
        yield
    finally:
        del alive
        unset_hf_deepspeed_config()
