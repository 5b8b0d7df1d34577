"""Large JSON lists as JSON lines: DPR's files are lists of 6 GB, unpacked."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from reset_pl.files import committed
from reset_pl.records import stable_hash

LARGE = 256 << 20
"""Size of a file, in bytes as it lies there, from which a list is rewritten."""

_BLOCK = 16 << 20
_LIST = re.compile(r"\ufeff?\s*\[\s*(?=\{)")
_BETWEEN = re.compile(r"[\s,]*")


def as_json_lines(path: Path, cache: Path) -> Path:
    """A large list of objects, gzipped or not, written out once as gzipped JSON lines; any other file as it is.

    ``datasets`` parses a list as a whole, in six times its size of memory; of lines it parses 10 MB at a time.

    Args:
        path: A file of JSON.
        cache: Folder of what is written; a file that has not changed is not written again.

    Raises:
        ValueError: The list is no JSON, or not in UTF-8.
        InputError: The cache cannot be written.
    """
    status = path.stat()
    if status.st_size < LARGE:
        return path
    with _open(path) as file:
        begin = _LIST.match(file.read(_BLOCK))
    if begin is None:
        return path
    lines = cache / f"{stable_hash(path.resolve(), status.st_size, status.st_mtime_ns):016x}.jsonl.gz"
    if not lines.exists():
        cache.mkdir(parents=True, exist_ok=True)
        with _open(path) as file, committed(lines) as raw, gzip.open(raw, "wb", compresslevel=1) as packed:
            for item in list_items(file):
                # A line break is white space wherever it stands in JSON: in a text it is written \n.
                packed.write(item.replace("\n", " ").encode() + b"\n")
    return lines


def _open(path: Path) -> IO[str]:
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"  # a download has no ending to go by
    return gzip.open(path, "rt", encoding="utf-8") if is_packed else path.open(encoding="utf-8")


def list_items(file: IO[str], block: int = _BLOCK) -> Iterator[str]:
    """The texts of the objects of a JSON list, a few of them in memory at a time.

    Args:
        file: A list of objects, from its beginning.
        block: Characters to read at a time, enough for the list to begin in.

    Raises:
        json.JSONDecodeError: The list is no JSON, or ends early.
    """
    decoder = json.JSONDecoder()
    buffer = file.read(block)
    begin = _LIST.match(buffer)
    position = begin.end() if begin else 0
    while True:
        position = _BETWEEN.match(buffer, position).end()  # type: ignore[union-attr]  # it matches the empty text too
        if buffer.startswith("]", position):
            return
        try:
            _, end = decoder.raw_decode(buffer, position)
        except json.JSONDecodeError:
            more = file.read(block)
            if not more:
                raise
            buffer, position = buffer[position:] + more, 0
            continue
        yield buffer[position:end]
        position = end
