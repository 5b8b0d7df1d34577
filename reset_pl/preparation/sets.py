"""A set between its parts and its place in the manifest: which rows of which files, and what became of the others."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reset_pl.data.table import ExampleTable
from reset_pl.errors import InputError
from reset_pl.preparation.parts import Part
from reset_pl.preparation.plan import SetPlan
from reset_pl.preparation.texts import key, keys, normalised, prompts, take
from reset_pl.records import stable_hash


@dataclass(kw_only=True)
class PreparedSet:
    """Rows of files. A set that was held out has the files of the training set that it was taken from."""

    split: str
    plan: SetPlan
    parts: list[Part]
    """Of all sources, in order."""
    owners: list[int]
    """Part → index of its source."""
    rows: np.ndarray
    """Rows of the files that are in the set, ``int64[n]``, ascending."""
    keys: np.ndarray
    """Hash of the normalised prompt of every row of the files, ``uint64``."""
    removed: list[Counter[str]]
    """Source → reason → rows that were read into the files and are not in the set."""
    duplicates: int = 0
    """Rows of the set that equal an earlier one."""
    held_out_of: str | None = None
    """The training split, where the rows come from there."""

    @property
    def name(self) -> str:
        """Name of the set."""
        return self.plan.name

    @property
    def title(self) -> str:
        """Split and name, for messages."""
        return f"{self.split}/{self.name}"

    @cached_property
    def starts(self) -> np.ndarray:
        """First row of every part, and the number of all rows, ``int64[parts + 1]``."""
        return np.cumsum([0, *(part.kept for part in self.parts)])

    @property
    def fingerprint(self) -> str:
        """Changes whenever an example of the set does: parts are named after what they were made from."""
        rows = hashlib.sha256(self.rows.tobytes()).hexdigest()
        return f"{stable_hash(self.title, *(part.path.name for part in self.parts), rows):016x}"

    @property
    def is_all(self) -> bool:
        """Whether the set is all rows of its files."""
        return len(self.rows) == int(self.starts[-1])

    @property
    def examples(self) -> ExampleTable:
        """The set's examples, memory-mapped."""
        return ExampleTable([part.path for part in self.parts], fingerprint=self.fingerprint, rows=self.rows)

    @property
    def files(self) -> pa.Table:
        """All rows of the files, memory-mapped."""
        return pa.concat_tables(
            pa.ipc.open_file(pa.memory_map(str(part.path))).read_all().replace_schema_metadata() for part in self.parts
        )

    def remove(self, rows: np.ndarray, reason: str) -> None:
        """Take rows of the files out of the set and count them under a reason, by source."""
        self.rows = np.setdiff1d(self.rows, rows, assume_unique=True)
        parts = np.searchsorted(self.starts, rows, side="right") - 1
        for part, count in zip(*np.unique(parts, return_counts=True), strict=True):
            self.removed[self.owners[part]][reason] += int(count)

    def check_not_empty(self, hint: str = "") -> None:
        """Refuse a set without examples.

        Raises:
            InputError: With the reasons and their counts.
        """
        if len(self.rows):
            return
        reasons = sum((part.dropped for part in self.parts), Counter[str]()) + sum(self.removed, Counter[str]())
        counts = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common()) or "there are no rows"
        raise InputError(
            f"expected at least one example of {self.title}, but none of the {sum(part.read for part in self.parts):,} "
            f"rows of its sources is left: {counts}; mend the source's filters{hint}"
        )


def drop_repeated_ids(prepared: PreparedSet) -> None:
    """Of rows with one id keep the first: what a round draws and judges is joined on ids."""
    ids = prepared.files["id"].combine_chunks().dictionary_encode().indices.to_numpy()
    prepared.remove(np.setdiff1d(prepared.rows, np.unique(ids, return_index=True)[1]), "repeated_id")


def find_duplicates(prepared: PreparedSet) -> None:
    """Count the rows that equal an earlier one of the set, or drop them where the set is to be ``unique``.

    Rows are equal when their normalised prompts are (a QA prompt is its question), and for rows with passages and a
    question, the passages too.
    """
    keys = prepared.keys[prepared.rows]
    _, groups, counts = np.unique(keys, return_inverse=True, return_counts=True)
    repeated = np.flatnonzero(counts[groups] > 1)
    if not len(repeated):
        return
    table = take(prepared.files.select(["question", "passages"]), prepared.rows[repeated])
    has_question = pc.is_valid(table["question"]).to_pylist()
    full = [
        (int(own), key(normalised("\n".join(passages))) if has_question[i] else 0)
        for i, (own, passages) in enumerate(zip(keys[repeated], table["passages"].to_pylist(), strict=True))
    ]
    first: dict[tuple[int, int], int] = {}
    later = [row for row, own in zip(prepared.rows[repeated], full, strict=True) if first.setdefault(own, row) != row]
    if prepared.plan.unique:
        prepared.remove(np.array(later, np.int64), "duplicate")
    else:
        prepared.duplicates = len(later)


def hold_out(prepared: PreparedSet, seed: int) -> tuple[list[PreparedSet], list[str]]:
    """Take seeded rows out of a training set for evaluation.

    Returns:
        The evaluation sets, and a line for each that got fewer rows than it should.
    """
    held: list[PreparedSet] = []
    notes: list[str] = []
    for split, wanted in prepared.plan.hold_out.items():
        count = min(wanted, len(prepared.rows) // 2)
        if count < wanted:
            notes.append(
                f"{prepared.title}: {count:,} rows held out for {split} instead of {wanted:,}: half of the "
                f"{len(prepared.rows):,} that there are"
            )
        rng = np.random.default_rng(stable_hash(seed, "hold_out", prepared.name, split))
        rows = np.sort(rng.choice(prepared.rows, size=count, replace=False))
        prepared.remove(rows, f"held_out_for_{split}")
        if count:
            changes: dict[str, Any] = {"rows": rows, "duplicates": 0, "held_out_of": prepared.split}
            removed = [Counter[str]() for _ in prepared.plan.sources]
            held.append(replace(prepared, split=split, removed=removed, **changes))
    return held, notes


def keys_of_part(path: Path) -> np.ndarray:
    """Hashes of the normalised prompts of a part's rows, ``uint64[n]``."""
    return keys(prompts(pa.ipc.open_file(pa.memory_map(str(path))).read_all()))
