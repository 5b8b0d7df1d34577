"""Evaluation prompts that stand in the training data: exactly, or for the most part of their runs of words.

The comparison is on the evaluation side (the paper evaluates on unseen examples only): an evaluation prompt is an
overlap when its normalised text equals that of a training prompt, or, if it has more than ``LONG`` words, when at least
``CONTAINED`` of its different runs of ``GRAM`` words occur in the training set, in whichever of its prompts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pyarrow as pa

from reset_pl.preparation.leftovers import SCRATCH
from reset_pl.preparation.sets import PreparedSet
from reset_pl.preparation.texts import LONG, grams, prompts, take
from reset_pl.preparation.workers import Workers
from reset_pl.progress import Progress

CONTAINED = 0.8
"""Share of an evaluation prompt's grams in the training set from which on it is an overlap."""
SHOWN = 3
"""Examples of an overlap that are kept for the report."""


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """The prompts of an evaluation set that stand in a training set."""

    evaluation: PreparedSet
    training: PreparedSet
    exact: np.ndarray
    """Rows of the evaluation set's files whose whole prompt is a training prompt, ``int64``."""
    grams: np.ndarray
    """Rows that are no exact overlap but one by grams, ``int64``."""
    examples: list[dict[str, str]]
    """A few of them: ``evaluation`` and ``training`` (ids), ``prompt``, ``kind``."""

    @property
    def rows(self) -> np.ndarray:
        """Both."""
        return np.union1d(self.exact, self.grams)


def find_overlaps(
    training: Sequence[PreparedSet], evaluation: Sequence[PreparedSet], workers: Workers, folder: Path
) -> list[Overlap]:
    """Compare every evaluation set with every training set.

    Args:
        training: The training sets, without the rows held out of them.
        evaluation: The evaluation sets.
        workers: Processes for the grams.
        folder: Where the grams may lie for the while, for all processes to map.

    Returns:
        The pairs that overlap.
    """
    contained = _contained(training, evaluation, workers, folder)
    overlaps = []
    for number, test in enumerate(evaluation):
        for other, train in enumerate(training):
            exact = test.rows[np.isin(test.keys[test.rows], train.keys[train.rows])]
            rows, matches = contained.get((number, other), (np.empty(0, np.int64), np.empty(0, np.int64)))
            is_new = ~np.isin(rows, exact)
            overlap = Overlap(evaluation=test, training=train, exact=exact, grams=rows[is_new], examples=[])
            if len(overlap.rows):
                overlap.examples.extend(_examples(overlap, matches[is_new]))
                overlaps.append(overlap)
    return overlaps


def _examples(overlap: Overlap, matches: np.ndarray) -> list[dict[str, str]]:
    test, train = overlap.evaluation, overlap.training
    exact = overlap.exact[:SHOWN]
    of_train = train.keys[train.rows]
    found = [int(train.rows[np.flatnonzero(of_train == own)[0]]) for own in test.keys[exact]]
    rows = [*map(int, exact), *map(int, overlap.grams[: SHOWN - len(exact)])]
    found += [int(row) for row in matches[: SHOWN - len(exact)]]
    examples = []
    for i, (row, match) in enumerate(zip(rows, found, strict=True)):
        own, other = test.files.slice(row, 1), train.files.slice(match, 1)
        names = {"evaluation": own["id"][0].as_py(), "training": other["id"][0].as_py()}
        examples.append({**names, "prompt": prompts(own)[0], "kind": "exact" if i < len(exact) else "grams"})
    return examples


# ---------------------------------------------------------------------- grams

Matches = dict[tuple[int, int], tuple[np.ndarray, np.ndarray]]
"""(evaluation set, training set) → rows that are contained, and for each a training row that shares its grams."""


