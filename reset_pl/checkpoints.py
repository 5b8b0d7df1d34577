"""What lies in ``checkpoints/``: names, which are whole, and where a restart goes on."""

from __future__ import annotations

import json
import re
import shutil
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reset_pl.errors import InputError
from reset_pl.progress import say

_NAME = re.compile(r"(?P<stage>.+?)-(?:step=)?(?P<step>\d{6,}|(?<==)\d+)(?:-best-(?P<loss>-?[\d.]+))?\.ckpt")
_SEAL = "complete.json"


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint on the disk; whether it is whole is another question."""

    path: Path
    """A file, or DeepSpeed's directory."""
    stage: str
    """The stage that its weights belong to."""
    step: int
    """Optimizer steps of the run."""
    loss: float | None
    """Validation loss, where it is the best of its stage; else null."""

    @property
    def is_complete(self) -> bool:
        """Whether nothing of it is missing or cut short."""
        return is_complete(self.path)


def checkpoint_name(stage: str, step: int, loss: float | None = None) -> str:
    """Name of a checkpoint.

    Args:
        stage: The stage of the weights.
        step: Optimizer steps of the run.
        loss: Its validation loss, to mark the best of its stage.

    >>> checkpoint_name("mtl", 120), checkpoint_name("round-000", 180, 1.25)
    ('mtl-000120.ckpt', 'round-000-000180-best-1.250000.ckpt')
    """
    return f"{stage}-{step:06d}{'' if loss is None else f'-best-{loss:.6f}'}.ckpt"


def checkpoints(folder: Path) -> list[Checkpoint]:
    """All checkpoints of a run, the furthest first; of one step the later first, since it knows more.

    Args:
        folder: The run's ``checkpoints``.
    """
    found = []
    for path in folder.glob("*.ckpt"):
        name = _NAME.fullmatch(path.name)
        if name is not None and not path.name.startswith("."):
            loss = name["loss"]
            found.append(
                Checkpoint(
                    path=path, stage=name["stage"], step=int(name["step"]), loss=None if loss is None else float(loss)
                )
            )
    return sorted(found, key=lambda one: (one.step, one.path.stat().st_mtime), reverse=True)


def newest_checkpoint(folder: Path, *, warn: Callable[[str], None] = say) -> Path | None:
    """The furthest checkpoint that is whole; those passed over are named in a warning.

    Args:
        folder: The run's ``checkpoints``.
        warn: Says the warning.

    Raises:
        InputError: There are checkpoints, but none is whole.
    """
    broken: list[str] = []
    for one in checkpoints(folder):
        if one.is_complete:
            if broken:
                warn(f"warning: {', '.join(broken)} lacks a part or is cut short: going back to {one.path.name}")
            return one.path
        broken.append(one.path.name)
    if broken:
        raise InputError(
            f"expected a whole checkpoint in {folder}, but a part is missing or cut short in all of them "
            f"({', '.join(broken)}): restore the files, name another with --ckpt_path, or move them away to begin anew"
        )
    return None


def best_checkpoint(folder: Path, stage: str) -> Checkpoint | None:
    """The checkpoint marked as the best of a stage; none where none was, or where the stage's end is the best.

    Args:
        folder: The run's ``checkpoints``.
        stage: The stage.
    """
    marked = [one for one in checkpoints(folder) if one.stage == stage and one.loss is not None and one.is_complete]
    return min(marked, key=lambda one: (one.loss, one.step), default=None)


def stage_weights(folder: Path, stage: str) -> Path | None:
    """The checkpoint with the weights that a stage left to the next: its best, or else its end.

    Args:
        folder: The run's ``checkpoints``.
        stage: The stage.
    """
    best = best_checkpoint(folder, stage)
    if best is not None:
        return best.path
    return next((one.path for one in checkpoints(folder) if one.stage == stage and one.is_complete), None)


# ---------------------------------------------------------------------- whole or not


def seal(folder: Path, *, shards: list[str], world_size: int, zero_stage: int) -> None:
    """Write into a directory what belongs to it; the last thing before it gets its name.

    Args:
        folder: DeepSpeed's directory.
        shards: Its files, relative to it: all that any rank sees of them.
        world_size: Processes that wrote it.
        zero_stage: Stage of ZeRO.
    """
    contents = {"world_size": world_size, "zero_stage": zero_stage, "shards": sorted(shards)}
    (folder / _SEAL).write_text(json.dumps(contents, indent=2) + "\n")


def shards_in(folder: Path) -> list[str]:
    """Files of DeepSpeed's directory that hold tensors, relative to it."""
    return [str(path.relative_to(folder)) for path in folder.rglob("*.pt")]


def sharding(path: Path) -> tuple[int, int] | None:
    """Number of processes and stage of ZeRO that wrote a directory; none of a file.

    Raises:
        InputError: It is a directory, but not a whole one of ours.
    """
    if not path.is_dir():
        return None
    try:
        contents = json.loads((path / _SEAL).read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"expected a checkpoint that fit wrote at {path}, but it has no readable {_SEAL}") from error
    return contents["world_size"], contents["zero_stage"]


def is_complete(path: Path) -> bool:
    """Whether a checkpoint is whole: torch writes zip archives, whose table of contents comes last."""
    try:
        return all(zipfile.is_zipfile(file) for file in _files(path))
    except (OSError, ValueError, KeyError):
        return False


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for shard in json.loads((path / _SEAL).read_text())["shards"]:
        yield path / shard


# ---------------------------------------------------------------------- appearing and disappearing at once


def unfinished(path: Path) -> Path:
    """Where a checkpoint is written before it gets its name."""
    return path.with_name(f".{path.name}.tmp")


def discard(path: Path) -> None:
    """Delete a checkpoint, which loses its name first: one that is half deleted is never taken for a whole one."""
    doomed = unfinished(path)
    _delete(doomed)
    if path.exists():
        path.replace(doomed)
        _delete(doomed)


def clear(folder: Path) -> None:
    """Delete what a kill left half written or half deleted."""
    for path in folder.glob(".*.ckpt.tmp"):
        _delete(path)


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
