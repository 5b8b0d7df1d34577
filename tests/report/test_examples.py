import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reset_pl.report.examples import choices_of
from tests.synthetic_run import HOSTILE, LABELS, TRAIN_SETS


@pytest.fixture
def round_dir(run_dir: Path) -> Path:
    return run_dir / "rounds" / "round-000"


def test_some_prompts_of_each_set_with_the_chosen_text_and_all_rivals(round_dir: Path) -> None:
    choices = choices_of(round_dir)
    assert [choice.dataset for choice in choices] == [name for name in TRAIN_SETS for _ in range(3)]
    for choice in choices:
        drawn = [*choice.chosen.labels, *(label for rival in choice.rivals for label in rival.labels)]
        assert sorted(drawn) == sorted(LABELS)
        totals = [rival.total for rival in choice.rivals if rival.total is not None]
        assert totals == sorted(totals, reverse=True)
        assert choice.chosen.total is not None
        assert choice.chosen.total >= totals[0]


def test_the_widest_spread_comes_first_and_the_score_is_the_weighted_sum(round_dir: Path) -> None:
    choices = [choice for choice in choices_of(round_dir) if choice.dataset == "mini_nq"]
    spreads = [(choice.chosen.total or 0) - (choice.rivals[-1].total or 0) for choice in choices]
    assert spreads == sorted(spreads, reverse=True)
    chosen = choices[0].chosen
    assert chosen.total == pytest.approx(chosen.scores["task"] + 2 * chosen.scores["faithfulness"])
    weighted = choices_of(round_dir, {"task": 10.0, "faithfulness": 1.0})[3].chosen
    assert weighted.total == pytest.approx(10 * weighted.scores["task"] + weighted.scores["faithfulness"])


def test_equal_texts_are_shown_once_with_all_their_decodings(round_dir: Path) -> None:
    path = round_dir / "candidates.parquet"
    rows = pq.read_table(path).to_pylist()
    pq.write_table(pa.Table.from_pylist([{**row, "text": "the same"} for row in rows]), path)
    choice = choices_of(round_dir)[0]
    assert choice.rivals == []
    assert sorted(choice.chosen.labels) == sorted(LABELS)


def test_text_is_kept_as_it_is_and_cut_when_very_long(round_dir: Path) -> None:
    assert any(HOSTILE in choice.chosen.text for choice in choices_of(round_dir, per_dataset=6))
    path = round_dir / "candidates.parquet"
    rows = pq.read_table(path).to_pylist()
    pq.write_table(pa.Table.from_pylist([{**row, "text": "x" * 1_000_000} for row in rows]), path)
    text = choices_of(round_dir)[0].chosen.text
    assert len(text) < 2000
    assert text.endswith("[1,000,000 characters]")


def test_a_held_out_judge_is_in_no_score(round_dir: Path) -> None:
    path = round_dir / "verdicts.parquet"
    rows = pq.read_table(path).to_pylist()
    outside = [{**row, "judge": "outside", "score": 0.0} for row in rows if row["judge"] == "summac"]
    expected = choices_of(round_dir)
    pq.write_table(pa.Table.from_pylist(rows + outside), path)
    assert choices_of(round_dir, held_out={"outside"}) == expected
    assert choices_of(round_dir) != expected


def test_a_prompt_with_several_chosen_answers_is_shown_once_with_the_best(round_dir: Path) -> None:
    path = round_dir / "selected.parquet"
    rows = pq.read_table(path).to_pylist()
    expected = choices_of(round_dir)
    others = [c for c in pq.read_table(round_dir / "candidates.parquet").to_pylist() if c["procedure"] != "reference"]
    second = {c["example_id"]: c["candidate_id"] for c in others}
    several = [
        {**row, "candidate_id": candidate_id, "rank": rank}
        for row in rows
        for rank, candidate_id in enumerate([row["candidate_id"], second[row["example_id"]]])
    ]
    pq.write_table(pa.Table.from_pylist(several), path)
    assert choices_of(round_dir) == expected


def test_declines_and_open_questions_are_told(round_dir: Path) -> None:
    choices = choices_of(round_dir)
    assert all(choice.answerable for choice in choices)
    assert not any(rival.declined for choice in choices for rival in (choice.chosen, *choice.rivals))
    wanted = choices[0].example_id
    rows = pq.read_table(round_dir / "prompts.parquet").to_pylist()
    for row in rows:
        fields = json.loads(row["example"])
        if row["example_id"] == wanted:
            row["example"] = json.dumps({**fields, "answerable": False})
        else:
            del fields["answerable"]  # as in rounds from before there was such a field
            row["example"] = json.dumps(fields)
    pq.write_table(pa.Table.from_pylist(rows), round_dir / "prompts.parquet")
    verdicts = pq.read_table(round_dir / "verdicts.parquet").to_pylist()
    declining = f"0/{wanted}/temperature/0"
    for row in verdicts:
        if row["candidate_id"] == declining and row["judge"] == "summac":
            row |= {"status": "declined", "score": None}
    pq.write_table(pa.Table.from_pylist(verdicts), round_dir / "verdicts.parquet")
    again = choices_of(round_dir, per_dataset=9)
    assert {choice.example_id for choice in again if not choice.answerable} == {wanted}
    declined = [rival for choice in again for rival in (choice.chosen, *choice.rivals) if rival.declined]
    assert len(declined) == 1
    assert "faithfulness" not in declined[0].scores


@pytest.mark.parametrize("name", ["candidates", "selected"])
def test_without_its_tables_a_round_has_no_examples(round_dir: Path, name: str) -> None:
    (round_dir / f"{name}.parquet").write_bytes(b"")
    assert choices_of(round_dir) == []


def test_without_verdicts_and_prompts_the_texts_remain(round_dir: Path) -> None:
    (round_dir / "verdicts.parquet").unlink()
    (round_dir / "prompts.parquet").unlink()
    choice = choices_of(round_dir)[0]
    assert choice.chosen.total is None
    assert choice.prompt == []
    assert choice.chosen.text


def test_the_reference_stands_apart_and_is_never_a_rival(round_dir: Path) -> None:
    for choice in choices_of(round_dir):
        assert choice.reference is not None
        assert choice.reference.text == "It was Ilda Renn."
        assert all(rival.text != choice.reference.text for rival in choice.rivals)
        assert choice.rivals[-1].total is not None
        assert choice.reference.total is not None
        assert choice.reference.total < choice.rivals[-1].total  # it scores lowest, and widens no spread


def test_the_prompt_is_instruction_question_and_passages(round_dir: Path) -> None:
    choice = next(choice for choice in choices_of(round_dir) if choice.dataset == "mini_nq")
    assert choice.prompt[0].startswith("Answer the question")
    assert choice.prompt[1:] == ["Who founded the observatory?", "The observatory was founded by Ilda Renn.", HOSTILE]