def _contained(
    training: Sequence[PreparedSet], evaluation: Sequence[PreparedSet], workers: Workers, folder: Path
) -> Matches:
    tasks = [task for prepared in evaluation for task in _tasks(prepared)]
    sets = [number for number, prepared in enumerate(evaluation) for _ in _tasks(prepared)]
    results = dict(workers.map(grams_of_part, tasks))
    hashes, rows = (np.concatenate([results[i][column] for i in range(len(tasks))] or [[]]) for column in (0, 1))
    if not len(hashes):
        return {}
    of_set = np.repeat(sets, [len(results[i][0]) for i in range(len(tasks))])
    del results
    known, places = np.unique(hashes, return_inverse=True)
    # The grams of a prompt stand together: where the set or the row changes, another prompt begins.
    starts = np.flatnonzero((np.diff(of_set, prepend=-1) != 0) | (np.diff(rows, prepend=-1) != 0))
    sizes = np.diff([*starts, len(rows)])
    found: Matches = {}
    with TemporaryDirectory(dir=folder, prefix=SCRATCH) as scratch:
        _save(known, Path(scratch))
        searches = [(number, task) for number, prepared in enumerate(training) for task in _tasks(prepared)]
        seen_by = [np.full(len(known), -1, np.int64) for _ in training]
        with Progress(len(searches), "comparing with evaluation", "parts") as progress:
            for index, (hit, of_rows) in workers.map(search_part, [(Path(scratch), *task) for _, task in searches]):
                seen_by[searches[index][0]][hit] = of_rows
                progress.advance()
    for number, seen in enumerate(seen_by):
        hits = seen[places]
        is_contained = np.add.reduceat((hits >= 0).astype(np.int64), starts) >= CONTAINED * sizes
        matches = np.maximum.reduceat(hits, starts)
        for test in np.unique(of_set):
            chosen = is_contained & (of_set[starts] == test)
            found[int(test), number] = (rows[starts][chosen], matches[chosen])
    return found


def _tasks(prepared: PreparedSet) -> list[tuple[Path, int, np.ndarray]]:
    """Part by part: the file, the number of its first row among the set's files, and the set's rows in it."""
    edges = np.searchsorted(prepared.rows, prepared.starts)
    return [
        (part.path, int(start), prepared.rows[edges[i] : edges[i + 1]] - start)
        for i, (part, start) in enumerate(zip(prepared.parts, prepared.starts[:-1], strict=True))
    ]


def _read(path: Path, rows: np.ndarray) -> list[str]:
    columns = ["objective", "instruction", "question", "passages"]
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all().select(columns)
    return prompts(table if len(rows) == table.num_rows else take(table, rows))


def grams_of_part(path: Path, start: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The different grams of the long prompts among some rows of a part.

    Returns:
        Their hashes, ``uint64[g]``, and the row of the set's files that each is of, ``int64[g]``, ascending.
    """
    hashes, own = grams(_read(path, rows), LONG)
    order = np.lexsort((hashes, own))
    hashes, own = hashes[order], own[order]
    is_first = np.ones(len(own), bool)
    is_first[1:] = (own[1:] != own[:-1]) | (hashes[1:] != hashes[:-1])
    return hashes[is_first], rows[own[is_first]] + start


def search_part(scratch: Path, path: Path, start: int, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which known grams occur in a part.

    Returns:
        Their places among the known ones, ``int64[k]``, and for each a row that has it, ``int64[k]``.
    """
    known, may_be_known = _load(scratch)
    hashes, own = grams(_read(path, rows))
    candidates = np.flatnonzero(may_be_known[hashes >> np.uint64(64 - _bits(len(known)))])
    places = np.minimum(np.searchsorted(known, hashes[candidates]), len(known) - 1)
    is_hit = known[places] == hashes[candidates]
    return places[is_hit], rows[own[candidates[is_hit]]] + start


def _bits(number: int) -> int:
    """Bits of a hash by which a table of eight to sixteen places a gram is addressed."""
    return min(max(number, 1).bit_length() + 3, 28)


def _save(known: np.ndarray, scratch: Path) -> None:
    """The sorted grams, and a table by their first bits: nine of ten searches end there, in one look."""
    may_be_known = np.zeros(1 << _bits(len(known)), bool)
    may_be_known[known >> np.uint64(64 - _bits(len(known)))] = True
    np.save(scratch / "known.npy", known)
    np.save(scratch / "may_be_known.npy", may_be_known)


@lru_cache(maxsize=1)
def _load(scratch: Path) -> tuple[np.ndarray, np.ndarray]:
    return np.load(scratch / "known.npy", mmap_mode="r"), np.load(scratch / "may_be_known.npy", mmap_mode="r")
