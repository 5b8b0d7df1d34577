"""What earlier settings, sets that are no longer wanted, or a kill left in the folder of a preparation.

Only files that ``prepare`` or the encoder made are deleted, known by their names and places, and folders that are empty
then. Others may be at work in the folder: what looks unfinished goes when its process is gone, or after a day.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from reset_pl.preparation.plan import SPLITS
from reset_pl.preparation.sets import PreparedSet

DAY = 24 * 60 * 60
"""Seconds after which what is unfinished is left over, whoever began it."""
SCRATCH = f".overlap-{socket.gethostname()}-{os.getpid()}-"
"""Beginning of the name of this process's folder for a comparison."""

_PART = re.compile(r"\d\d-.*-[0-9a-f]{12}-\d{5}-of-\d{5}\.arrow|rows-[0-9a-f]{16}\.npy")
_TEMPORARY = re.compile(r"\..*\.\d+\.tmp")
_ENCODED = ("tokens.bin", "offsets.npy", "prompt_lengths.npy", "meta.json")
_SCRATCH = ("known.npy", "may_be_known.npy")


def sweep(prepared: Sequence[PreparedSet], folder: Path) -> None:
    """Delete what belongs to no set.

    Args:
        prepared: The sets of the manifest.
        folder: The folder of the preparation.
    """
    used = {path for own in prepared for path in _files_of(own, folder)}
    for scratch in folder.glob(".overlap-*"):
        if _is_left(scratch):
            _delete(scratch, _SCRATCH)
    for home in (path for split in SPLITS for path in folder.glob(f"{split}/*/")):
        stale = [path for path in home.iterdir() if _PART.fullmatch(path.name) and path not in used]
        owners = [own for own in prepared if own.parts[0].path.parent == home]
        # An encoded set that is older than what the set is made of now is of what it was before. Its name does not
        # tell: a sample of a set is encoded under a name of its own.
        since = max((path.stat().st_mtime for own in owners for path in _files_of(own, folder)), default=time.time())
        _sweep_encoded(home / "encoded", {own.fingerprint for own in owners}, time.time() if stale else since)
        for path in (*stale, *(path for path in home.iterdir() if _TEMPORARY.fullmatch(path.name))):
            with suppress(OSError):
                path.unlink()
        _remove_empty(home)


def _files_of(own: PreparedSet, folder: Path) -> list[Path]:
    rows = folder / own.split / own.name / f"rows-{own.fingerprint}.npy"
    return [*(part.path for part in own.parts), *([] if own.is_all else [rows])]


def _sweep_encoded(encoded: Path, current: set[str], since: float) -> None:
    """Delete what is encoded under none of the names and older than a time, seconds since the epoch."""
    for path in encoded.glob("*/*"):
        if not re.fullmatch("[0-9a-f]{16}", path.parent.name):
            continue
        is_unfinished = path.name.startswith(".unfinished-")
        is_set = re.fullmatch("[0-9a-f]{16}", path.name) is not None and path.name not in current
        if _changed(path) < (time.time() - DAY if is_unfinished else since) and (is_unfinished or is_set):
            _delete(path, _ENCODED)
            _remove_empty(path.parent)
    _remove_empty(encoded)


def _is_left(scratch: Path) -> bool:
    """Whether the process that made a folder for a comparison is gone."""
    made_by = re.fullmatch(r"\.overlap-(.+)-(\d+)-\w+", scratch.name)
    if made_by is not None and made_by[1] == socket.gethostname():
        try:
            os.kill(int(made_by[2]), 0)
        except ProcessLookupError:
            return True
        except OSError:  # it is another user's
            pass
    return _changed(scratch) < time.time() - DAY


def _changed(folder: Path) -> float:
    """When the folder or a file in it was last written to; now, where another process deletes it."""
    try:
        return max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
    except OSError:
        return time.time()


def _delete(folder: Path, names: Iterable[str]) -> None:
    """Delete the named files of a folder, and the folder when nothing else is in it."""
    for name in names:
        with suppress(OSError):
            (folder / name).unlink()
    _remove_empty(folder)


def _remove_empty(folder: Path) -> None:
    with suppress(OSError):  # something is in it
        folder.rmdir()
