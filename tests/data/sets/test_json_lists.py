import gzip
import io
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.data.sets import json_lists
from reset_pl.data.sets.json_lists import as_json_lines, list_items
from reset_pl.data.sets.nq import NaturalQuestions
from reset_pl.errors import InputError
from tests.data.sets.conftest import Put

OBJECTS = st.lists(st.dictionaries(st.text(max_size=3), st.text(max_size=5) | st.floats(allow_nan=False)), min_size=1)


@pytest.fixture(autouse=True)
def everything_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lists, "LARGE", 0)


@given(OBJECTS, st.sampled_from([None, 0, 4]), st.integers(10, 40), st.booleans())
def test_items_of_a_list_in_small_blocks(objects: list[Any], indent: int | None, block: int, ascii_only: bool) -> None:
    text = json.dumps(objects, indent=indent, ensure_ascii=ascii_only)
    assert [json.loads(item) for item in list_items(io.StringIO(text), block)] == objects


@pytest.mark.parametrize("text", ['[{"a": 1}, {"b"', '[{"a": 1}', '[{"a": 1}; {}]', '[{"a": 1} oops]'])
def test_a_list_that_breaks_off_or_is_none(text: str) -> None:
    with pytest.raises(json.JSONDecodeError):
        list(list_items(io.StringIO(text)))


@pytest.mark.parametrize("is_packed", [True, False])
def test_a_list_becomes_lines_once_until_it_changes(tmp_path: Path, is_packed: bool) -> None:
    objects = [{"a": "x\ny"}, {"a": "é"}]
    text = json.dumps(objects, indent=4, ensure_ascii=False).encode()
    path = tmp_path / "download"
    path.write_bytes(gzip.compress(text) if is_packed else text)
    lines = as_json_lines(path, tmp_path / "cache")
    assert [json.loads(line) for line in gzip.decompress(lines.read_bytes()).splitlines()] == objects
    before = lines.stat().st_mtime_ns
    assert as_json_lines(path, tmp_path / "cache") == lines
    assert lines.stat().st_mtime_ns == before
    os.utime(path, ns=(0, 0))
    assert as_json_lines(path, tmp_path / "cache") != lines


@pytest.mark.parametrize("text", ['{"a": 1}\n{"a": 2}\n', '["a"]', "<html>", ""])
def test_other_files_stay(tmp_path: Path, text: str) -> None:
    path = tmp_path / "file.json"
    path.write_text(text)
    assert as_json_lines(path, tmp_path / "cache") == path


def test_small_files_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_lists, "LARGE", 1 << 20)
    path = tmp_path / "file.json"
    path.write_text('[{"a": 1}]')
    assert as_json_lines(path, tmp_path / "cache") == path


ROWS = [{"question": f"q{i}", "answers": ["ada"], "ctxs": [{"text": "Ada.", "has_answer": True}]} for i in range(3)]


def test_questions_read_from_a_large_list(put: Put, mirror: Path) -> None:
    import datasets

    put("dpr/nq-train.json.gz", ROWS)
    examples = NaturalQuestions(data_dir=str(mirror)).load()
    assert [example.question for example in examples] == ["q0", "q1", "q2"]
    assert len(list(Path(datasets.config.HF_DATASETS_CACHE).glob("json_lines/*.jsonl.gz"))) == 1


def test_a_large_list_that_breaks_off(put: Put, mirror: Path) -> None:
    path = put("dpr/nq-train.json.gz", ROWS)
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-9]))
    with pytest.raises(InputError, match="expected JSON in .*nq-train.json.gz, but got JSONDecodeError"):
        NaturalQuestions(data_dir=str(mirror)).load()
