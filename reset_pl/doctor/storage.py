"""Disk and directories."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from reset_pl.doctor.finding import Finding, ok, red, warning
from reset_pl.planning.disk import Disk, free_bytes
from reset_pl.planning.plan import gigabytes

SHARED_MEMORY = Path("/dev/shm")
_ENOUGH_SHARED_MEMORY = 10**9


def check_disk(run_dir: Path, disk: Disk | None) -> Iterator[Finding]:
    """The run directory's forecast against what is free.

    Args:
        run_dir: The run directory, there or not.
        disk: The forecast; none where the model is not known.
    """
    if disk is None:
        return
    free = free_bytes(run_dir)
    text = f"about {gigabytes(disk.total)} for the run, {gigabytes(free)} are free at {run_dir}"
    if disk.total > free:
        yield red("disk", text, "free some, or give --trainer.default_root_dir a larger disk")
    else:
        yield ok("disk", text)


def check_directories(wanted: dict[str, Path]) -> Iterator[Finding]:
    """Whether each can be written, or made.

    Args:
        wanted: Option that names it → the directory.
    """
    for option, folder in wanted.items():
        problem = _problem(folder)
        if problem is None:
            yield ok("directory", f"{folder} can be written ({option})")
        else:
            yield red("directory", f"{folder} cannot be written: {problem}", f"give {option} another one")


def check_export_room(folder: Path, size: int) -> Iterator[Finding]:
    """Room for the weights that are handed to a sampler."""
    if _problem(folder) is None and free_bytes(folder) < size:
        yield red(
            "export",
            f"the sampler reads the weights ({gigabytes(size)}) from {folder}, where {gigabytes(free_bytes(folder))} "
            "are free",
            "give sampler.export_dir a larger disk",
        )


def check_shared_memory(processes: int, num_workers: int) -> Iterator[Finding]:
    """Loader workers and NCCL pass data through it; containers have 64 MB by default."""
    if not SHARED_MEMORY.exists() or (processes == 1 and num_workers == 0):
        return
    size = shutil.disk_usage(SHARED_MEMORY).total
    if size < _ENOUGH_SHARED_MEMORY:
        yield warning(
            "shared memory", f"{SHARED_MEMORY} has {gigabytes(size)}", "start the container with --shm-size 8g"
        )


def _problem(folder: Path) -> str | None:
    """Why nothing can be written there: by trying, in the folder or in the one where it would be made."""
    while not os.path.lexists(folder):
        folder = folder.parent
    try:
        with tempfile.TemporaryFile(dir=folder):
            return None
    except OSError as error:
        return error.strerror or str(error)
