"""Parts: a range of a source's rows, converted and committed as one Arrow file under a name that says what it holds."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from inspect import getfile
from pathlib import Path
from typing import Any

import pyarrow as pa

from reset_pl.data.prepared import MANIFEST, PreparedSource
from reset_pl.data.sets.base import PublishedSource
from reset_pl.data.sources import Source
from reset_pl.data.table import SCHEMA, to_batch
from reset_pl.errors import InputError
from reset_pl.files import committed
from reset_pl.records import Example, stable_hash

CHUNK_BYTES = 48 << 20
"""Bytes of a source's rows in Arrow from which one part is made; as Python objects they take several times that."""
CHUNK_ROWS = 20_000
"""Most rows of a part."""

_HOME = Path(__file__).parents[1]
_SHARED = ("data/table.py", "data/sources.py", "data/prompts.py", "metrics/normalize.py", "records.py")
_CODE = (Path(__file__), *(_HOME / name for name in _SHARED), *_HOME.glob("data/sets/*.py"))


@dataclass(frozen=True, kw_only=True)
class Part:
    """What stands in a part's file beside its examples."""

    path: Path
    """The file."""
    kept: int
    """Its examples."""
    read: int
    """Rows that it was made of."""
    dropped: Counter[str]
    """Reason → rows."""


def fingerprint_of(source: Source, dataset: str) -> str:
    """What a source's examples follow from: its settings, its files (name, size, time of change) and the code.

    Args:
        source: The source.
        dataset: Name of the set that its examples go into.

    Returns:
        Twelve hexadecimal digits.
    """
    kind = type(source)
    settings = {name: str(value) for name, value in sorted(vars(source).items()) if not name.startswith("_")}
    files = [(str(path), path.stat().st_size, path.stat().st_mtime_ns) for path in _files_of(source)]
    code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted({*_CODE, Path(getfile(kind))})]
    return f"{stable_hash(kind.__module__, kind.__qualname__, settings, dataset, files, code, CHUNK_BYTES):016x}"[-12:]


def _files_of(source: Source) -> list[Path]:
    """The files that a source reads, where they are on this machine; what is on the hub is pinned by its revision.

    A source of another kind reads its ``path``: a file, or all that is below a folder.
    """
    if isinstance(source, PublishedSource):
        folder = None if source.data_dir is None else source.data_dir / source.origin.folder
        return [] if folder is None else sorted(folder.glob(source.origin.files[source.split]))
    if isinstance(source, PreparedSource):
        return [path for path in (source.path / MANIFEST,) if path.is_file()]  # written last, whatever has changed
    path = getattr(source, "path", None)
    if not isinstance(path, str | Path):
        return []
    found = [Path(path), *sorted(Path(path).rglob("*"))] if Path(path).is_dir() else [Path(path)]
    return [own for own in found if own.is_file()]


# ---------------------------------------------------------------------- tasks of the worker processes


def open_rows(source: Source) -> tuple[Any, list[range]]:
    """Read a source as far as Arrow, into the cache of ``datasets``.

    Returns:
        Its rows (memory-mapped, so that they are sent to another process as a path) and the ranges that make up its
        parts; no rows and one range for a source that has only ``load``.

    Raises:
        InputError: The source cannot be read.
    """
    if not isinstance(source, PublishedSource):
        return None, [range(1)]
    rows = source.rows().with_format("arrow")
    row_bytes = max(1, rows.data.nbytes // max(1, rows.data.num_rows))
    step = max(1, min(CHUNK_ROWS, CHUNK_BYTES // row_bytes))
    return rows, [range(start, min(start + step, len(rows))) for start in range(0, max(1, len(rows)), step)]


def write_part(source: Source, dataset: str, rows: Any, chunk: range, path: Path) -> int:
    """Convert a range of a source's rows and commit them.

    Args:
        source: The source.
        dataset: The set that the examples go into; those of another name get its name, and its name before their id.
        rows: What ``open_rows`` returned.
        chunk: Range of the rows.
        path: Where the part goes.

    Returns:
        Number of rows.

    Raises:
        InputError: The source cannot be read, or the disk cannot be written.
    """
    examples: Sequence[Example]
    if isinstance(source, PublishedSource):
        examples, dropped = source.convert_table(rows[chunk.start : chunk.stop], chunk.start)
        read = len(chunk)
    else:
        examples, dropped = source.load(), Counter()
        read = len(examples)
    notes = {"reset_pl": json.dumps({"read": read, "dropped": dropped})}
    make_folder(path.parent)
    with committed(path) as file, pa.ipc.new_file(file, SCHEMA.with_metadata(notes)) as writer:
        for start in range(0, len(examples), CHUNK_ROWS):
            writer.write_batch(_batch(_named(examples[start : start + CHUNK_ROWS], dataset)))
    return len(chunk)


def make_folder(folder: Path) -> None:
    """Make a folder of the preparation, and those above it.

    Raises:
        InputError: It cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"expected --output_dir that is a folder, or can become one, but cannot make {folder}: "
            f"{error.strerror or error}; name another folder, or mend the rights of the one above"
        ) from error


def _named(examples: Iterable[Example], dataset: str) -> list[Example]:
    return [
        example if example.dataset == dataset else replace(example, id=f"{dataset}/{example.id}", dataset=dataset)
        for example in examples
    ]


def _batch(examples: list[Example]) -> pa.RecordBatch:
    try:
        return to_batch(examples)
    except UnicodeEncodeError as error:
        for example in examples:
            try:
                to_batch([example])
            except UnicodeEncodeError:
                raise InputError(
                    f"{example.id}: expected texts of whole characters, but got {error.object[error.start]!r} (half "
                    "of a pair): mend the row, or save the file as UTF-8 again"
                ) from error
        raise


def read_part(path: Path) -> Part:
    """What a part's file says of itself.

    Raises:
        InputError: The file is not a part.
    """
    try:
        reader = pa.ipc.open_file(pa.memory_map(str(path)))
        notes = json.loads(reader.schema.metadata[b"reset_pl"])
        kept = sum(reader.get_batch(number).num_rows for number in range(reader.num_record_batches))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"expected a part of a preparation at {path}, but got {error}: delete it and run again"
        ) from error
    return Part(path=path, kept=kept, read=notes["read"], dropped=Counter(notes["dropped"]))
