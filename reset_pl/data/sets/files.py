"""Reading published files: from the hub, an address or a local mirror, always by explicit path, never by a script."""

from __future__ import annotations

import contextlib
import difflib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from reset_pl.data.sets.json_lists import as_json_lines
from reset_pl.errors import InputError

WIDE = 1 << 30
"""Bytes of JSON from which the types of the columns are inferred, where ``datasets``' own 10 MB are not enough."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a data set comes from. A mirror holds the same files under ``<data_dir>/<folder>/``."""

    homepage: str
    """The page that a person reads."""
    licence: str
    """Name of the licence or terms of use."""
    folder: str
    """Hub repository (``owner/name``), or a name of ours for files that are not on the hub; the mirror's sub-folder."""
    files: Mapping[str, str]
    """Split → path of its files in the repository; ``*`` matches several."""
    format: Literal["json", "parquet", "text"]
    """The ``datasets`` builder that reads them; ``text`` makes one row of each file, or of each in a zip archive."""
    revision: str | None = None
    """Pinned commit of the hub repository; none for files that are not on the hub."""
    url: str | None = None
    """Base address of files that are not on the hub; none where they must be fetched by hand."""


def read_rows(
    origin: Origin, split: str, columns: Mapping[str, str], *, data_dir: Path | None = None, limit: int | None = None
) -> Any:
    """The rows of one split, columns checked by name.

    Args:
        origin: Where the files are.
        split: One of the origin's splits.
        columns: Column → what stands in it.
        data_dir: Folder of a local mirror; the hub or the origin's address when not given.
        limit: Keep only this many rows, from the start.

    Returns:
        A ``datasets.Dataset`` (Arrow, memory-mapped from ``datasets``' own cache).

    Raises:
        InputError: The files are not there, cannot be reached or read, or lack a column.
    """
    pattern = origin.files[split]
    if data_dir is not None:
        files = [str(path) for path in _in_mirror(origin, split, data_dir)]
        place = str(data_dir / origin.folder / pattern)
    elif origin.revision is not None:
        files = [f"hf://datasets/{origin.folder}@{origin.revision}/{pattern}"]
        place = files[0]
    elif origin.url is not None:
        files = [origin.url + pattern]
        place = files[0]
    else:
        raise InputError(f"{origin.folder} has to be fetched by hand from {origin.homepage}: {_put(origin, split)}")
    try:
        with _quiet():
            rows = _read(origin.format, files)
    except Exception as error:
        # What goes wrong is of any type: that of the network library, of the file system, of the parser.
        raise InputError(_unreadable(error, origin, split, place, is_local=data_dir is not None)) from error
    _check_columns(rows.column_names, columns, place)
    _check_types(rows.features.arrow_schema, columns, place)
    return rows if limit is None else rows.select(range(min(limit, len(rows))))


def to_rows(table: pa.Table) -> list[dict[str, Any]]:
    """The rows of a table as Python objects, JSON columns parsed.

    ``datasets`` keeps objects whose keys differ from row to row, and columns of mixed types, as JSON texts; Arrow alone
    returns these texts.

    Raises:
        UnicodeDecodeError: A text is not UTF-8; the readers do not look.
    """
    columns = [
        [_parsed(value, column.type) for value in column.to_pylist()] if _has_json(column.type) else column.to_pylist()
        for column in table.columns
    ]
    return [dict(zip(table.column_names, values, strict=True)) for values in zip(*columns, strict=True)]


def _has_json(kind: pa.DataType) -> bool:
    if isinstance(kind, pa.JsonType):
        return True
    return any(_has_json(kind.field(i).type) for i in range(kind.num_fields))


def _parsed(value: Any, kind: pa.DataType) -> Any:
    if value is None or not _has_json(kind):
        return value
    if isinstance(kind, pa.JsonType):
        return json.loads(value)
    if pa.types.is_struct(kind):
        return {field.name: _parsed(value[field.name], field.type) for field in kind}
    return [_parsed(item, kind.value_type) for item in value]


