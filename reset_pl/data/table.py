"""Examples in Arrow files: written once, memory-mapped afterwards, so that a million of them take no memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, overload

import numpy as np
import pyarrow as pa

from reset_pl.errors import InputError
from reset_pl.records import Constraint, Example, Objective, stable_hash

SCHEMA = pa.schema(
    {
        "id": pa.string(),
        "dataset": pa.string(),
        "objective": pa.string(),
        "instruction": pa.string(),
        "question": pa.string(),
        "passages": pa.list_(pa.string()),
        "response": pa.string(),
        "references": pa.list_(pa.string()),
        "constraints": pa.string(),
        "answerable": pa.bool_(),
    }
)
"""One row an example; ``constraints`` is JSON, null where there are none."""


def to_batch(examples: Iterable[Example]) -> pa.RecordBatch:
    """Examples as rows of ``SCHEMA``."""
    return pa.RecordBatch.from_pylist([_row(example) for example in examples], schema=SCHEMA)


def _row(example: Example) -> dict[str, Any]:
    constraints = (
        json.dumps([asdict(constraint) for constraint in example.constraints]) if example.constraints else None
    )
    return {**{name: getattr(example, name) for name in SCHEMA.names}, "constraints": constraints}


def from_row(row: dict[str, Any]) -> Example:
    """The example that a row of ``SCHEMA`` holds; undoes ``to_batch``."""
    constraints = json.loads(row["constraints"]) if row["constraints"] else ()
    return Example(
        id=row["id"],
        dataset=row["dataset"],
        objective=Objective(row["objective"]),
        instruction=row["instruction"],
        question=row["question"],
        passages=tuple(row["passages"]),
        response=row["response"],
        references=tuple(row["references"]),
        constraints=tuple(Constraint(**constraint) for constraint in constraints),
        answerable=row["answerable"],
    )


class ExampleTable(Sequence[Example]):
    """Memory-mapped examples; a row becomes an ``Example`` when it is asked for.

    Args:
        paths: Arrow IPC files with ``SCHEMA``, in order.
        fingerprint: Changes whenever any example changes: what is computed from the examples is cached under it.
        rows: Which rows of the files, in order, int64; all of them when not given.

    Raises:
        InputError: A file is missing or not such a table.
    """

    def __init__(self, paths: Sequence[Path], *, fingerprint: str, rows: np.ndarray | None = None) -> None:
        self.paths = tuple(paths)
        self.fingerprint = fingerprint
        self._table = pa.concat_tables([_open(path) for path in self.paths]) if self.paths else SCHEMA.empty_table()
        self.rows = np.arange(self._table.num_rows) if rows is None else rows
        # A slice of a table walks over its chunks; the batches with their first rows find a row by bisection.
        self._batches = self._table.to_batches()
        self._starts = np.cumsum([0, *(batch.num_rows for batch in self._batches)])

    def __len__(self) -> int:
        """Number of examples."""
        return len(self.rows)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> ExampleTable: ...
    def __getitem__(self, index: int | slice) -> Example | ExampleTable:
        """One example, or a part of the table over the same files."""
        if isinstance(index, slice):
            rows = self.rows[index]
            fingerprint = f"{stable_hash(self.fingerprint, rows.tolist()):016x}"
            return ExampleTable(self.paths, fingerprint=fingerprint, rows=rows)
        row = int(self.rows[index])
        batch = int(np.searchsorted(self._starts, row, side="right")) - 1
        values = self._batches[batch].slice(row - int(self._starts[batch]), 1).to_pylist()[0]
        return from_row(values)

    @property
    def folder(self) -> Path:
        """Where the files are."""
        return self.paths[0].parent

    @property
    def ids(self) -> list[str]:
        """The examples' ids, without reading the rest of them."""
        return self._table["id"].take(pa.array(self.rows)).to_pylist()


def _open(path: Path) -> pa.Table:
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    except (OSError, pa.ArrowInvalid) as error:
        raise InputError(
            f"expected an Arrow file of prepared examples at {path}: {error}; run prepare again"
        ) from error
    if table.schema.names != SCHEMA.names:
        raise InputError(
            f"expected the columns {', '.join(SCHEMA.names)} in {path}, but got {', '.join(table.schema.names)}: "
            "it was written by another version; run prepare again"
        )
    return table
