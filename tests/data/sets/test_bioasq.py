import json
from pathlib import Path
from typing import Any

import pytest

from reset_pl.data.sets.base import Dropped
from reset_pl.data.sets.bioasq import BioASQ
from reset_pl.errors import InputError
from reset_pl.records import Example
from tests.data.sets.conftest import Put, Real


def row(key: str, question: str, context: str, *answers: str) -> dict[str, Any]:
    labels = [{"start": [0], "end": [1]}]
    return {"context": context, "question": question, "answers": list(answers), "key": key, "labels": labels}


ROWS = [
    row("k1", "Which gene causes Lampitis?", "Lampitis comes from the gene LMP1 .", "LMP1"),
    row("k2", "Which gene causes hatitis?", "The gene HAT2 causes hatitis.", "HAT2"),
    row("k3", "Is it hatitis?", "The gene HAT2 causes hatitis.", "hatitis"),
    row("k4", "What is oil?", "Oil burns.", "Burns"),
    row("k5", "What is a wick?", "A wick is a thread.", "cord"),
    row("k6", "Where is York?", "York is in England.", "England"),
]


@pytest.fixture
def mrqa(put: Put, mirror: Path) -> Path:
    put("lucadiliello/bioasqqa/data/test-00000-of-00001.parquet", ROWS)
    return mirror


def test_gold_context_among_the_nearest_others(mrqa: Path) -> None:
    examples = {example.id: example for example in BioASQ(data_dir=str(mrqa)).load()}
    assert list(examples) == ["bioasq/k1", "bioasq/k2", "bioasq/k3", "bioasq/k4", "bioasq/k6"]
    assert examples["bioasq/k1"].question == "which gene causes lampitis?"
    assert (examples["bioasq/k4"].response, examples["bioasq/k4"].references) == ("burns", ("Burns",))
    contexts = {row["context"] for row in ROWS}
    assert all(set(example.passages) == contexts for example in examples.values())
    assert all(len(example.passages) == 5 for example in examples.values())
    places = {example.passages.index(row["context"]) for row, example in zip(ROWS, examples.values(), strict=False)}
    assert len(places) > 1


def test_the_nearest_context_is_the_first_distractor(mrqa: Path) -> None:
    example = BioASQ(data_dir=str(mrqa), max_passages=2).load()[0]
    assert set(example.passages) == {ROWS[0]["context"], ROWS[1]["context"]}  # they share "gene" and "causes"


def test_order_is_drawn_by_the_seed_and_the_same_every_time(mrqa: Path) -> None:
    def passages(**options: Any) -> list[tuple[str, ...]]:
        return [example.passages for example in BioASQ(data_dir=str(mrqa), **options).load()]

    assert passages() == passages()
    assert passages() != passages(seed=1)
    assert passages(limit=2) == passages()[:2]  # distractors come from the whole split


def test_dropped_and_kept_without_the_answer(mrqa: Path) -> None:
    source = BioASQ(data_dir=str(mrqa))
    _, dropped = source.convert_table(source.rows().with_format("arrow")[:])
    assert dropped == {"no_answer_in_passages": 1}
    kept = BioASQ(data_dir=str(mrqa), filter_answerless=False).load()
    assert [example.response for example in kept] == ["LMP1", "HAT2", "hatitis", "burns", "cord", "England"]


def question(key: str, kind: str, exact_answer: Any, *snippets: str) -> dict[str, Any]:
    return {
        "id": key,
        "type": kind,
        "body": "Which gene?",
        "exact_answer": exact_answer,
        "ideal_answer": ["It is a gene."],
        "documents": ["http://www.ncbi.nlm.nih.gov/pubmed/1"],
        "snippets": [{"text": text, "document": "d", "beginSection": "abstract"} for text in snippets],
    }


GOLDEN = [
    question("a", "factoid", [["LMP1", "lamp gene"]], *["Nothing."] * 9, "Here the Lamp Gene acts."),
    question("b", "list", [["HAT2"], ["HAT3", "hat three"]], "HAT3 and HAT2"),
    question("c", "yesno", "yes", "HAT2"),
    question("d", "factoid", ["LMP1"], *[f"Nothing {i}." for i in range(5)], "LMP1"),
]


@pytest.fixture
def golden(mirror: Path) -> Path:
    (mirror / "bioasq").mkdir(parents=True)
    for number, rows in enumerate((GOLDEN[:2], GOLDEN[2:])):
        text = json.dumps({"questions": rows}, indent=4)
        (mirror / "bioasq" / f"{number + 2}B1_golden.json").write_text(text)
    return mirror


def test_golden_files(golden: Path) -> None:
    source = BioASQ(bioasq_source="golden", data_dir=str(golden))
    first, second = source.load()
    assert (first.id, first.question, first.passages) == (
        "bioasq/a",
        "which gene?",
        ("Nothing.", "Here the Lamp Gene acts."),
    )
    assert (first.response, first.references) == ("Lamp Gene", ("LMP1", "lamp gene"))
    assert (second.response, second.references) == ("HAT2", ("HAT2", "HAT3", "hat three"))
    _, dropped = source.convert_table(source.rows().with_format("arrow")[:])
    assert dropped == {"not_factoid_or_list": 1, "no_answer_in_passages": 1}
    assert len(BioASQ(bioasq_source="golden", data_dir=str(golden), max_passages=6).load()) == 3
    assert len(BioASQ(bioasq_source="golden", data_dir=str(golden), limit=1).load()) == 1


def test_golden_files_must_be_fetched_by_hand() -> None:
    with pytest.raises(InputError, match="bioasq has to be fetched by hand from .*bioasq.org.*DIR/bioasq/"):
        BioASQ(bioasq_source="golden").load()


@pytest.mark.parametrize("text", ["<html>", '{"question": []}', '{"questions": [{"id": "a"}]}', "[]"])
def test_golden_files_of_another_shape(golden: Path, text: str) -> None:
    (golden / "bioasq" / "4B1_golden.json").write_text(text)
    with pytest.raises(InputError, match="expected an object with 'questions'"):
        BioASQ(bioasq_source="golden", data_dir=str(golden)).load()


def test_real_template(real: Real) -> None:
    """Its answers are the placeholders A, B and C, and A is an article."""
    (question,) = real("bioasq/task_b_template.json")["questions"]  # type: ignore[call-overload]
    source = BioASQ(bioasq_source="golden")
    assert source.convert(question) == Dropped("no_answer_in_passages")
    example = BioASQ(bioasq_source="golden", filter_answerless=False).convert(question)
    assert isinstance(example, Example)
    assert example.id == "bioasq/5118dd1305c10fae750000010"
    assert example.question == "is rheumatoid arthritis more common in men or women?"
    assert example.references == ("A", "B", "C")
    assert example.passages[0].startswith("The expression and clinical course of RA")
