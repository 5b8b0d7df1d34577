"""Prepared sets are found by split and name, opened whole or as a seeded sample, and refused in one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from reset_pl.data.prepared import PreparedSource
from reset_pl.data.table import SCHEMA, ExampleTable, to_batch
from reset_pl.errors import InputError
from tests.conftest import make_example


def write_set(folder: Path, numbers: range, rows: list[int] | None = None) -> None:
    """A preparation by hand, with one set ``nq`` in ``train``, in files of 10 rows."""
    home = folder / "train" / "nq"
    home.mkdir(parents=True)
    files = []
    for start in range(numbers.start, numbers.stop, 10):
        path = home / f"{start:03}.arrow"
        batch = to_batch(make_example(n, dataset="nq") for n in range(start, min(start + 10, numbers.stop)))
        with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
            writer.write_batch(batch)
        files.append(str(path.relative_to(folder)))
    entry: dict[str, Any] = {"files": files, "rows": None, "n": len(numbers), "fingerprint": "f00d"}
    if rows is not None:
        np.save(home / "rows.npy", np.array(rows))
        entry |= {"rows": "train/nq/rows.npy", "n": len(rows)}
    (folder / "manifest.json").write_text(json.dumps({"format": 1, "splits": {"train": {"nq": entry}, "test": {}}}))


def load(folder: Path, dataset: str, **options: Any) -> ExampleTable:
    table = PreparedSource(str(folder), dataset, **options).load()
    assert isinstance(table, ExampleTable)
    return table


def test_a_set_is_its_files_in_order(tmp_path: Path) -> None:
    write_set(tmp_path, range(25))
    source = PreparedSource(str(tmp_path), "nq")
    assert source.name == "nq"
    assert list(source.load()) == [make_example(n, dataset="nq") for n in range(25)]


def test_only_the_rows_of_the_manifest(tmp_path: Path) -> None:
    write_set(tmp_path, range(25), rows=[3, 4, 19, 24])
    assert load(tmp_path, "nq").ids == ["nq/3", "nq/4", "nq/19", "nq/24"]


@pytest.mark.parametrize("rows", [None, [20, 1, 2, 3, 5, 8, 13, 21]])
def test_a_sample_is_seeded_of_its_size_and_has_its_own_fingerprint(tmp_path: Path, rows: list[int] | None) -> None:
    write_set(tmp_path, range(25), rows)
    whole = load(tmp_path, "nq")
    first, again, other = (load(tmp_path, "nq", sample=6, seed=seed) for seed in (0, 0, 1))
    assert first.ids == again.ids
    assert first.ids != other.ids
    assert len(set(first.ids)) == 6
    assert set(first.ids) <= set(whole.ids)
    assert len({whole.fingerprint, first.fingerprint, other.fingerprint}) == 3
    assert again.fingerprint == first.fingerprint


def test_a_sample_of_more_than_there_are_is_all(tmp_path: Path) -> None:
    write_set(tmp_path, range(12))
    few = load(tmp_path, "nq", sample=100)
    assert len(few) == 12
    assert few.fingerprint == load(tmp_path, "nq").fingerprint


def test_what_is_not_there_is_said_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"run python -m reset_pl prepare .*--output_dir"):
        load(tmp_path, "nq")
    write_set(tmp_path, range(12), rows=[0, 1])
    with pytest.raises(InputError, match=r"a set 'nqq' in the split 'train' .* has train: nq"):
        load(tmp_path, "nqq")
    with pytest.raises(InputError, match="a set 'nq' in the split 'test'"):
        load(tmp_path, "nq", split="test")
    with pytest.raises(InputError, match="at least 1"):
        PreparedSource(str(tmp_path), "nq", sample=0)
    (tmp_path / "train" / "nq" / "rows.npy").unlink()
    with pytest.raises(InputError, match=r"row numbers of nq .* run prepare again"):
        load(tmp_path, "nq")
    (tmp_path / "train" / "nq" / "000.arrow").unlink()
    (tmp_path / "manifest.json").write_text(
        (tmp_path / "manifest.json").read_text().replace('"train/nq/rows.npy"', "null")
    )
    with pytest.raises(InputError, match=r"000\.arrow.* run prepare again"):
        load(tmp_path, "nq")
