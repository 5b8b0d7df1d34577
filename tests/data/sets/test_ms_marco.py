from pathlib import Path
from typing import Any

import pytest

from reset_pl.data.sets.base import Dropped
from reset_pl.data.sets.ms_marco import MSMarco
from reset_pl.errors import InputError
from reset_pl.records import NOT_IN_PASSAGES, Example
from tests.data.sets.conftest import Put, Real


def row(number: int, selected: list[int], well_formed: list[str], answers: list[str] | None = None) -> dict[str, Any]:
    return {
        "answers": ["a dim lamp"] if answers is None else answers,
        "passages": {
            "is_selected": selected,
            "passage_text": [f"Passage {i}." for i in range(len(selected))],
            "url": ["https://example.org"] * len(selected),
        },
        "query": f" what is lamp {number}",
        "query_id": number,
        "query_type": "DESCRIPTION",
        "wellFormedAnswers": well_formed,
    }


ROWS = [
    row(1, [0, 1, 0], ["", "It is a dim lamp. ", "A lamp that is dim."]),
    row(2, [0, 1], []),
    row(3, [0, 0, 0], [], ["No Answer Present."]),
    row(4, [0, 0], ["It is a lamp."]),
    row(5, [0] * 7 + [1, 1, 0], ["It is the seventh."]),
    row(6, [1], [" "]),
]


def raw(row: dict[str, Any]) -> dict[str, Any]:
    """The row in the shape of the original files."""
    keys = list(row["passages"])
    passages = [dict(zip(keys, values, strict=True)) for values in zip(*row["passages"].values(), strict=True)]
    return {**row, "passages": passages, "wellFormedAnswers": row["wellFormedAnswers"] or "[]"}


@pytest.fixture
def marco(put: Put, mirror: Path) -> Path:
    put("microsoft/ms_marco/v2.1/train-00000-of-00002.parquet", ROWS[:4])
    put("microsoft/ms_marco/v2.1/train-00001-of-00002.parquet", ROWS[4:])
    put("microsoft/ms_marco/v2.1/validation-00000-of-00001.parquet", ROWS[:1])
    return mirror


def test_rows_with_a_well_formed_answer_and_a_selected_passage(marco: Path) -> None:
    first, last = MSMarco(data_dir=str(marco)).load()
    assert (first.id, first.question, first.objective) == ("ms_marco/1", "what is lamp 1", "abstractive_qa")
    assert first.passages == ("Passage 0.", "Passage 1.", "Passage 2.")
    assert first.response == "It is a dim lamp."
    assert first.references == ("It is a dim lamp.", "A lamp that is dim.")
    assert first.instruction.startswith("Answer the question with well-formed sentences.")
    assert last.id == "ms_marco/5"
    assert first.answerable


def test_reasons_of_the_others(marco: Path) -> None:
    source = MSMarco(data_dir=str(marco))
    _, dropped = source.convert_table(source.rows().with_format("arrow")[:])
    assert dropped == {"no_well_formed_answer": 2, "unanswerable": 1, "no_selected_passage": 1}


@pytest.mark.parametrize(
    ("count", "numbers"), [(5, [0, 1, 2, 3, 7]), (1, [7]), (8, range(8)), (10, range(10)), (11, range(10))]
)
def test_the_first_selected_passage_takes_the_last_place(count: int, numbers: list[int]) -> None:
    example = MSMarco(max_passages=count).convert(ROWS[4])
    assert isinstance(example, Example)
    assert example.passages == tuple(f"Passage {i}." for i in numbers)


def test_without_the_selected_passage() -> None:
    example = MSMarco(require_selected=False).convert(ROWS[3])
    assert isinstance(example, Example)
    assert example.response == "It is a lamp."


def test_plain_answers_stand_in_for_well_formed_ones() -> None:
    example = MSMarco(require_well_formed=False).convert(ROWS[1])
    assert isinstance(example, Example)
    assert (example.response, example.references) == ("a dim lamp", ("a dim lamp",))


def test_hidden_answers_leave_no_target() -> None:
    example = MSMarco(split="test", require_well_formed=False, require_selected=False).convert(row(7, [0, 0], [], []))
    assert isinstance(example, Example)
    assert (example.response, example.references) == (None, ())


def test_unanswerable_questions_in_their_stated_form() -> None:
    example = MSMarco(keep_unanswerable=True).convert(ROWS[2])
    assert isinstance(example, Example)
    assert not example.answerable
    assert (example.response, example.references) == (NOT_IN_PASSAGES, (NOT_IN_PASSAGES,))
    assert len(example.passages) == 3


def test_rows_without_a_question_or_a_passage() -> None:
    source = MSMarco(require_selected=False)
    assert source.convert({**ROWS[0], "query": " "}) == Dropped("no_question")
    assert source.convert(row(1, [], ["It is."])) == Dropped("no_passages")


@pytest.mark.parametrize("options", [{}, {"keep_unanswerable": True}, {"max_passages": 1}])
def test_original_shape_and_trimmed_rows_give_the_same_examples(marco: Path, options: dict[str, Any]) -> None:
    source = MSMarco(data_dir=str(marco), **options)
    expected = [source.convert(row) for row in ROWS]
    assert [source.convert(raw(row)) for row in ROWS] == expected
    assert [source.convert(row) for row in source.trim(source.rows().with_format("arrow")[:]).to_pylist()] == expected


def test_fewer_than_one_passage() -> None:
    with pytest.raises(InputError, match="max_passages of at least 1 for ms_marco"):
        MSMarco(max_passages=0)


@pytest.mark.parametrize("name", ["row_hub_schema", "row_raw_v2.1"])
def test_real_row(real: Real, name: str) -> None:
    """The row has no well-formed answer, no selected passage, and one answer."""
    (example,) = real(f"ms_marco/{name}.jsonl")
    assert MSMarco().convert(example) == Dropped("no_well_formed_answer")
    assert MSMarco(require_well_formed=False).convert(example) == Dropped("no_selected_passage")
    kept = MSMarco(require_well_formed=False, require_selected=False).convert(example)
    assert isinstance(kept, Example)
    assert (kept.id, kept.question) == ("ms_marco/1102432", ". what is a corporation?")
    assert kept.passages[0].startswith("A company is incorporated")
