"""Candidates and verdicts of finished rounds as columns: one entry a candidate, for every judge."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reset_pl.errors import InputError
from reset_pl.records import Status
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.statistics import REFERENCE

__all__ = ["STATUSES", "JudgeColumns", "Judged", "finished_rounds", "read_judged"]

STATUSES = tuple(Status)
"""A status is stored as its place in here; -1 stands where the judge said nothing of a candidate."""

_CANDIDATES = {
    "candidate_id": pa.string(),
    "example_id": pa.string(),
    "dataset": pa.string(),
    "procedure": pa.string(),
    "text": pa.string(),
    "token_count": pa.int64(),
    "finish_reason": pa.string(),
}
_VERDICTS = {
    "candidate_id": pa.string(),
    "judge": pa.string(),
    "version": pa.string(),
    "aspect": pa.string(),
    "status": pa.string(),
    "score": pa.float64(),
    "cost": pa.float64(),
    "model": pa.string(),
}
_LATER = frozenset({"cost", "model"})
"""Columns that ledgers of older versions lack."""


_DECIMALS = 6
"""Of scores: a network's last digits hang on the batch that an answer is in; equal answers are to have equal scores."""


@dataclass(frozen=True, kw_only=True)
class JudgeColumns:
    """What one judge said, an entry a candidate."""

    name: str
    """The judge's name."""
    aspect: str
    """What it rates."""
    status: NDArray[np.int8]
    """Place in ``STATUSES``, or -1."""
    score: NDArray[np.float64]
    """To six decimals; NaN where there is none."""
    cost: NDArray[np.float64]
    """US dollars."""
    version: NDArray[np.int32]
    """Place in ``versions``, or -1."""
    versions: list[str]
    """Versions of this judge."""
    model: NDArray[np.int32]
    """Place in ``models``, or -1."""
    models: list[str]
    """Ids of the models that answered; an empty one where none was asked."""

    @property
    def is_scored(self) -> NDArray[np.bool_]:
        """Where there is a score."""
        return ~np.isnan(self.score)


@dataclass(frozen=True, kw_only=True)
class Judged:
    """The candidates of some rounds, one after another, and what the judges said of them."""

    rounds: list[Path]
    """Directories of the rounds."""
    datasets: list[str]
    """Names of the data sets."""
    judges: list[JudgeColumns]
    """By name."""
    round: NDArray[np.int64]
    """Place in ``rounds``."""
    dataset: NDArray[np.int64]
    """Place in ``datasets``."""
    prompt: NDArray[np.int64]
    """Equal for the candidates of one example in one round."""
    example: NDArray[np.int64]
    """Equal for the candidates of one example, whatever the round."""
    text: NDArray[np.int64]
    """Equal for equal texts."""
    tokens: NDArray[np.float64]
    """Length of the answer."""
    is_reference: NDArray[np.bool_]
    """Whether it is the example's own response."""
    is_truncated: NDArray[np.bool_]
    """Whether the limit cut it off; such an answer is not selected."""
    row: NDArray[np.int64]
    """Its row in its round's ``candidates.parquet``."""
    stray: int
    """Verdicts on candidates that no table has; they are left out."""


def finished_rounds(directories: Sequence[Path]) -> list[Path]:
    """The finished rounds of runs, and rounds given themselves, in the order given and each once.

    Raises:
        InputError: A directory is absent, is neither a run's nor a round's, or has no finished round.
    """
    found: dict[Path, Path] = {}
    for directory in directories:
        if not directory.is_dir():
            raise InputError(f"expected the directory of a run or of a round, but {directory} is not a directory")
        manifests = [directory / "manifest.json"] if (directory / "manifest.json").is_file() else []
        manifests = manifests or sorted(directory.glob("rounds/*/manifest.json"))
        finished = [path.parent for path in manifests if _is_finished(path.parent)]
        if not finished:
            raise InputError(
                f"expected a finished round in {directory}, but it holds {_what_is_there(manifests)}; give the "
                "default_root_dir of a fit, or one of its rounds/round-NNN"
            )
        found |= {path.resolve(): path for path in finished}
    return list(found.values())


def _is_finished(path: Path) -> bool:
    try:
        return Ledger(path).complete
    except (ValueError, TypeError, KeyError) as error:
        raise InputError(f"{path / 'manifest.json'} could not be read ({error}): it is not a round's") from error


