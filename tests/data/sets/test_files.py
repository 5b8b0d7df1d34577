import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from reset_pl.data.sets.files import Origin, read_rows, to_rows
from reset_pl.errors import InputError
from tests.data.sets.conftest import Put

COLUMNS = {"question": "what is asked, a text", "answers": "the answers, a list of texts"}
ROWS = [{"question": f"q{i}", "answers": [f"a{i}"], "extra": i} for i in range(5)]

HUB = Origin(
    homepage="https://huggingface.co/datasets/someone/some_qa",
    licence="CC0",
    folder="someone/some_qa",
    files={"train": "v2/train-*.parquet", "validation": "v2/validation-*.parquet"},
    format="parquet",
    revision="0123abc",
)
WEB = Origin(
    homepage="https://example.org/qa",
    licence="CC0",
    folder="web_qa",
    files={"train": "train.jsonl"},
    format="json",
    url="https://files.invalid/qa/",
)
BY_HAND = Origin(
    homepage="https://example.org/register", licence="CC0", folder="closed_qa", files={"test": "a.json"}, format="json"
)


def refusal(origin: Origin, split: str, mirror: Path | None, columns: dict[str, str] = COLUMNS) -> str:
    with pytest.raises(InputError) as error:
        read_rows(origin, split, columns, data_dir=mirror)
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 700
    return text


def test_rows_of_several_parquet_files_in_the_order_of_their_names(put: Put, mirror: Path) -> None:
    put("someone/some_qa/v2/train-00001-of-00002.parquet", ROWS[3:])
    put("someone/some_qa/v2/train-00000-of-00002.parquet", ROWS[:3])
    put("someone/some_qa/v2/validation-00000-of-00001.parquet", ROWS[:1])
    assert read_rows(HUB, "train", COLUMNS, data_dir=mirror)["question"][:] == ["q0", "q1", "q2", "q3", "q4"]
    assert len(read_rows(HUB, "validation", COLUMNS, data_dir=mirror)) == 1


@pytest.mark.parametrize(("limit", "count"), [(None, 5), (2, 2), (5, 5), (9, 5)])
def test_limit(put: Put, mirror: Path, limit: int | None, count: int) -> None:
    put("web_qa/train.jsonl", ROWS)
    assert read_rows(WEB, "train", COLUMNS, data_dir=mirror, limit=limit)["question"][:] == [
        f"q{i}" for i in range(count)
    ]


@pytest.mark.parametrize("name", ["train.jsonl", "train.json", "train.jsonl.gz", "train.json.gz"])
def test_forms_of_json(put: Put, mirror: Path, name: str) -> None:
    put(f"web_qa/{name}", ROWS)
    origin = Origin(homepage="", licence="", folder="web_qa", files={"train": name}, format="json")
    rows = read_rows(origin, "train", COLUMNS, data_dir=mirror)
    assert to_rows(rows.with_format("arrow")[:]) == ROWS


def test_objects_with_unlike_keys_come_back_as_they_were(put: Put, mirror: Path) -> None:
    rows: list[dict[str, Any]] = [
        {"labels": {"a": {"value": 1.0}}, "list": [{"x": 1}], "both": "[]", "deep": {"in": [{"p": 1}], "n": 1}},
        {"labels": {"b": {"value": 0.5}}, "list": [{"y": 2}, {}], "both": ["z"], "deep": {"in": [{"q": 2}], "n": 2}},
        {"labels": None, "list": None, "both": None, "deep": None},
    ]
    put("web_qa/train.jsonl", rows)
    dataset = read_rows(WEB, "train", {"labels": ""}, data_dir=mirror)
    # In a column of mixed types `datasets` parses a text that is itself JSON: the raw "[]" of MS MARCO is a list then.
    rows[0]["both"] = []
    assert to_rows(dataset.with_format("arrow")[:]) == rows


def test_a_column_that_is_null_in_the_first_10_mb(put: Put, mirror: Path) -> None:
    rows = [{"question": "x" * 500_000, "model": None} for _ in range(25)] + [{"question": "y", "model": "late"}]
    put("web_qa/train.jsonl", rows)
    assert read_rows(WEB, "train", {"model": ""}, data_dir=mirror)["model"][-1] == "late"


def test_a_mirror_without_the_folder(mirror: Path) -> None:
    text = refusal(HUB, "train", mirror)
    assert f"split 'train', at {mirror}/someone/some_qa/v2/train-*.parquet" in text
    assert f"there is no folder {mirror}/someone/some_qa" in text
    assert HUB.homepage in text


def test_a_mirror_with_other_files(put: Put, mirror: Path) -> None:
    put("someone/some_qa/README.md", [])
    text = refusal(HUB, "train", mirror)
    assert "but got README.md: download them from https://huggingface.co/datasets/someone/some_qa" in text


def test_a_script_in_place_of_the_files(put: Put, mirror: Path) -> None:
    put("someone/some_qa/some_qa.py", [])
    text = refusal(HUB, "train", mirror)
    assert "but got the dataset script some_qa.py: datasets 5 runs no scripts" in text
    assert "v2/train-*.parquet, v2/validation-*.parquet" in text


def test_a_script_beside_the_files_does_no_harm(put: Put, mirror: Path) -> None:
    put("web_qa/web_qa.py", [])
    put("web_qa/train.jsonl", ROWS)
    assert len(read_rows(WEB, "train", COLUMNS, data_dir=mirror)) == 5


