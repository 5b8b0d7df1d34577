import hashlib
import json
import re
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reset_pl.data import sources
from reset_pl.data.sources import JsonlSource, ParquetSource, parse_row
from reset_pl.errors import InputError
from reset_pl.records import NOT_IN_PASSAGES, Constraint, Example, Objective

Write = Callable[..., Path]

GOOD = {"id": "good", "objective": "instruction", "instruction": "Name a colour.", "response": "Red."}
QA = {"objective": "extractive_qa", "question": "Who ran?", "passages": ["Ada ran."]}

ABSTRACTIVE = (
    "Answer the question with well-formed sentences. Paraphrase the context in the passages if necessary. "
    "Do not include new information beyond the given passages."
)


def without(row: dict[str, Any], field: str) -> dict[str, Any]:
    return {name: value for name, value in row.items() if name != field}


BAD_ROWS: list[tuple[str, dict[str, Any] | str, str]] = [
    ("not json", "{'id': 1}", "does not parse"),
    ("half a line", '{"id": "x", "objective": "instr', "does not parse"),
    ("two objects", '{"id": 1} {"id": 2}', "does not parse: Extra data at column 11"),
    ("a list", "[1, 2]", "one JSON object a line, not one list in all"),
    ("a list over several lines", " [", "one JSON object a line, not one list in all"),
    ("a text", '"[]"', "JSON object, but got str"),
    ("null", "null", "JSON object, but got NoneType"),
    ("unknown field", {**GOOD, "id": "b", "answer": "Red."}, "unknown field 'answer'"),
    ("unknown objective", {**GOOD, "objective": "chat"}, "unknown objective 'chat'; expected one of instruction, "),
    ("objective by its Python name", {**GOOD, "objective": "INSTRUCTION"}, "unknown objective 'INSTRUCTION'"),
    ("objective of a wrong type", {**GOOD, "objective": ["instruction"]}, "unknown objective ['instruction']"),
    ("no objective", without(GOOD, "objective"), "expected an 'objective'"),
    ("no instruction", without(GOOD, "instruction"), "non-empty 'instruction'"),
    ("empty instruction", {**GOOD, "instruction": ""}, "'instruction' to be a non-empty text"),
    ("blank instruction", {**GOOD, "instruction": " \t"}, "'instruction' to be a non-empty text"),
    ("instruction of a wrong type", {**GOOD, "instruction": 3}, "'instruction' to be a non-empty text"),
    ("empty response", {**GOOD, "response": ""}, "'response' to be a non-empty text"),
    ("response of a wrong type", {**GOOD, "response": ["Red."]}, "'response' to be a non-empty text"),
    ("no question", without(QA, "question"), "non-empty 'question' for the objective 'extractive_qa'"),
    ("empty question", {**QA, "question": ""}, "'question' to be a non-empty text"),
    ("no passages", without(QA, "passages"), "non-empty 'passages'"),
    ("no passages in the list", {**QA, "passages": []}, "non-empty 'passages'"),
    ("summary without an article", {"objective": "summarization"}, "non-empty 'passages'"),
    ("an empty passage", {**QA, "passages": ["Ada ran.", ""]}, "'passages' to be a list of non-empty texts"),
    ("passages of a wrong type", {**QA, "passages": {"text": "Ada"}}, "'passages' to be a list of non-empty texts"),
    ("a passage of a wrong type", {**QA, "passages": ["Ada", 7]}, "'passages' to be a list of non-empty texts"),
    ("an empty reference", {**QA, "references": [" "]}, "'references' to be a list of non-empty texts"),
    ("an empty id", {**GOOD, "id": " "}, "non-empty 'id'"),
    ("a constraint without id", {**GOOD, "constraints": [{"kwargs": {}}]}, "'constraints' to be a list of objects"),
    ("constraints that are a text", {**GOOD, "constraints": "no_comma"}, "'constraints' to be a list of objects"),
    ("answerable that is a text", {**QA, "answerable": "no"}, "'answerable' to be true, false or absent, but got 'no'"),
    ("answerable that is a number", {**QA, "answerable": 0}, "'answerable' to be true, false or absent, but got 0"),
    ("an unanswerable instruction", {**GOOD, "answerable": False}, "expected a question where 'answerable' is false"),
    (
        "an unanswerable question with a response",
        {**QA, "answerable": False, "response": "Ada"},
        "expected the response 'The passages do not answer the question.', or none, where 'answerable' is false, but "
        "got 'Ada'",
    ),
    (
        "an unanswerable question with references",
        {**QA, "answerable": False, "references": [NOT_IN_PASSAGES, "Ada"]},
        "where 'answerable' is false, but got 'Ada'",
    ),
    ("constraints that are a number", {**GOOD, "constraints": 3}, "'constraints' to be a list of objects"),
    *(
        (
            f"half a character in {field}",
            {**QA, field: value},
            f"expected '{field}' to be Unicode text, but got '\\ud800'",
        )
        for field, value in {
            "id": "q\ud800",
            "instruction": "Answer \ud800.",
            "question": "What \ud800?",
            "passages": ["Ada ran.", "Bob \ud800."],
            "response": "\ud800",
            "references": "Ada \ud800",
            "constraints": [{"id": "keywords:existence", "kwargs": {"keywords": ["a", "\ud800"]}}],
        }.items()
    ),
]


