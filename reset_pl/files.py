"""Files that are whole or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from reset_pl.errors import InputError


@contextmanager
def committed(path: Path) -> Iterator[IO[bytes]]:
    """A file that appears under its name only when all of it is on the disk.

    Raises:
        InputError: The disk is full or cannot be written; what was committed before stays readable.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; what was written before is whole: free some space or "
            "mend the folder's rights, then start the same command again and it goes on from there"
        ) from error
    finally:
        with suppress(OSError):  # gone, or never there: what stopped the write is what is said
            temporary.unlink()
