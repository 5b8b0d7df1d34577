from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from reset_pl.data.curated import CuratedSource, example_from_json, example_to_json
from reset_pl.errors import InputError
from reset_pl.records import Constraint, Example, Objective, Selection
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.tables import prompt_row, selected_row

Make = Callable[..., Example]


@pytest.fixture
def examples(make_example: Make) -> list[Example]:
    return [
        make_example(
            "a",
            objective=Objective.EXTRACTIVE_QA,
            question="Who – “é”?\n",
            passages=("Ada\u2028ran.", "Bob."),
            references=("Ada", "A."),
            constraints=(Constraint(id="x:y", kwargs={"n": 2, "words": ["é"]}),),
        ),
        make_example("b", response=None),
        make_example("c"),
    ]


def test_an_example_survives_json_unchanged(examples: list[Example]) -> None:
    for example in examples:
        line = example_to_json(example)
        assert "\n" not in line
        assert example_from_json(line) == example
        assert isinstance(example_from_json(line).objective, Objective)


def test_curated_examples_are_the_prompts_with_the_chosen_answers(tmp_path: Path, examples: list[Example]) -> None:
    round_dir = tmp_path / "rounds" / "round-000"
    round_dir.mkdir(parents=True)
    ledger = Ledger(round_dir)
    chosen = [("d/c", "Chosen c."), ("d/a", "")]
    ledger.write_table([prompt_row(example) for example in examples], "prompts")
    ledger.write_table(
        [
            selected_row(Selection(example_id=key, candidate_id=f"0/{key}/top_k/1", score=2.0, text=text), "d")
            for key, text in chosen
        ],
        "selected",
    )
    source = CuratedSource(str(round_dir))
    assert source.name == "round-000"
    assert source.load() == [replace(examples[2], response="Chosen c."), replace(examples[0], response="")]


def test_several_answers_of_a_prompt_have_ids_of_their_own(tmp_path: Path, examples: list[Example]) -> None:
    ledger = Ledger(tmp_path)
    ledger.write_table([prompt_row(example) for example in examples], "prompts")
    chosen = [
        Selection(example_id="d/c", candidate_id=f"0/d/c/top_k/{rank}", score=2.0, text=text, rank=rank)
        for rank, text in enumerate(("best", "next", "last"))
    ]
    ledger.write_table([selected_row(selection, "d") for selection in chosen], "selected")
    loaded = CuratedSource(str(tmp_path)).load()
    assert [(e.id, e.response) for e in loaded] == [("d/c", "best"), ("d/c#1", "next"), ("d/c#2", "last")]
    assert {replace(e, id="", response="") for e in loaded} == {replace(examples[2], id="", response="")}


def test_a_round_from_before_there_were_several_is_read(tmp_path: Path, examples: list[Example]) -> None:
    ledger = Ledger(tmp_path)
    ledger.write_table([prompt_row(example) for example in examples], "prompts")
    selection = Selection(example_id="d/c", candidate_id="0/d/c/top_k/1", score=2.0, text="old")
    ledger.write_table([selected_row(selection, "d")], "selected")
    path = tmp_path / "selected.parquet"
    new = ("rank", "rejected_id", "rejected", "rejected_score")
    pq.write_table(pq.read_table(path).drop_columns(list(new)), path)
    assert [(e.id, e.response) for e in CuratedSource(str(tmp_path)).load()] == [("d/c", "old")]


@pytest.mark.parametrize("missing", ["prompts", "selected"])
def test_an_unfinished_round_is_refused(tmp_path: Path, missing: str) -> None:
    for table in {"prompts", "selected"} - {missing}:
        Ledger(tmp_path).write_table([], table)
    with pytest.raises(
        InputError, match=rf"finished round or a selection in {tmp_path}, but {missing}.parquet is missing"
    ):
        CuratedSource(str(tmp_path)).load()
