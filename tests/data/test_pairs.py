from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from reset_pl.data.datamodule import ResetDataModule
from reset_pl.data.pairs import PairSource
from reset_pl.errors import InputError
from reset_pl.records import Example, Selection
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.tables import prompt_row, selected_row

Make = Callable[..., Example]


@pytest.fixture
def examples(make_example: Make) -> list[Example]:
    return [make_example(key, response="The reference.") for key in "abc"]


def write(folder: Path, examples: list[Example], *answers: tuple[str, str, str | None]) -> PairSource:
    """A selection with these (example, chosen, rejected)."""
    ledger = Ledger(folder)
    ledger.write_table([prompt_row(example) for example in examples], "prompts")
    selections = [
        Selection(example_id=key, candidate_id=f"0/{key}/top_k/1", score=2.0, text=text, rejected_text=rejected)
        for key, text, rejected in answers
    ]
    ledger.write_table([selected_row(selection, "d") for selection in selections], "selected")
    return PairSource(str(folder))


def test_pairs_are_the_prompts_with_both_answers(tmp_path: Path, examples: list[Example]) -> None:
    source = write(tmp_path, examples, ("d/c", "good", "bad"), ("d/a", "", "worse"))
    expected = [
        replace(examples[2], response="good", rejected="bad"),
        replace(examples[0], response="", rejected="worse"),
    ]
    assert source.load() == expected
    assert source.name == tmp_path.name


def test_the_sets_that_pairs_are_of_are_seen_ones(tmp_path: Path, tiny_model: Path, examples: list[Example]) -> None:
    data = ResetDataModule(train=[write(tmp_path, examples, ("d/c", "x", "y"))], tokenizer=str(tiny_model))
    assert "d" in data.seen


def test_an_answer_without_a_rejected_one_is_named(tmp_path: Path, examples: list[Example]) -> None:
    source = write(tmp_path, examples, ("d/c", "good", "bad"), ("d/a", "good", None))
    with pytest.raises(InputError, match=r"but 1 of its 2 answers have no rejected .*d/a: .*--selector BestAndWorst"):
        source.load()


def test_a_round_from_before_there_were_pairs_has_none(tmp_path: Path, examples: list[Example]) -> None:
    source = write(tmp_path, examples, ("d/c", "good", "bad"))
    path = tmp_path / "selected.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["rejected"]), path)
    with pytest.raises(InputError, match="1 of its 1 answers have no rejected one"):
        source.load()


def test_no_pairs_are_refused(tmp_path: Path, examples: list[Example]) -> None:
    with pytest.raises(InputError, match=f"preference pairs in {tmp_path}, but nothing was selected there"):
        write(tmp_path, examples).load()


def test_a_folder_that_is_no_selection_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"prompts\.parquet is missing there") as error:
        PairSource(str(tmp_path)).load()
    assert "\n" not in str(error.value)


def test_a_pair_of_equal_answers_stops_before_training(
    tmp_path: Path, tiny_model: Path, examples: list[Example]
) -> None:
    source = write(tmp_path, examples, ("d/c", "good", "bad"), ("d/a", "same", "same"))
    data = ResetDataModule(train=[source], tokenizer=str(tiny_model), batch_size=2)
    with pytest.raises(
        InputError, match=r"carry no target token .*d/a.*: both answers of the pair have the same tokens"
    ):
        data.train_dataloader()