def _in_mirror(origin: Origin, split: str, data_dir: Path) -> list[Path]:
    folder, pattern = data_dir / origin.folder, origin.files[split]
    found = sorted(path for path in folder.glob(pattern) if path.is_file())
    if found:
        return found
    expected = f"expected the files of {origin.folder}, split {split!r}, at {folder / pattern}"
    fetch = f"download them from {origin.homepage}"
    if not folder.is_dir():
        raise InputError(f"{expected}, but there is no folder {folder}: {fetch}")
    scripts = sorted(path.name for path in folder.glob("*.py"))
    if scripts:
        raise InputError(
            f"{expected}, but got the dataset script {scripts[0]}: datasets 5 runs no scripts; put the data files "
            f"there instead ({', '.join(origin.files.values())}): {fetch}"
        )
    config, _, rest = pattern.partition("/")
    others = sorted({path.relative_to(folder).parts[0] for path in folder.glob(f"*/{rest}")}) if rest else []
    if others:
        raise InputError(f"{expected}, but got another configuration, {others[0]!r}: {config!r} is needed; {fetch}")
    splits = [name for name, path in origin.files.items() if any(folder.glob(path))]
    if splits:
        raise InputError(f"{expected}, but got only the split {' and '.join(map(repr, splits))}: {fetch}")
    got = ", ".join(sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())[:5])
    raise InputError(f"{expected}, but got {got or 'an empty folder'}: {fetch}")


def _read(form: str, files: list[str]) -> Any:
    from datasets import load_dataset
    from datasets.exceptions import DatasetGenerationError
    from datasets.table import CastError

    if form == "json" and not files[0].startswith("hf://"):
        files = _lines_of_large_lists(files)
    options = {"sample_by": "document"} if form == "text" else {}
    try:
        return load_dataset(form, data_files=files, split="train", **options)
    except DatasetGenerationError as error:
        if form != "json" or not isinstance(error.__cause__, CastError | TypeError):
            raise
        # A column that is null, or an object that lacks a key, all through the first 10 MB and not later.
        return load_dataset(form, data_files=files, split="train", chunksize=WIDE)


def _lines_of_large_lists(files: list[str]) -> list[str]:
    from datasets import DownloadManager, config

    cache = Path(config.HF_DATASETS_CACHE) / "json_lines"
    return [str(as_json_lines(Path(path), cache)) for path in DownloadManager(record_checksums=False).download(files)]


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """No bars of ``datasets`` (the caller has its own), and no log line beside the error that it logs."""
    import datasets

    had_bars, level = not datasets.are_progress_bars_disabled(), datasets.logging.get_verbosity()
    datasets.disable_progress_bars()
    datasets.logging.set_verbosity(datasets.logging.CRITICAL)
    try:
        yield
    finally:
        datasets.logging.set_verbosity(level)
        if had_bars:
            datasets.enable_progress_bars()


def _unreadable(error: Exception, origin: Origin, split: str, place: str, *, is_local: bool) -> str:
    from datasets.exceptions import DatasetGenerationError

    cause = error.__cause__ if isinstance(error, DatasetGenerationError) and error.__cause__ else error
    lines = str(cause).strip().splitlines()
    said = f"{type(cause).__name__}: {lines[0][:200]}" if lines else "it holds no row"
    if isinstance(cause, UnicodeDecodeError):
        return f"expected text in UTF-8 in {place}, but got {said}: save or download the file again"
    if is_local or isinstance(error, DatasetGenerationError):
        name = {"json": "JSON", "parquet": "Parquet", "text": "text"}[origin.format]
        return f"expected {name} in {place}, but got {said}: download it again from {origin.homepage}"
    return f"cannot read {place} ({said}): without the internet {_put(origin, split)}"


def _put(origin: Origin, split: str) -> str:
    return f"give --data_dir DIR with DIR/{origin.folder}/{origin.files[split]}"


def _check_columns(got: list[str], columns: Mapping[str, str], place: str) -> None:
    for name, meaning in columns.items():
        if name in got:
            continue
        near = difflib.get_close_matches(name, got, n=1)
        hint = f"; the nearest is {near[0]!r}: rename it" if near else ""
        raise InputError(f"expected a column {name!r} ({meaning}) in {place}, but got {', '.join(got)}{hint}")


def _check_types(schema: pa.Schema, columns: Mapping[str, str], place: str) -> None:
    """Refuse what converts without an error and is nonsense: a text is a list of its letters too."""
    for name, meaning in columns.items():
        kind = schema.field(name).type
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        is_number = pa.types.is_primitive(kind)
        if (is_text and re.search(r"\blists?\b", meaning)) or (
            (is_number or pa.types.is_nested(kind)) and meaning.endswith("a text")
        ):
            raise InputError(f"expected a column {name!r} ({meaning}) in {place}, but got one of the type {kind}")
