"""Data sets that ``python -m reset_pl prepare`` wrote: opened in milliseconds, whatever their size."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from reset_pl.data.sources import Source
from reset_pl.data.table import ExampleTable
from reset_pl.errors import InputError
from reset_pl.records import Example, stable_hash

MANIFEST = "manifest.json"
"""In the folder of a preparation; written last, so that a folder that has one is whole."""


class PreparedSource(Source):
    """One set of a preparation, memory-mapped.

    The folder is what ``prepare`` writes (``docs/artifacts.md``): Arrow files of examples and a manifest that says
    which rows of which files make up each set of each split.

    Args:
        path: Folder of the preparation, ``data/paper`` for example.
        dataset: Name of the set in it.
        split: The split that the set stands in.
        sample: Take only this many rows, drawn once by the seed, or all where there are fewer (the paper evaluates on
            1,000 of a context-dependent set and 100 of an instruction set).
        seed: Of the sample.

    Raises:
        InputError: ``sample`` is below 1.
    """

    def __init__(
        self,
        path: str,
        dataset: str,
        split: Literal["train", "validation", "test"] = "train",
        sample: int | None = None,
        seed: int = 0,
    ) -> None:
        if sample is not None and sample < 1:
            raise InputError(f"expected a sample of at least 1 example (or none) of {dataset}, but got {sample}")
        self.path = Path(path)
        self.name = dataset
        self.split = split
        self.sample = sample
        self.seed = seed

    def load(self) -> Sequence[Example]:
        """The set's examples, in the order of its files.

        Raises:
            InputError: There is no finished preparation in the folder, it has no such set, or a file of it is gone.
        """
        entry = self._entry()
        rows = self._rows(entry)
        fingerprint = entry["fingerprint"]
        if self.sample is not None and self.sample < entry["n"]:
            rows = np.arange(entry["n"]) if rows is None else rows
            drawn = np.random.default_rng(self.seed).choice(entry["n"], size=self.sample, replace=False)
            rows = rows[np.sort(drawn)]
            fingerprint = f"{stable_hash(fingerprint, self.sample, self.seed):016x}"
        return ExampleTable([self.path / name for name in entry["files"]], fingerprint=fingerprint, rows=rows)

    def _entry(self) -> dict[str, Any]:
        manifest = self.path / MANIFEST
        if not manifest.is_file():
            raise InputError(
                f"expected prepared data in {self.path}, but {manifest} is not there: run python -m reset_pl prepare "
                f"--config CONFIG --output_dir {self.path} (an interrupted one goes on where it was)"
            )
        splits: dict[str, dict[str, dict[str, Any]]] = json.loads(manifest.read_text())["splits"]
        sets = splits.get(self.split, {})
        if self.name not in sets:
            there = "; ".join(f"{split}: {', '.join(names)}" for split, names in splits.items() if names)
            raise InputError(
                f"expected a set {self.name!r} in the split {self.split!r} of {self.path}, but it has {there or 'none'}"
            )
        return sets[self.name]

    def _rows(self, entry: dict[str, Any]) -> np.ndarray | None:
        """Which rows of the files, or none for all of them."""
        if entry["rows"] is None:
            return None
        path = self.path / entry["rows"]
        try:
            return np.load(path)
        except (OSError, ValueError) as error:
            raise InputError(
                f"expected the row numbers of {self.name} at {path}: {error}; run prepare again"
            ) from error
