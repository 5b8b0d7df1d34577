from typing import Any

import pyarrow as pa

from reset_pl.data.sets.base import Dropped
from reset_pl.data.sets.dolly import Dolly
from reset_pl.records import Example, Objective, stable_hash

FILE = "databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl"


def row(**changes: Any) -> dict[str, Any]:
    return {
        "instruction": "Name a bird. ",
        "context": "",
        "response": " A wren.\n",
        "category": "open_qa",
        **changes,
    }


ROWS = [
    row(),
    row(context="Wrens are birds."),
    row(category="closed_qa"),
    row(category="information_extraction", context=" "),
    row(category="summarization"),
    row(instruction=" "),
    row(response=""),
    row(instruction="Name a tree.", category="brainstorming", context=" \n"),
]


def test_the_papers_filters(put, mirror) -> None:
    put(FILE, ROWS)
    examples = Dolly(data_dir=str(mirror)).load()
    assert examples[0] == Example(
        id=f"dolly/{stable_hash('Name a bird.', 'A wren.'):016x}",
        dataset="dolly",
        objective=Objective.INSTRUCTION,
        instruction="Name a bird.",
        response="A wren.",
        references=("A wren.",),
    )
    assert [example.instruction for example in examples] == ["Name a bird.", "Name a tree."]


def test_reasons() -> None:
    _, dropped = Dolly().convert_table(pa.Table.from_pylist(ROWS))
    assert dropped == {"has_context": 1, "category": 3, "empty_instruction": 1, "empty_response": 1}


def test_each_filter_can_be_switched() -> None:
    kept = Dolly(keep_context=True).convert(row(context="Wrens are birds."))
    assert isinstance(kept, Example)
    assert kept.instruction == "Name a bird.\n\nWrens are birds."
    assert isinstance(Dolly(drop_categories=()).convert(row(category="summarization")), Example)
    assert Dolly(drop_categories=("open_qa",)).convert(row()) == Dropped("category")
    assert Dolly().convert(row(instruction=None)) == Dropped("empty_instruction")
    assert Dolly().convert(row(response=None)) == Dropped("empty_response")


def test_real_rows(put, mirror, real) -> None:
    rows = real("dolly/dolly_fixture.json")
    put(FILE, rows)
    examples = Dolly(data_dir=str(mirror)).load()
    assert (len(rows), len(examples)) == (12, 5)
    assert "Which is a species of fish? Tope or Rope" in [example.instruction for example in examples]
