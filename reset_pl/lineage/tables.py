"""One example's rows of a round's tables, finished or running, of any version."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.tables import SCHEMAS

__all__ = ["column_of", "rows_of"]

Row = dict[str, Any]


def rows_of(round_dir: Path, table: str, column: str, values: Sequence[str], notes: list[str]) -> list[Row]:
    """Rows of a table whose column has one of the values; with null for the columns that it is too old for.

    While the round runs they are in its parts.

    Args:
        round_dir: ``<run>/rounds/round-NNN``.
        table: One of ``SCHEMAS``.
        column: What to look at.
        values: What to look for.
        notes: Collects what is missing or cannot be read.
    """
    files = _files(round_dir, table)
    if not files:
        notes.append(f"{round_dir.name}: {table}.parquet is missing")
    rows: list[Row] = []
    for path in files:
        try:
            rows += pq.read_table(path, filters=[(column, "in", list(values))]).to_pylist()
        except (OSError, pa.ArrowException) as error:
            notes.append(f"{round_dir.name}: {path.name} cannot be read ({str(error).splitlines()[0]})")
    return [dict.fromkeys(SCHEMAS[table].names) | row for row in rows]


def column_of(round_dir: Path, table: str, column: str) -> list[str]:
    """All values of a column; none where the table is missing or cannot be read."""
    values: list[str] = []
    for path in _files(round_dir, table):
        try:
            values += pq.read_table(path, columns=[column])[column].to_pylist()
        except (OSError, KeyError, pa.ArrowException):
            continue
    return values


def _files(round_dir: Path, table: str) -> list[Path]:
    whole = round_dir / f"{table}.parquet"
    return [whole] if whole.exists() else sorted(Ledger(round_dir).parts.glob(f"{table}-*.parquet"))
