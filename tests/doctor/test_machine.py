"""Devices, with GPUs made up where there are none."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from reset_pl.doctor import machine
from reset_pl.doctor.finding import Finding
from reset_pl.doctor.machine import check_devices, check_strategy
from reset_pl.planning.hardware import Hardware
from reset_pl.planning.memory import Memory
from reset_pl.sampling.vllm import VllmSampler

GIGABYTE = 10**9


def hardware(**changes: Any) -> Hardware:
    settings: dict[str, Any] = {
        "accelerator": "gpu",
        "devices": 2,
        "nodes": 1,
        "precision": "bf16-true",
        "strategy": "DeepSpeedStrategy",
        "zero_stage": 3,
        "offloads": False,
    }
    return Hardware(**{**settings, **changes})


def needs(gigabytes: float) -> Memory:
    return Memory(weights=int(gigabytes * GIGABYTE), gradients=0, optimizer=0, activations=0)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two of 80 GB."""
    for name, answer in (
        ("is_available", True),
        ("device_count", 2),
        ("get_device_name", "H100"),
        ("is_bf16_supported", True),
        ("get_device_properties", SimpleNamespace(total_memory=80 * GIGABYTE)),
    ):
        monkeypatch.setattr(torch.cuda, name, lambda *_, answer=answer, **__: answer)
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: True)
    monkeypatch.setattr(torch.cuda.nccl, "version", lambda: (2, 28, 3))
    monkeypatch.delenv("PYTORCH_CUDA_ALLOC_CONF", raising=False)


def levels(findings: list[Finding]) -> dict[str, str]:
    return {finding.subject: finding.level for finding in findings}


@pytest.mark.usefixtures("gpus")
def test_all_is_well() -> None:
    assert set(levels(list(check_devices(hardware(), needs(50), []))).values()) == {"ok"}


@pytest.mark.usefixtures("gpus")
@pytest.mark.parametrize(
    ("changes", "gigabytes", "sampler", "subject", "level"),
    [
        ({"devices": 4}, 1, None, "devices", "red"),
        ({}, 90, None, "memory", "red"),
        ({}, 75, None, "memory", "warning"),
        ({}, 50, VllmSampler(gpu_memory_utilization=0.5), "memory", "red"),
    ],
)
def test_one_thing_is_wrong(
    changes: dict[str, Any], gigabytes: float, sampler: object, subject: str, level: str
) -> None:
    samplers = [sampler] if sampler else []
    found = list(check_devices(hardware(**changes), needs(gigabytes), samplers))
    assert levels(found)[subject] == level
    assert all(finding.fix for finding in found if finding.level != "ok")


@pytest.mark.usefixtures("gpus")
def test_gpus_without_bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda *_, **__: False)
    assert levels(list(check_devices(hardware(), None, [])))["bf16"] == "red"
    assert "bf16" not in levels(list(check_devices(hardware(precision="16-mixed"), None, [])))


@pytest.mark.usefixtures("gpus")
def test_expanding_segments_beside_vllm(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "expandable_segments:True")
    assert levels(list(check_devices(hardware(), None, [VllmSampler()])))["allocator"] == "warning"
    assert "allocator" not in levels(list(check_devices(hardware(), None, [])))


@pytest.mark.usefixtures("gpus")
def test_no_nccl(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: False)
    assert levels(list(check_devices(hardware(), None, [])))["processes"] == "red"


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_gpus_configured_where_there_are_none() -> None:
    found = list(check_devices(hardware(), needs(20), []))
    assert levels(found)["devices"] == "red"
    assert "no GPU" in found[0].text
    assert "about 20.0 GB" in found[1].text


def test_a_machine_with_too_little_memory() -> None:
    cpu = hardware(accelerator="cpu", devices=1, strategy="auto", zero_stage=0)
    assert levels(list(check_devices(cpu, needs(10**6), []))) == {"devices": "ok", "memory": "red"}


def test_deepspeed_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert levels(list(check_strategy(hardware()))) == {"deepspeed": "ok"}
    monkeypatch.setattr(machine, "find_spec", lambda _: None)
    assert levels(list(check_strategy(hardware()))) == {"deepspeed": "red"}
    assert list(check_strategy(hardware(zero_stage=0))) == []


def test_offloading_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CXX", "no-such-compiler")
    assert levels(list(check_strategy(hardware(offloads=True)))) == {"deepspeed": "ok", "offloading": "red"}
    assert levels(list(check_strategy(hardware()))) == {"deepspeed": "ok"}
