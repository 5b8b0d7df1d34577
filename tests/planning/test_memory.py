"""The memory estimate against published figures, and against tensors on this machine."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from reset_pl.planning.hardware import Hardware
from reset_pl.planning.memory import Memory, training_memory
from reset_pl.planning.model_size import ModelSize, model_size
from reset_pl.policy.adapters import Lora
from reset_pl.policy.load import load_policy
from reset_pl.tuning.preference import PreferenceTuning


def hardware(stage: int, processes: int, precision: str = "bf16-true", offloads: bool = False) -> Hardware:
    return Hardware(
        accelerator="gpu",
        devices=processes,
        nodes=1,
        precision=precision,
        strategy="DeepSpeedStrategy" if stage else "auto",
        zero_stage=stage,
        offloads=offloads,
    )


def memory(size: ModelSize, on: Hardware, dtype: str = "bfloat16", checkpointing: bool = False) -> Memory:
    return training_memory(
        size,
        on,
        dtype=dtype,
        quantized=False,
        activation_checkpointing=checkpointing,
        rows=1,
        max_length=10,
        max_targets=5,
    )


def of(parameters: int) -> ModelSize:
    return ModelSize(parameters=parameters, trained=parameters, layers=2, width=8, vocabulary=100, cache_width=16)


@pytest.mark.parametrize(("stage", "gigabytes"), [(1, 31.4), (2, 16.6), (3, 1.9)])
def test_the_figures_of_the_zero_paper(stage: int, gigabytes: float) -> None:
    """Figure 1 of arXiv 1910.02054: model states of 7.5 B parameters on 64 GPUs."""
    got = memory(of(7_500_000_000), hardware(stage, 64))
    assert (got.weights + got.gradients + got.optimizer) / 1e9 == pytest.approx(gigabytes, abs=0.06)


def test_offloaded_state_takes_no_device_memory() -> None:
    assert memory(of(1000), hardware(3, 2, offloads=True)).optimizer == 0


@pytest.mark.parametrize("lora", [None, Lora(rank=2)])
def test_weights_gradients_and_moments_of_a_real_step(tiny_model: Path, lora: Lora | None) -> None:
    policy = load_policy(str(tiny_model), "float32", lora=lora)
    optimizer = torch.optim.AdamW([p for p in policy.parameters() if p.requires_grad])
    policy(input_ids=torch.tensor([[3, 4, 5]])).logits.sum().backward()
    optimizer.step()
    moments = [t for state in optimizer.state.values() for t in state.values() if t.ndim > 0]
    got = memory(model_size(str(tiny_model), lora), hardware(0, 1, precision="32-true"), dtype="float32")
    assert got.weights == sum(p.nbytes for p in policy.parameters())
    assert got.gradients == sum(p.grad.nbytes for p in policy.parameters() if p.grad is not None)
    assert got.optimizer == sum(t.nbytes for t in moments)


def test_a_frozen_reference_adds_its_weights_alone(tiny_model: Path) -> None:
    module = PreferenceTuning(str(tiny_model))
    module.configure_model()
    size, whole = model_size(str(tiny_model), None), {"dtype": "float32", "quantized": False, "rows": 1}
    lengths = {"activation_checkpointing": False, "max_length": 10, "max_targets": 5}
    got = training_memory(size, hardware(0, 1), has_reference=True, **whole, **lengths)
    assert got.weights == sum(p.nbytes for p in module.parameters())
    assert got.gradients == sum(p.nbytes for p in module.parameters() if p.requires_grad)
    sharded = training_memory(size, hardware(3, 2), has_reference=True, **whole, **lengths)
    assert sharded.weights == got.weights // 2


def test_recomputed_activations_take_less() -> None:
    size = ModelSize(parameters=1, trained=1, layers=32, width=4096, vocabulary=32000, cache_width=8192)
    whole, again = (memory(size, hardware(0, 1), checkpointing=flag).activations for flag in (False, True))
    assert whole > 5 * again > 0