@pytest.mark.parametrize(("row", "message"), [case[1:] for case in BAD_ROWS], ids=[case[0] for case in BAD_ROWS])
def test_a_bad_row_is_named_by_file_and_line(write_rows: Write, row: dict[str, Any] | str, message: str) -> None:
    path = write_rows(GOOD, "", row)
    with pytest.raises(InputError) as error:
        JsonlSource(str(path)).load()
    text = str(error.value)
    assert text.startswith(f"{path}:3: ")
    assert message in text
    assert "\n" not in text


def test_a_character_of_two_halves_is_read(write_rows: Write) -> None:
    path = write_rows(json.dumps({**QA, "question": "Why \U0001f600?"}, ensure_ascii=True))
    assert "\\ud83d\\ude00" in path.read_text()
    (example,) = JsonlSource(str(path)).load()
    assert example.question == "Why \U0001f600?"


def test_half_a_character_is_refused_whatever_the_file() -> None:
    row = {**QA, "passages": ["Ada ran \udfff."]}
    with pytest.raises(
        InputError, match=r"^table\.parquet:3: expected 'passages' to be Unicode text, but got '.udfff'"
    ):
        parse_row(row, "own", None, "table.parquet:3")


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a JSONL file at .*nowhere\.jsonl.*'nowhere'"):
        JsonlSource(str(tmp_path / "nowhere.jsonl")).load()
    with pytest.raises(InputError, match="expected a JSONL file"):
        JsonlSource(str(tmp_path)).load()


@pytest.mark.parametrize("content", ["", "\n\n  \n"])
def test_a_file_without_examples(tmp_path: Path, content: str) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text(content)
    with pytest.raises(InputError, match=r"at least one example in .*empty\.jsonl"):
        JsonlSource(str(path)).load()


def test_a_file_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin.jsonl"
    path.write_bytes(json.dumps(GOOD).encode() + b'\n{"objective": "instruction", "instruction": "Caf\xe9"}\n')
    with pytest.raises(InputError, match=r"latin\.jsonl:2: expected text in UTF-8"):
        JsonlSource(str(path)).load()


def test_a_byte_order_mark_and_windows_line_ends_are_read(tmp_path: Path) -> None:
    path = tmp_path / "windows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GOOD).encode() + b"\r\n")
    assert [example.id for example in JsonlSource(str(path)).load()] == ["windows/good"]


@pytest.mark.parametrize("first", [{**GOOD, "id": 7}, {**QA}], ids=["own id", "content"])
def test_duplicate_ids_name_both_lines(write_rows: Write, first: dict[str, Any]) -> None:
    second = {**GOOD, "id": "7"} if "id" in first else {**first, "response": "Ada"}
    path = write_rows(first, GOOD, second)
    with pytest.raises(InputError, match=rf"^{path}:3: the id .* stands on line 1 too"):
        JsonlSource(str(path)).load()


def test_limit_reads_that_many_rows_and_does_not_look_further(write_rows: Write) -> None:
    path = write_rows("", GOOD, {**GOOD, "id": "b"}, "broken")
    assert [example.id for example in JsonlSource(str(path), limit=2).load()] == ["own/good", "own/b"]
    with pytest.raises(InputError, match=r"own\.jsonl:4"):
        JsonlSource(str(path), limit=3).load()
    with pytest.raises(InputError, match="limit of at least 1 example.*got 0"):
        JsonlSource(str(path), limit=0)


