from pathlib import Path
from typing import Any

import pytest

from reset_pl.data.sets.nq import NaturalQuestions
from reset_pl.errors import InputError
from reset_pl.metrics.coverage import span_coverage
from reset_pl.records import Example
from tests.data.sets.conftest import Put, Real


def ctx(text: str, *, flag: str = "has_answer", holds: bool = False) -> dict[str, Any]:
    return {"id": "wiki:1", "title": "Lamps", "text": text, "score": "80.1", flag: holds}


def question(text: str, answers: list[str], *ctxs: dict[str, Any]) -> dict[str, Any]:
    return {"question": text, "answers": answers, "ctxs": list(ctxs)}


ROWS = [
    question(
        "who made the first lamp", ["Ada Lamb", "A. Lamb"], ctx("No."), ctx("It was ADA LAMB, in 1802.", holds=True)
    ),
    question("how many lamps are lit", ["12"], *[ctx("None.")] * 5, ctx("12 lamps", holds=True)),
    question("where is the lamp", ["us"], ctx("Because.", holds=True)),
]


@pytest.fixture
def nq(put: Put, mirror: Path) -> Path:
    for split in ("train", "dev", "test"):
        put(f"dpr/nq-{split}.json.gz", ROWS)
    return mirror


def test_questions_with_an_answer_in_the_first_five_passages(nq: Path) -> None:
    (example,) = NaturalQuestions(data_dir=str(nq)).load()
    assert example.id.startswith("nq/")
    assert example.question == "who made the first lamp"
    assert example.passages == ("No.", "It was ADA LAMB, in 1802.")
    assert (example.response, example.references) == ("ADA LAMB", ("Ada Lamb", "A. Lamb"))


def test_reasons_of_the_others(nq: Path) -> None:
    source = NaturalQuestions(data_dir=str(nq))
    _, dropped = source.convert_table(source.rows().with_format("arrow")[:])
    assert dropped == {"no_answer_in_passages": 1, "flagged_answer_not_in_passages": 1}


@pytest.mark.parametrize(
    ("options", "passages"),
    [
        ({}, [2]),
        ({"max_passages": 6}, [2, 6]),
        ({"max_passages": 1, "filter_answerless": False}, [1, 1, 1]),
        ({"filter_eval": False}, [2]),
        ({"filter_eval": False, "split": "validation"}, [2, 5, 1]),
        ({"filter_eval": False, "split": "test"}, [2, 5, 1]),
        ({"split": "test"}, [2]),
    ],
)
def test_switches(nq: Path, options: dict[str, Any], passages: list[int]) -> None:
    examples = NaturalQuestions(data_dir=str(nq), **options).load()
    assert [len(example.passages) for example in examples] == passages


def test_trimming_changes_no_example(nq: Path) -> None:
    source = NaturalQuestions(data_dir=str(nq))
    assert [source.convert(row) for row in ROWS] == [
        source.convert(row) for row in source.trim(source.rows().with_format("arrow")[:]).to_pylist()
    ]


def test_rows_with_one_key_are_one_example(put: Put, mirror: Path) -> None:
    put("dpr/nq-train.json.gz", [ROWS[0], ROWS[0]])
    assert len(NaturalQuestions(data_dir=str(mirror)).load()) == 1


def test_fewer_than_one_passage() -> None:
    with pytest.raises(InputError, match="max_passages of at least 1 for nq, but got 0"):
        NaturalQuestions(max_passages=0)


def test_real_rows(real: Real) -> None:
    """Each of the 60 questions comes with its gold passage, under the key ``hasanswer``."""
    rows = real("nq/nq_open_oracle_60.jsonl")
    results = [NaturalQuestions(split="test").convert(row) for row in rows]
    examples = [result for result in results if isinstance(result, Example)]
    assert len(examples) == 60
    for example in examples:
        assert span_coverage(example.response or "", *example.passages)
        assert any((example.response or "") in passage for passage in example.passages)