def _what_is_there(manifests: Sequence[Path]) -> str:
    return f"{len(manifests)} that still run" if manifests else "no rounds/*/manifest.json"


def read_judged(rounds: Sequence[Path]) -> Judged:
    """Read the candidates and verdicts of rounds.

    Raises:
        InputError: A table of a round is missing, cannot be read or lacks a column.
    """
    candidates, verdicts, owners, offset, stray = [], [], [], 0, 0
    for path in rounds:
        table = _read(path / "candidates.parquet", _CANDIDATES)
        words = _read(path / "verdicts.parquet", _VERDICTS)
        place = pc.index_in(words["candidate_id"], value_set=table["candidate_id"]).combine_chunks()
        is_known = pc.is_valid(place)
        stray += place.null_count
        owners.append(place.filter(is_known).to_numpy(zero_copy_only=False).astype(np.int64) + offset)
        verdicts.append(words.filter(is_known).drop_columns(["candidate_id"]))
        candidates.append(table)
        offset += table.num_rows
    sizes = [table.num_rows for table in candidates]
    table = pa.concat_tables(candidates)
    dataset, datasets = _codes(table["dataset"])
    example, _ = _codes(table["example_id"])
    number = np.repeat(np.arange(len(rounds)), sizes)
    return Judged(
        rounds=list(rounds),
        datasets=datasets,
        judges=list(_judges(pa.concat_tables(verdicts), np.concatenate(owners), offset)),
        round=number,
        dataset=dataset,
        prompt=number * (int(example.max(initial=0)) + 1) + example,
        example=example,
        text=_codes(table["text"])[0],
        tokens=pc.fill_null(table["token_count"], 0).to_numpy().astype(np.float64),
        is_reference=pc.fill_null(pc.equal(table["procedure"], REFERENCE), False).to_numpy(),
        is_truncated=pc.fill_null(pc.equal(table["finish_reason"], "length"), False).to_numpy(),
        row=np.concatenate([np.arange(size) for size in sizes]),
        stray=stray,
    )


def _judges(table: pa.Table, owner: NDArray[np.int64], size: int) -> Iterator[JudgeColumns]:
    """The verdicts spread over the candidates, judge by judge."""
    judge, names = _codes(table["judge"])
    version, versions = _codes(table["version"])
    aspect, aspects = _codes(table["aspect"])
    model, models = _codes(pc.fill_null(table["model"], ""))
    status = pc.index_in(table["status"], value_set=pa.array([str(entry) for entry in STATUSES]))
    columns = {
        "status": (pc.fill_null(status, -1).to_numpy().astype(np.int8), -1),
        "score": (np.round(pc.fill_null(table["score"], np.nan).to_numpy(), _DECIMALS), np.nan),
        "cost": (pc.fill_null(table["cost"], 0.0).to_numpy(), 0.0),
        "version": (version.astype(np.int32), -1),
        "model": (model.astype(np.int32), -1),
    }
    for number, name in sorted(enumerate(names), key=lambda item: item[1]):
        own = np.flatnonzero(judge == number)
        yield JudgeColumns(
            name=name,
            aspect=aspects[aspect[own[0]]],
            versions=versions,
            models=models,
            **{key: _spread(values[own], owner[own], size, empty) for key, (values, empty) in columns.items()},
        )


def _spread(values: NDArray[Any], places: NDArray[np.int64], size: int, empty: float) -> NDArray[Any]:
    column = np.full(size, empty, dtype=values.dtype)
    column[places] = values
    return column


def _codes(column: pa.ChunkedArray) -> tuple[NDArray[np.int64], list[str]]:
    """A number for each distinct value, and the values."""
    coded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    return coded.indices.to_numpy().astype(np.int64), coded.dictionary.to_pylist()


def _read(path: Path, columns: dict[str, pa.DataType]) -> pa.Table:
    """These columns of a file; a later version's are filled where an older one wrote it."""
    try:
        present = set(pq.read_schema(path).names)
        lacking = columns.keys() - present - _LATER
        if lacking:
            raise InputError(f"expected {path} to have the column {', '.join(sorted(lacking))}, but it has none")
        table = pq.read_table(path, columns=[name for name in columns if name in present])
        for name in columns.keys() - present:
            table = table.append_column(name, pa.nulls(table.num_rows, columns[name]))
        return table.select(list(columns)).cast(pa.schema(columns))
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"cannot read {path}: {str(error).splitlines()[0]}") from error