def test_a_full_row(write_rows: Write) -> None:
    row = {
        "id": 12,
        "objective": "abstractive_qa",
        "instruction": " Tell me. ",
        "question": "Who ran?",
        "passages": ["Ada ran.", " Bob slept."],
        "response": "Ada did.",
        "references": ["Ada did.", "Ada ran."],
        "constraints": [{"id": "punctuation:no_comma"}, {"id": "a:b", "kwargs": {"num_words": 2}}],
    }
    (example,) = JsonlSource(str(write_rows(row)), dataset="mine").load()
    assert example == Example(
        id="mine/12",
        dataset="mine",
        objective=Objective.ABSTRACTIVE_QA,
        instruction="Tell me.",
        question="Who ran?",
        passages=("Ada ran.", "Bob slept."),
        response="Ada did.",
        references=("Ada did.", "Ada ran."),
        constraints=(Constraint(id="punctuation:no_comma"), Constraint(id="a:b", kwargs={"num_words": 2})),
    )


def test_defaults_of_a_row(write_rows: Write) -> None:
    path = write_rows({"question": "Who ran?", "passages": "Ada ran.", "objective": None, "response": None})
    (example,) = JsonlSource(str(path), objective="abstractive_qa").load()
    assert example.objective is Objective.ABSTRACTIVE_QA
    assert example.instruction == ABSTRACTIVE
    assert example.passages == ("Ada ran.",)
    assert (example.response, example.references, example.constraints) == (None, (), ())


def test_a_rows_own_objective_wins_over_the_sources(write_rows: Write) -> None:
    (example,) = JsonlSource(str(write_rows(GOOD)), objective="summarization").load()
    assert example.objective is Objective.INSTRUCTION


def test_response_and_references_stand_in_for_each_other(write_rows: Write) -> None:
    path = write_rows({**QA, "references": ["Ada", "Ada L."]}, {**GOOD})
    only_references, only_response = JsonlSource(str(path)).load()
    assert only_references.response == "Ada"
    assert only_response.references == ("Red.",)


@pytest.mark.parametrize(
    "answers", [{}, {"response": NOT_IN_PASSAGES}, {"references": [NOT_IN_PASSAGES]}, {"response": None}]
)
def test_an_unanswerable_question(write_rows: Write, answers: dict[str, Any]) -> None:
    (example,) = JsonlSource(str(write_rows({**QA, "answerable": False, **answers}))).load()
    assert not example.answerable
    assert (example.response, example.references) == (NOT_IN_PASSAGES, (NOT_IN_PASSAGES,))


@pytest.mark.parametrize("answerable", [True, None])
def test_rows_are_answerable_unless_they_say_otherwise(write_rows: Write, answerable: bool | None) -> None:
    (example,) = JsonlSource(str(write_rows({**QA, "answerable": answerable}))).load()
    assert example.answerable
    assert (example.response, example.references) == (None, ())


def test_a_line_that_is_too_long_is_not_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "one.jsonl"
    with path.open("wb") as file:
        file.write(json.dumps(GOOD).encode() + b"\n[")
        file.truncate(4_000_000_000)  # sparse: reading it all would take 4 GB
    tracemalloc.start()
    with pytest.raises(InputError) as error:
        JsonlSource(str(path)).load()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert str(error.value).startswith(f"{path}:2: expected a line of at most 10 MB, but got a longer one")
    assert "\n" not in str(error.value)
    assert peak < 100_000_000