def test_another_configuration(put: Put, mirror: Path) -> None:
    put("someone/some_qa/v1/train-00000-of-00001.parquet", ROWS)
    assert "but got another configuration, 'v1': 'v2' is needed" in refusal(HUB, "train", mirror)


def test_another_split(put: Put, mirror: Path) -> None:
    put("someone/some_qa/v2/validation-00000-of-00001.parquet", ROWS)
    assert "but got only the split 'validation'" in refusal(HUB, "train", mirror)


def test_a_renamed_column(put: Put, mirror: Path) -> None:
    put("web_qa/train.jsonl", [{"question": "q", "answer": ["a"]}])
    text = refusal(WEB, "train", mirror)
    assert "expected a column 'answers' (the answers, a list of texts) in " in text
    assert f"{mirror}/web_qa/train.jsonl, but got question, answer; the nearest is 'answer'" in text


def test_a_missing_column(put: Put, mirror: Path) -> None:
    put("web_qa/train.jsonl", [{"question": "q", "url": "u"}])
    assert refusal(WEB, "train", mirror).endswith("but got question, url")


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"<html>Not found</html>\n", "JSON parse error: Invalid value"),
        (b'{"question": "q", "answers": ["a"]}\n{"question": "q2", "ans', "JSON"),
        (b"", "it holds no row"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n", "JSON parse error"),
    ],
    ids=["html", "half", "empty", "pointer"],
)
def test_a_file_that_is_not_json(mirror: Path, content: bytes, expected: str) -> None:
    (mirror / "web_qa").mkdir(parents=True)
    (mirror / "web_qa" / "train.jsonl").write_bytes(content)
    text = refusal(WEB, "train", mirror)
    assert text.startswith(f"expected JSON in {mirror}/web_qa/train.jsonl, but got ")
    assert expected in text
    assert "download it again from https://example.org/qa" in text


def test_a_file_that_is_not_parquet(mirror: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (mirror / "someone/some_qa/v2").mkdir(parents=True)
    (mirror / "someone/some_qa/v2/train-0.parquet").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    text = refusal(HUB, "train", mirror)
    assert text.startswith(f"expected Parquet in {mirror}/someone/some_qa/v2/train-*.parquet, but got ArrowInvalid")
    assert capfd.readouterr() == ("", "")


def test_a_json_list_that_is_not_utf8(mirror: Path) -> None:
    (mirror / "web_qa").mkdir(parents=True)
    (mirror / "web_qa" / "train.jsonl").write_bytes('[{"question": "Café", "answers": []}]'.encode("latin-1"))
    assert "UTF-8" in refusal(WEB, "train", mirror)


def test_a_text_that_is_not_utf8_is_not_passed_on() -> None:
    column = pa.array(["Café".encode("latin-1")]).view(pa.string())
    with pytest.raises(UnicodeDecodeError):
        to_rows(pa.table({"question": column}))


def test_files_that_must_be_fetched_by_hand() -> None:
    assert refusal(BY_HAND, "test", None) == (
        "closed_qa has to be fetched by hand from https://example.org/register: "
        "give --data_dir DIR with DIR/closed_qa/a.json"
    )


def test_the_hub_is_read_by_explicit_path_at_the_pinned_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked: list[tuple[str, dict[str, Any]]] = []

    def load_dataset(form: str, **options: Any) -> datasets.Dataset:
        asked.append((form, options))
        return datasets.Dataset.from_list(ROWS)

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert len(read_rows(HUB, "validation", COLUMNS, limit=3)) == 3
    path = "hf://datasets/someone/some_qa@0123abc/v2/validation-*.parquet"
    assert asked == [("parquet", {"data_files": [path], "split": "train"})]


HUB_ENDING = "without the internet give --data_dir DIR with DIR/someone/some_qa/v2/train-*.parquet"


def test_offline_without_a_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub.constants

    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    text = refusal(HUB, "train", None)
    assert text.startswith("cannot read hf://datasets/someone/some_qa@0123abc/v2/train-*.parquet (OfflineModeIsEnabled")
    assert text.endswith(HUB_ENDING)


def test_an_address_that_does_not_answer() -> None:
    text = refusal(WEB, "train", None)
    assert text.startswith("cannot read https://files.invalid/qa/train.jsonl (")
    assert text.endswith("without the internet give --data_dir DIR with DIR/web_qa/train.jsonl")


@pytest.mark.integration
def test_a_hub_that_does_not_answer(tmp_path: Path) -> None:
    """In a process of its own: the libraries read the environment when they are imported."""
    code = "from tests.data.sets.test_files import HUB, refusal\nprint(refusal(HUB, 'train', None))\n"
    environment = {"HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path), "HF_ENDPOINT": "https://hub.invalid"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env={**os.environ, **environment}, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("cannot read hf://datasets/someone/some_qa@0123abc/v2/train-*.parquet (")
    assert done.stdout.strip().endswith(HUB_ENDING)


def test_bars_and_log_level_are_left_as_they_were(put: Put, mirror: Path) -> None:
    import datasets

    put("web_qa/train.jsonl", ROWS)
    before = datasets.are_progress_bars_disabled(), datasets.logging.get_verbosity()
    read_rows(WEB, "train", COLUMNS, data_dir=mirror)
    assert (datasets.are_progress_bars_disabled(), datasets.logging.get_verbosity()) == before


def test_json_text_in_a_text_column_stays_text() -> None:
    assert to_rows(pa.table({"a": ['{"x": 1}'], "b": [json.dumps([1])]})) == [{"a": '{"x": 1}', "b": "[1]"}]
