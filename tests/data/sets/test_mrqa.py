import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from reset_pl.data.sets.mrqa import MRQA, split_context
from reset_pl.errors import InputError
from reset_pl.metrics.coverage import span_coverage
from tests.data.sets.conftest import Put, Real

CONTEXT = " ".join(f"[DOC] [TLE] Title {i} [PAR] Passage {i} burns." for i in range(7))


def row(
    qid: str, question: str, answers: list[str], context: str = CONTEXT, subset: str = "SearchQA"
) -> dict[str, Any]:
    tokens = {"tokens": ["x"], "offsets": [0]}
    spans = [{"start": [0], "end": [1]}]
    return {
        "subset": subset,
        "context": context,
        "context_tokens": tokens,
        "qid": qid,
        "question": question,
        "question_tokens": tokens,
        "detected_answers": {"text": answers, "char_spans": spans, "token_spans": spans},
        "answers": answers,
    }


ROWS = [
    row("q1", "What burns?", ["passage 1"]),
    row("q2", "What does the sixth?", ["Passage 5"]),
    row("q3", "Who made the lamp?", ["Ada"], "The lamp was made by Ada.", "SQuAD"),
    row("q4", "Which title?", ["Title 1"]),
]


@pytest.fixture
def hub(put: Put, mirror: Path) -> Path:
    put("mrqa-workshop/mrqa/plain_text/train-00000-of-00001.parquet", ROWS)
    return mirror


@pytest.mark.parametrize(
    ("context", "passages"),
    [
        (CONTEXT, [f"Passage {i} burns." for i in range(7)]),
        ("[PAR] [TLE] Lamps [SEP] They burn. [PAR] [TLE] Hats [SEP] They are worn.", ["They burn.", "They are worn."]),
        ("[DOC] [TLE]  [PAR] Oil. [DOC] ", ["Oil."]),
        ("One text.\n\nTwo paragraphs.", ["One text.\n\nTwo paragraphs."]),
        ("", []),
    ],
)
def test_passages_of_a_context(context: str, passages: list[str]) -> None:
    assert split_context(context) == passages


def test_one_subset_with_at_most_five_passages(hub: Path) -> None:
    (example,) = MRQA(data_dir=str(hub), subset="SearchQA", name="searchqa").load()
    assert (example.id, example.dataset, example.question) == ("searchqa/q1", "searchqa", "What burns?")
    assert example.passages == tuple(f"Passage {i} burns." for i in range(5))
    assert (example.response, example.references) == ("Passage 1", ("passage 1",))


def test_reasons_of_the_others(hub: Path) -> None:
    source = MRQA(data_dir=str(hub), subset="SearchQA")
    _, dropped = source.convert_table(source.rows().with_format("arrow")[:])
    assert dropped == {"no_answer_in_passages": 2, "other_subset": 1}


@pytest.mark.parametrize(
    ("options", "ids"),
    [
        ({}, ["mrqa/q1", "mrqa/q3"]),
        ({"max_passages": 6}, ["mrqa/q1", "mrqa/q2", "mrqa/q3"]),
        ({"filter_answerless": False}, ["mrqa/q1", "mrqa/q2", "mrqa/q3", "mrqa/q4"]),
        ({"subset": "SQuAD"}, ["mrqa/q3"]),
    ],
)
def test_switches(hub: Path, options: dict[str, Any], ids: list[str]) -> None:
    assert [example.id for example in MRQA(data_dir=str(hub), **options).load()] == ids


@pytest.fixture
def raw(mirror: Path) -> Path:
    """A header, then contexts with one or two questions, in the form of the task's own files."""
    lines = [
        {"header": {"dataset": "SearchQA", "split": "dev"}},
        {
            "id": "",
            "context": CONTEXT,
            "qas": [_qa("q1", "passage 1"), _qa("q2", "Nobody")],
            "context_tokens": [["x", 0]],
        },
        {
            "id": "",
            "context": "[DOC] [TLE] Oil [PAR] Oil burns.",
            "qas": [_qa("q3", "Oil")],
            "context_tokens": [["x", 0]],
        },
    ]
    for folder in ("train", "dev"):
        (mirror / "mrqa" / folder).mkdir(parents=True)
        text = "\n".join(map(json.dumps, lines))
        (mirror / "mrqa" / folder / "SearchQA.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    return mirror


def _qa(qid: str, answer: str) -> dict[str, Any]:
    detected = [{"text": answer, "char_spans": [[0, 1]], "token_spans": [[0, 1]]}]
    return {
        "qid": qid,
        "id": "7",
        "question": "What burns?",
        "question_tokens": [["What", 0]],
        "answers": [answer],
        "detected_answers": detected,
    }


def test_raw_files_have_several_questions_a_context(raw: Path) -> None:
    source = MRQA(shape="raw", subset="SearchQA", data_dir=str(raw))
    first, second = source.load()
    assert (first.id, first.response, len(first.passages)) == ("mrqa/q1", "Passage 1", 5)
    assert (second.id, second.passages) == ("mrqa/q3", ("Oil burns.",))
    _, dropped = source.convert_table(source.rows().with_format("arrow")[:])
    assert dropped == {"no_answer_in_passages": 1}
    assert len(MRQA(shape="raw", subset="SearchQA", split="validation", data_dir=str(raw), limit=1).rows()) == 1


def test_raw_files_are_of_one_subset() -> None:
    with pytest.raises(InputError, match="expected a subset for the raw shape of mrqa"):
        MRQA(shape="raw")


def test_another_subset_in_the_mirror(raw: Path) -> None:
    with pytest.raises(InputError, match="mrqa/train/HotpotQA.jsonl.gz"):
        MRQA(shape="raw", subset="HotpotQA", data_dir=str(raw)).load()


def test_real_rows(real: Real, put: Put, mirror: Path) -> None:
    """Three articles of NewsQA with their questions; the answers were found in the texts by the task's organisers."""
    contexts = real("mrqa/NewsQA_sample.jsonl")
    put("mrqa/train/NewsQA.jsonl.gz", contexts)
    source = MRQA(shape="raw", subset="NewsQA", data_dir=str(mirror))
    examples, dropped = source.convert_table(source.rows().with_format("arrow")[:])
    assert len(examples) == sum(len(context["qas"]) for context in contexts) == 17
    assert not dropped
    assert all(span_coverage(example.response or "", *example.passages) for example in examples)
