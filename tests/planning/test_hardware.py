"""A trainer's settings → processes and sharding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from jsonargparse import Namespace

from reset_pl.planning.hardware import hardware_of


def trainer(**changes: Any) -> Namespace:
    settings = {"accelerator": "cpu", "devices": "auto", "num_nodes": 1, "precision": None, "strategy": "auto"}
    return Namespace(**{**settings, **changes})


@pytest.mark.parametrize(("devices", "count"), [(8, 8), ("4", 4), ("auto", 1), ([0, 2], 2), ("0,1,3", 3), (-1, 1)])
def test_devices_in_every_spelling(devices: Any, count: int) -> None:
    assert hardware_of(trainer(devices=devices, num_nodes=2)).processes == 2 * count


def test_strategies_by_class_and_by_name() -> None:
    init_args = Namespace(stage=3, offload_optimizer=True)
    strategy = Namespace(class_path="lightning.pytorch.strategies.DeepSpeedStrategy", init_args=init_args)
    sharded = hardware_of(trainer(strategy=strategy, accelerator="gpu", devices=8))
    assert (sharded.zero_stage, sharded.offloads) == (3, True)
    assert str(sharded) == "8 × GPU, strategy DeepSpeed stage 3, precision 32-true"
    by_name = hardware_of(trainer(strategy="deepspeed_stage_2_offload"))
    assert (by_name.zero_stage, by_name.offloads) == (2, True)
    plain = hardware_of(trainer(strategy="ddp"))
    assert (plain.zero_stage, plain.offloads) == (0, False)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_auto_without_a_gpu_is_the_cpu() -> None:
    assert hardware_of(trainer(accelerator="auto")).accelerator == "cpu"
