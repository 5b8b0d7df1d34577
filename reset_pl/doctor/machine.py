"""Devices, their memory, what they talk by, and the strategy's needs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from importlib.util import find_spec

import torch
import torch.distributed

from reset_pl.doctor.finding import Finding, ok, red, warning
from reset_pl.planning.hardware import Hardware
from reset_pl.planning.memory import Memory
from reset_pl.planning.plan import gigabytes
from reset_pl.sampling.vllm import VllmSampler

_FULL = 0.9
"""Share of the memory above which fragments and what is not forecast may not fit."""
_LESS = (
    "more GPUs under DeepSpeed stage 3, --model.activation_checkpointing true, a larger "
    "--trainer.accumulate_grad_batches, or --model.lora.rank 16"
)


def check_devices(hardware: Hardware, memory: Memory | None, samplers: list[object]) -> Iterator[Finding]:
    """Count, memory, bf16 and communication.

    Args:
        hardware: What is configured.
        memory: The forecast of a device's memory; none where the model is not known.
        samplers: Those of the callbacks.
    """
    if hardware.accelerator == "gpu":
        yield from _gpus(hardware, memory, samplers)
        yield from _allocator(samplers)
    else:
        yield ok("devices", str(hardware))
        yield from _memory(memory, _machine_memory() // hardware.devices, "process", "a smaller model")
    if hardware.processes > 1:
        yield _communication(hardware)


def _gpus(hardware: Hardware, memory: Memory | None, samplers: list[object]) -> Iterator[Finding]:
    found = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if found < hardware.devices:
        seen = f"{found} GPUs" if found else "no GPU"
        yield red(
            "devices",
            f"{hardware.devices} are configured, but PyTorch sees {seen} here",
            "run this on the machine that will train, see to driver, CUDA build of torch and CUDA_VISIBLE_DEVICES, or "
            "lower --trainer.devices",
        )
        if memory is not None:
            yield ok("memory", f"about {gigabytes(memory.total)} a GPU will be needed in training, the sampler on top")
        return
    yield ok("devices", f"{hardware}: {torch.cuda.get_device_name(0)}")
    if hardware.precision.startswith("bf16") and not torch.cuda.is_bf16_supported(including_emulation=False):
        yield red("bf16", "these GPUs cannot compute in bfloat16", "--trainer.precision 16-mixed --model.dtype float32")
    total = torch.cuda.get_device_properties(0).total_memory
    share = max([sampler.gpu_memory_utilization for sampler in samplers if isinstance(sampler, VllmSampler)] or [0.0])
    yield from _memory(memory, int(total * (1 - share)), "GPU", _LESS)


def _memory(memory: Memory | None, available: int, what: str, fix: str) -> Iterator[Finding]:
    if memory is None:
        return
    text = f"about {gigabytes(memory.total)} a {what} in training, {gigabytes(available)} are there beside the sampler"
    if memory.total > available:
        yield red("memory", text, fix)
    elif memory.total > _FULL * available:
        yield warning("memory", text, fix)
    else:
        yield ok("memory", text)


def _machine_memory() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def _allocator(samplers: list[object]) -> Iterator[Finding]:
    """The variable reaches vLLM too, which cannot give memory back with segments that expand (vllm#11743)."""
    for name in ("PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"):
        is_expanding = "expandable_segments:true" in os.environ.get(name, "").replace(" ", "").lower()
        if is_expanding and any(isinstance(sampler, VllmSampler) for sampler in samplers):
            yield warning(
                "allocator", f"{name} has expandable_segments:True, which vLLM does not go with", f"unset {name}"
            )


def _communication(hardware: Hardware) -> Finding:
    if hardware.accelerator == "cpu":
        return ok("processes", f"{hardware.processes}, which talk by gloo")
    if not torch.distributed.is_nccl_available():
        return red("processes", "this build of torch has no NCCL", "install the CUDA build of torch for Linux")
    return ok("processes", f"{hardware.processes}, which talk by NCCL {'.'.join(map(str, torch.cuda.nccl.version()))}")


def check_strategy(hardware: Hardware) -> Iterator[Finding]:
    """What DeepSpeed needs."""
    if not hardware.zero_stage:
        return
    if find_spec("deepspeed") is None:
        yield red("deepspeed", "not installed", "pip install 'deepspeed>=0.19,<0.20' (Linux)")
        return
    yield ok("deepspeed", f"stage {hardware.zero_stage}")
    compiler = os.environ.get("CXX") or "c++"
    if hardware.offloads and (shutil.which(compiler) is None or shutil.which("ninja") is None):
        yield red(
            "offloading",
            "the optimizer on the CPU is compiled at first use, but there is no C++ compiler or no ninja",
            "install g++ and ninja, or name the compiler in CXX",
        )