def test_the_longest_line(write_rows: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write_rows(GOOD, {**GOOD, "id": "b"})
    longest = max(map(len, path.read_bytes().splitlines(keepends=True)))
    monkeypatch.setattr(sources, "MAX_LINE", longest)
    assert len(JsonlSource(str(path)).load()) == 2
    monkeypatch.setattr(sources, "MAX_LINE", longest - 1)
    with pytest.raises(InputError, match=r"own\.jsonl:1: expected a line of at most"):
        JsonlSource(str(path)).load()


PARQUET_ROWS = [
    {"id": 12, **QA, "references": ["Ada"]},
    {"id": 13, **QA, "answerable": False},
    {"id": 14, "objective": "summarization", "passages": ["It rained.", "It poured."], "response": "Rain."},
    {
        "id": 15,
        **without(GOOD, "id"),
        "constraints": [{"id": "a:b", "kwargs": {"n": 2}}, {"id": "c:d", "kwargs": {"word": "x"}}],
    },
]


def write_parquet(path: Path, rows: list[dict[str, Any]]) -> Path:
    names = dict.fromkeys(name for row in rows for name in row)
    pq.write_table(pa.Table.from_pylist([{name: row.get(name) for name in names} for row in rows]), path)
    return path


def test_parquet_reads_as_jsonl_does(write_rows: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "BATCH", 3)
    path = write_parquet(tmp_path / "own.parquet", PARQUET_ROWS)
    examples = ParquetSource(str(path)).load()
    assert examples == JsonlSource(str(write_rows(*PARQUET_ROWS))).load()
    assert [example.id for example in ParquetSource(str(path), dataset="mine", limit=2).load()] == [
        "mine/12",
        "mine/13",
    ]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([QA, {**QA, "passages": []}], ":2: expected non-empty 'passages'"),
        ([{**QA, "answer": "Ada"}], ":1: unknown field 'answer'; expected some of answerable, "),
        ([QA, QA], ":2: the id .* stands on row 1 too"),
    ],
)
def test_bad_rows_of_parquet_are_named_by_their_number(tmp_path: Path, rows: Any, message: str) -> None:
    path = write_parquet(tmp_path / "own.parquet", rows)
    with pytest.raises(InputError, match=message):
        ParquetSource(str(path)).load()


def test_a_file_that_is_not_parquet(tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    with pytest.raises(InputError, match=r"expected a Parquet file at .*own\.parquet, but there is none"):
        ParquetSource(str(path)).load()
    path.write_text("PAR2 " * 100)
    with pytest.raises(InputError, match=r"expected a Parquet file at .*own\.parquet, but it does not read: ") as error:
        ParquetSource(str(path)).load()
    assert "\n" not in str(error.value)
    pq.write_table(pa.table({"instruction": pa.array([], pa.string())}), path)
    with pytest.raises(InputError, match=r"at least one example in .*own\.parquet"):
        ParquetSource(str(path)).load()


def test_parquet_that_is_not_utf8(tmp_path: Path) -> None:
    path = tmp_path / "latin.parquet"
    pq.write_table(pa.table({"instruction": pa.array(["Café".encode("latin-1")]).view(pa.string())}), path)
    with pytest.raises(InputError, match=r"latin\.parquet: expected text in UTF-8, but got .* in a row after 0"):
        ParquetSource(str(path)).load()


def content_hash(*parts: str) -> str:
    digest = hashlib.sha256("\x1f".join(parts).encode()).digest()
    return f"{int.from_bytes(digest[:8], 'big') >> 1:016x}"


def test_ids_from_content_are_stable(write_rows: Write) -> None:
    row = {**QA, "instruction": "Answer."}
    (example,) = JsonlSource(str(write_rows(row))).load()
    assert example.id == "own/" + content_hash("extractive_qa", "Answer.", "Who ran?", "Ada ran.")
    (answered,) = JsonlSource(str(write_rows({**row, "response": "Ada", "references": ["Ada"]}))).load()
    assert answered.id == example.id
    (other,) = JsonlSource(str(write_rows({**row, "passages": ["Ada ran", "."]}))).load()
    assert other.id != example.id


OWN_DATA = Path(__file__).parents[2] / "docs" / "own-data.md"


def test_the_documented_rows_are_read(tmp_path: Path) -> None:
    rows = re.findall(r"```json\n(.*?)```", OWN_DATA.read_text(), re.DOTALL)
    path = tmp_path / "rows.jsonl"
    path.write_text("".join(rows))
    examples = JsonlSource(str(path)).load()
    assert [example.objective for example in examples] == [
        "extractive_qa",
        "extractive_qa",
        "summarization",
        "instruction",
    ]
    assert [example.answerable for example in examples] == [True, False, True, True]
    assert all(example.response and example.references for example in examples)


def test_the_documented_fields_are_those_that_are_read(write_rows: Write) -> None:
    documented = set(re.findall(r"^\| `(\w+)` \|", OWN_DATA.read_text().split("## A row")[1], re.MULTILINE))
    with pytest.raises(InputError) as error:
        JsonlSource(str(write_rows({"x": 1}))).load()
    assert documented == set(str(error.value).split("expected some of ")[1].split(", "))


def test_a_parquet_file_is_not_read_as_lines(tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    pq.write_table(pa.Table.from_pylist([QA]), path)
    with pytest.raises(InputError, match=r"own\.parquet, but got a Parquet file: use ParquetSource"):
        JsonlSource(str(path)).load()
