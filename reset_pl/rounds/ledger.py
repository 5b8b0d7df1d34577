"""A round's directory: parts appended one a chunk, compacted at the end, never rewritten in place."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reset_pl.files import committed
from reset_pl.rounds.tables import SCHEMAS

Row = dict[str, Any]


class Ledger:
    """What a round has done so far, on disk.

    A part is one table's rows of one chunk. It exists whole or not at all: it is written to a temporary file, flushed
    to the disk and renamed. So after a kill at any moment the ledger says exactly what is left to do.

    Args:
        directory: The round's folder, ``<run>/rounds/round-NNN``.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.parts = directory / "parts"

    # ------------------------------------------------------------------ parts

    def part_path(self, table: str, chunk: str, judge: str | None = None) -> Path:
        """Where a part lies: ``parts/<table>[-<judge>]-<chunk>.parquet``."""
        return self.parts / "-".join(filter(None, [table, judge, f"{chunk}.parquet"]))

    def read_part(self, table: str, chunk: str, judge: str | None = None) -> list[Row] | None:
        """The rows of a part, or none when it has not been written."""
        path = self.part_path(table, chunk, judge)
        return pq.read_table(path).to_pylist() if path.exists() else None

    def write_part(self, rows: Sequence[Row], table: str, chunk: str, judge: str | None = None) -> None:
        """Commit a part.

        Raises:
            InputError: The disk is full or cannot be written; what was committed before stays readable.
        """
        self.parts.mkdir(parents=True, exist_ok=True)
        _write_table(rows, table, self.part_path(table, chunk, judge))

    # ------------------------------------------------------------------ ranks

    def note_failure(self, rank: int, why: str) -> None:
        """Leave word that a rank has stopped."""
        self.parts.mkdir(parents=True, exist_ok=True)
        (self.parts / f"failed-{rank}.txt").write_text(why)

    def failures(self) -> dict[int, str]:
        """Rank → why it has stopped."""
        return {int(path.stem.rpartition("-")[2]): path.read_text() for path in self.parts.glob("failed-*.txt")}

    def note_interruption(self) -> None:
        """Leave word that the run was asked to stop; a round that has ended meanwhile needs none."""
        if self.parts.is_dir():
            (self.parts / "interrupted").touch()

    @property
    def interrupted(self) -> bool:
        """Whether a rank was asked to stop."""
        return (self.parts / "interrupted").exists()

    def forget_stops(self) -> None:
        """Start anew: what stopped an earlier attempt stops this one no more."""
        for path in [*self.parts.glob("failed-*.txt"), self.parts / "interrupted"]:
            path.unlink(missing_ok=True)

    # ------------------------------------------------------------------ the finished round

    def write_table(self, rows: Sequence[Row], table: str) -> None:
        """Write one of the round's four Parquet files."""
        _write_table(rows, table, self.directory / f"{table}.parquet")

    def compact(self, table: str, parts: Iterable[Path]) -> None:
        """Write one of the four Parquet files from parts, one after another, so that no more than a part is held."""
        path = self.directory / f"{table}.parquet"
        with committed(path) as file, pq.ParquetWriter(file, SCHEMAS[table]) as writer:
            for part in parts:
                writer.write_table(pq.read_table(part, schema=SCHEMAS[table]))

    def read_table(self, table: str) -> list[Row]:
        """The rows of one of the four Parquet files."""
        return pq.read_table(self.directory / f"{table}.parquet").to_pylist()

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Replace the manifest, by rename."""
        self.directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(manifest, indent=2, ensure_ascii=False) + "\n"
        with committed(self.directory / "manifest.json") as file:
            file.write(text.encode())

    def read_manifest(self) -> dict[str, Any] | None:
        """The manifest, or none when the round has not begun."""
        path = self.directory / "manifest.json"
        return json.loads(path.read_text()) if path.exists() else None

    @property
    def complete(self) -> bool:
        """Whether the round has ended."""
        manifest = self.read_manifest()
        return manifest is not None and manifest["status"] == "complete"


def _write_table(rows: Sequence[Row], table: str, path: Path) -> None:
    data = pa.Table.from_pylist(list(rows), schema=SCHEMAS[table])
    with committed(path) as file:
        pq.write_table(data, file)
