import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reset_pl.data.sets.base import Dropped
from reset_pl.data.sets.searchqa import SearchQA
from reset_pl.errors import InputError
from reset_pl.records import Example
from tests.data.sets.conftest import Real

PutZip = Callable[..., Path]


def result(snippet: str | None, title: str | None = "A page") -> dict[str, Any]:
    return {"title": title, "snippet": snippet, "url": "https://example.org", "related_links": None}


def row(question: str, answer: str, *results: dict[str, Any], value: str | None = "$200") -> dict[str, Any]:
    return {
        "category": "LAMPS",
        "air_date": "2004-12-31",
        "question": f"'{question}'",
        "value": value,
        "answer": answer,
        "round": "Jeopardy!",
        "show_number": "4680",
        "search_results": list(results),
    }


FILLERS = [result("Nothing here.")] * 5
ROWS = [
    row("He Made the 1st Lamp", "Ada\\'s son", result(None), result("x", ""), result("ADA'S SON, a smith"), value=None),
    row("A Lamp in This City", "York", *FILLERS, result("Lamps of York.")),
    row("This Hat", "a fez", *FILLERS),
    row("No Results", "York"),
    row("This Letter", "us", result("Because.")),
]


@pytest.fixture
def put_zip(mirror: Path) -> PutZip:
    def put(*texts: str, name: str = "test") -> Path:
        path = mirror / "kyunghyuncho/search_qa/data/train_test_val" / f"{name}.zip"
        path.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(path, "w") as archive:
            for i, text in enumerate(texts):
                archive.writestr(f"{name}/{i:06}.json", text)
        return mirror

    return put


@pytest.fixture
def searchqa(put_zip: PutZip) -> Path:
    return put_zip(*(json.dumps(row, indent=2) for row in ROWS))


def test_questions_with_their_snippets(searchqa: Path) -> None:
    (example,) = SearchQA(data_dir=str(searchqa)).load()
    assert example.id.startswith("searchqa/")
    assert example.question == "he made the 1st lamp"
    assert example.passages == ("ADA'S SON, a smith",)
    assert (example.response, example.references) == ("ADA'S SON", ("Ada's son",))


def test_reasons_of_the_others(searchqa: Path) -> None:
    source = SearchQA(data_dir=str(searchqa))
    _, dropped = source.convert_table(source.rows().with_format("arrow")[:])
    assert dropped == {"no_answer_in_passages": 2, "no_positive_result": 1, "no_search_results": 1}


@pytest.mark.parametrize(
    ("options", "passages"),
    [
        ({"max_passages": 6}, [1, 6]),
        ({"filter_answerless": False}, [1, 5, 1]),
        ({"filter_answerless": False, "require_positive": False}, [1, 5, 5, 1]),
    ],
)
def test_switches(searchqa: Path, options: dict[str, Any], passages: list[int]) -> None:
    examples = SearchQA(data_dir=str(searchqa), **options).load()
    assert [len(example.passages) for example in examples] == passages


def test_other_splits(put_zip: PutZip) -> None:
    mirror = put_zip(json.dumps(ROWS[0]), name="val")
    assert len(SearchQA(split="validation", data_dir=str(mirror)).load()) == 1


@pytest.mark.parametrize("text", ['{"question": "q", "Answer": "a"}', "<html>", "[1]"])
def test_files_of_another_shape(put_zip: PutZip, text: str) -> None:
    with pytest.raises(
        InputError, match="expected JSON objects with 'question', 'answer' and 'search_results'"
    ) as error:
        SearchQA(data_dir=str(put_zip(text))).load()
    assert text in str(error.value)


def test_rows_without_a_question_or_an_answer() -> None:
    positive = {"search_results": [result("York")], "show_number": "1"}
    assert SearchQA().convert({"question": None, "answer": "York", **positive}) == Dropped("no_question")
    assert SearchQA().convert({"question": "'Where?'", "answer": None, **positive}) == Dropped("no_answer")


def test_real_rows_are_of_a_crawl_without_results(real: Real) -> None:
    rows = real("searchqa/tiny_jeopardy.json")
    assert [SearchQA().convert(row) for row in rows] == [Dropped("no_search_results")] * 7


def test_a_real_row_with_results_of_ours(real: Real) -> None:
    rows = real("searchqa/tiny_jeopardy.json")
    example = SearchQA().convert({**rows[3], "search_results": [result("In 1963 McDonald's served it.")]})
    assert isinstance(example, Example)
    assert example.question == 'in 1963, live on "the art linkletter show", this company served its billionth burger'
    assert example.response == "McDonald's"
