"""The processes of a run: started by Slurm or by Lightning, one a device, and ended together."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch.distributed
from lightning.pytorch.plugins.environments import SLURMEnvironment

from reset_pl.errors import InputError
from reset_pl.interruption import STATUS

_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_GRACE = 5.0  # seconds


class SlurmJob(SLURMEnvironment):
    """The ranks of a Slurm job; its batch script puts it back into the queue (``slurm/fit.sbatch``).

    Lightning's own requeueing saves inside the signal handler, which hangs when the ranks are not in step.
    """

    def __init__(self) -> None:
        super().__init__(auto_requeue=False)

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        """Compare the trainer with the allocation.

        Raises:
            InputError: It would wait for processes that Slurm has not started, or leave some out.
        """
        for option, given, variable, flag in (
            ("num_nodes", num_nodes, "SLURM_NNODES", "--nodes"),
            ("devices", num_devices, "SLURM_NTASKS_PER_NODE", "--ntasks-per-node"),
        ):
            allocated = os.environ.get(variable)
            if allocated is not None and int(allocated) != given:
                raise InputError(
                    f"expected --trainer.{option} {allocated}, since this Slurm job has {flag} {allocated}, but got "
                    f"{given}: leave --trainer.{option} out (slurm/fit.sbatch sets it), or submit with {flag} {given}"
                )


@contextmanager
def process_group_ended() -> Iterator[None]:
    """End the process group behind a run: gloo aborts the interpreter now and then when that is left to it.

    Raises:
        InputError: The port where the processes were to meet is in use.
    """
    try:
        yield
    except torch.distributed.DistNetworkError as error:
        if "EADDRINUSE" not in str(error):
            raise
        raise InputError(
            f"expected a free port for the processes to meet, but MASTER_PORT {os.environ.get('MASTER_PORT')} is in "
            "use on this machine: end what uses it, or set MASTER_PORT to another"
        ) from error
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@contextmanager
def launcher_speaks_first() -> Iterator[None]:
    """Bad input mostly meets all ranks: one that Lightning started lets the process that did say so, and ends with it.

    Lightning kills that process, without its exit status and its line, as soon as one of its ranks has ended.
    """
    try:
        yield
    except InputError:
        if _is_launched():
            time.sleep(_GRACE)
        raise


def status_when_interrupted() -> int:
    """Exit status of this process: 75, but 0 where Lightning started it, which kills the others on any status else."""
    return 0 if _is_launched() else STATUS


def end_with_launcher() -> None:
    """A rank that Lightning started ends with the process that did: waiting for it by files, it would never notice."""
    if _is_launched() and sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _is_launched() -> bool:
    return not SlurmJob.detect() and int(os.environ.get("LOCAL_RANK", "0")) > 0
