"""A finished round, read some prompts at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from reset_pl.data.curated import example_from_json
from reset_pl.errors import InputError
from reset_pl.records import Aspect, Candidate, Example, Status, Verdict
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.prompts import make_chunks
from reset_pl.rounds.selection import Weights
from reset_pl.rounds.tables import SCHEMAS, candidate_from_row, verdict_from_row

_TABLES = ("prompts", "candidates", "verdicts", "selected")
_UNREAD = {"candidates": {"token_ids"}, "verdicts": {"detail", "raw", "model", "cost"}}
"""Columns that are large, or that no selection looks at."""

Part = tuple[list[Example], list[Candidate], list[Verdict]]
"""Some prompts with all their candidates and all verdicts on these."""


class FinishedRound:
    """The ledger of a round that has ended. Nothing here writes.

    Args:
        directory: ``<run>/rounds/round-NNN``.

    Raises:
        InputError: The folder holds no finished round.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        ledger = Ledger(directory)
        manifest = ledger.read_manifest()
        missing = [name for name in _TABLES if not (directory / f"{name}.parquet").exists()]
        if manifest is None or "round" not in manifest:
            raise InputError(
                f"expected the folder of a round, <run>/rounds/round-NNN, but {directory} has no manifest.json of one"
            )
        if manifest.get("status") != "complete":
            raise InputError(
                f"expected a finished round, but {directory} is still running: start its fit again, and it goes on"
            )
        if missing:
            raise InputError(f"expected a finished round in {directory}, but {missing[0]}.parquet is missing there")
        self.manifest: dict[str, Any] = manifest

    @property
    def run_directory(self) -> Path:
        """The run that the round lies in, if it does."""
        return self.directory.resolve().parents[1]

    @property
    def weights(self) -> Weights:
        """Those that the round selected with."""
        return Weights(**self.manifest.get("weights", {}))

    @property
    def held_out(self) -> frozenset[str]:
        """Judges whose verdicts did not select."""
        return frozenset(judge["name"] for judge in self.manifest.get("judges", ()) if judge.get("held_out"))

    @cached_property
    def prompts(self) -> list[Example]:
        """The prompts, in the order in which the round selected."""
        rows = self._read("prompts").column("example").to_pylist()
        chunks = make_chunks(map(example_from_json, rows), size=max(len(rows), 1))
        return [example for chunk in chunks for example in chunk.examples]

    @cached_property
    def chosen(self) -> dict[str, list[str]]:
        """Example id → the texts that the round chose, best first; prompts that were left out are absent."""
        texts: defaultdict[str, list[str]] = defaultdict(list)
        table = self._read("selected", {"example_id", "text"})
        for key, text in zip(table["example_id"].to_pylist(), table["text"].to_pylist(), strict=True):
            texts[key].append(text)
        return dict(texts)

    @cached_property
    def keeps_truncated(self) -> bool:
        """Whether answers that were cut off could be chosen: the manifest does not say so, a chosen one does."""
        table = self._read("candidates", {"candidate_id", "finish_reason"})
        cut_off = table.filter(pc.field("finish_reason") == "length")["candidate_id"].to_pylist()
        return not {row["candidate_id"] for rows in self.selected.values() for row in rows}.isdisjoint(cut_off)

    def scored_aspects(self, held_out: frozenset[str]) -> dict[str, set[str]]:
        """Judge → aspects that it gave a score on; held-out judges left out."""
        table = self._read("verdicts", {"judge", "aspect", "status"})
        pairs = table.filter(pc.field("status") == str(Status.SCORED)).group_by(["judge", "aspect"]).aggregate([])
        aspects: defaultdict[str, set[str]] = defaultdict(set)
        for row in pairs.to_pylist():
            if row["judge"] not in held_out:
                aspects[row["judge"]].add(Aspect(row["aspect"]))
        return dict(aspects)

    @cached_property
    def selected(self) -> dict[str, list[dict[str, Any]]]:
        """Example id → its rows of ``selected.parquet``, best first; prompts that were left out are absent."""
        rows: defaultdict[str, list[dict[str, Any]]] = defaultdict(list)
        for row in self._read("selected").to_pylist():
            rows[row["example_id"]].append(row)
        return dict(rows)

    def parts(self, size: int = 500, *, words: bool = False) -> Iterator[Part]:
        """All of it, ``size`` prompts at a time: records of so many are held at once, the tables as Arrow.

        Args:
            size: Prompts of a part.
            words: Whether the verdicts come with what no selection looks at, such as the judges' words.

        Raises:
            InputError: The tables do not belong together.
        """
        candidates = self._read("candidates")
        verdicts = self._read("verdicts", set(SCHEMAS["verdicts"].names) if words else None)
        ids = pa.array([example.id for example in self.prompts])
        of_candidate = _positions(candidates["example_id"], ids, f"{self.directory} has a candidate of")
        of_verdict = of_candidate[
            _positions(verdicts["candidate_id"], candidates["candidate_id"], f"{self.directory} has a verdict on")
        ]
        starts = range(0, len(self.prompts), size)
        candidate_parts, verdict_parts = (
            _slices(table, positions // size, len(starts))
            for table, positions in ((candidates, of_candidate), (verdicts, of_verdict))
        )
        for start, drawn, judged in zip(starts, candidate_parts, verdict_parts, strict=True):
            yield (
                self.prompts[start : start + size],
                [candidate_from_row({**row, "token_ids": ()}) for row in drawn.to_pylist()],
                [verdict_from_row(row) for row in judged.to_pylist()],
            )

    def _read(self, table: str, columns: set[str] | None = None) -> pa.Table:
        """A table's columns; those that it is too old for are absent, texts may be of any total size."""
        path = self.directory / f"{table}.parquet"
        try:
            names = pq.read_schema(path).names
            wanted = columns or set(SCHEMAS[table].names) - _UNREAD.get(table, set())
            found = pq.read_table(path, columns=[name for name in names if name in wanted])
        except (OSError, pa.ArrowException) as error:
            raise InputError(f"cannot read {path}: {str(error).splitlines()[0]}") from error
        return found.cast(pa.schema([_large(field) for field in found.schema]))


def _large(field: pa.Field) -> pa.Field:
    return field.with_type(pa.large_string()) if pa.types.is_string(field.type) else field


def _positions(keys: pa.ChunkedArray, known: pa.Array | pa.ChunkedArray, what: str) -> np.ndarray:
    """Where each key stands among the known ones."""
    found = pc.index_in(keys, known.cast(keys.type))
    if found.null_count:
        stray = keys.filter(pc.is_null(found))[0].as_py()
        raise InputError(f"{what} {stray!r}, which is not there: the tables are of different rounds")
    return np.asarray(found.combine_chunks()).astype(np.int64)


def _slices(table: pa.Table, part: np.ndarray, count: int) -> Iterator[pa.Table]:
    """The rows of each part, in the table's order."""
    order = np.argsort(part, kind="stable")
    bounds = np.searchsorted(part[order], np.arange(count + 1))
    for start, end in pairwise(bounds):
        yield table.take(order[start:end])
