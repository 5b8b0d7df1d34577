"""A part says what it was made of, and its name changes with whatever its examples follow from."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa
import pytest

from reset_pl.data.sets import Dolly, PublishedSource
from reset_pl.data.sources import JsonlSource
from reset_pl.errors import InputError
from reset_pl.preparation import parts
from reset_pl.preparation.parts import fingerprint_of, open_rows, read_part, write_part
from tests.conftest import make_example
from tests.preparation.conftest import ListSource
from tests.preparation.mirror import write_mirror


@pytest.fixture
def dolly(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PublishedSource:
    monkeypatch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path / "cache")
    write_mirror(tmp_path / "mirror")
    return Dolly(data_dir=str(tmp_path / "mirror"))


def test_a_part_holds_examples_and_counts(dolly: PublishedSource, tmp_path: Path) -> None:
    rows, ranges = open_rows(dolly)
    assert ranges == [range(26)]
    assert write_part(dolly, "dolly", rows, range(1, 5), tmp_path / "own" / "part.arrow") == 4
    part = read_part(tmp_path / "own" / "part.arrow")
    assert (part.read, part.kept, part.dropped) == (4, 3, {"has_context": 1})
    table = pa.ipc.open_file(pa.memory_map(str(part.path))).read_all()
    assert table["response"].to_pylist() == ["Use 0.", "Use 1.", "Use 2."]
    assert [path.name for path in part.path.parent.iterdir()] == ["part.arrow"]


def test_the_parts_cover_all_rows_once(dolly: PublishedSource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "CHUNK_ROWS", 7)
    assert open_rows(dolly)[1] == [range(7), range(7, 14), range(14, 21), range(21, 26)]
    monkeypatch.setattr(parts, "CHUNK_BYTES", 1)
    assert open_rows(dolly)[1] == [range(n, n + 1) for n in range(26)]


def test_the_fingerprint_follows_settings_files_name_and_code(dolly: PublishedSource, tmp_path: Path) -> None:
    mirror = str(tmp_path / "mirror")
    first = fingerprint_of(dolly, "dolly")
    assert first == fingerprint_of(Dolly(data_dir=mirror), "dolly")
    others = [fingerprint_of(Dolly(data_dir=mirror, limit=3), "dolly"), fingerprint_of(dolly, "instruction")]
    path = next((tmp_path / "mirror/databricks").rglob("*.jsonl"))
    path.write_text(path.read_text() + "\n")
    os.utime(path, ns=(0, 0))
    others.append(fingerprint_of(dolly, "dolly"))
    assert len({first, *others}) == 4


def test_the_fingerprint_of_ones_own_file_follows_it(tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    path.write_text("{}\n")
    source = JsonlSource(str(path))
    first = fingerprint_of(source, "own")
    path.write_text("{}\n{}\n")
    assert fingerprint_of(source, "own") != first


def test_the_fingerprint_follows_the_files_below_a_folder(tmp_path: Path) -> None:
    source = ListSource("own", [])
    source.path = tmp_path / "rows"  # type: ignore[attr-defined]
    found = [fingerprint_of(source, "own")]
    for name, text in (("a/one", "x"), ("a/two", "x"), ("a/one", "xy")):
        (source.path / name).parent.mkdir(parents=True, exist_ok=True)  # type: ignore[attr-defined]
        (source.path / name).write_text(text)  # type: ignore[attr-defined]
        found.append(fingerprint_of(source, "own"))
    assert len(set(found)) == 4
    assert fingerprint_of(source, "own") == found[-1]


def test_half_a_character_is_said_with_its_row(tmp_path: Path) -> None:
    rows = [make_example(1), make_example(2, question="Which \ud83d?")]
    with pytest.raises(InputError, match=r"qa/2: expected texts of whole characters"):
        write_part(ListSource("qa", rows), "qa", None, range(1), tmp_path / "part.arrow")
    assert list(tmp_path.iterdir()) == []


def test_what_is_no_part_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "part.arrow"
    path.write_bytes(b"ARROW1 and no more")
    with pytest.raises(InputError, match=r"expected a part of a preparation at .*part\.arrow"):
        read_part(path)
