"""Merging, duplicates and rows held out, on sets small enough to count by hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reset_pl.errors import InputError
from reset_pl.preparation.sets import PreparedSet, drop_repeated_ids, find_duplicates, hold_out
from reset_pl.records import Example
from tests.conftest import make_example

Make = Callable[..., PreparedSet]


def instruction(key: int, text: str) -> Example:
    return make_example(key, dataset="own", objective="instruction", instruction=text, question=None, passages=())


def qa(key: int, question: str, *passages: str) -> Example:
    return make_example(key, dataset="qa", question=question, passages=passages)


def test_of_equal_instructions_the_first_source_wins(prepared: Make) -> None:
    first = [instruction(1, "Sing!"), instruction(2, "Dance.")]
    second = [instruction(3, "sing"), instruction(4, "Run."), instruction(5, "RUN")]
    own = prepared("train", "instruction", first, second, unique=True)
    find_duplicates(own)
    assert own.examples.ids == ["instruction/own/1", "instruction/own/2", "instruction/own/4"]
    assert own.removed == [{}, {"duplicate": 2}]
    assert own.duplicates == 0


def test_otherwise_duplicates_are_counted_and_kept(prepared: Make) -> None:
    own = prepared("train", "instruction", [instruction(1, "Sing!"), instruction(2, "sing"), instruction(3, " SING ")])
    find_duplicates(own)
    assert len(own.rows) == 3
    assert own.duplicates == 2


def test_questions_are_equal_only_with_equal_passages(prepared: Make) -> None:
    rows = [qa(1, "Who?", "Ann."), qa(2, "who", "Bob."), qa(3, "WHO!", "ann"), qa(4, "Why?", "Ann.")]
    own = prepared("train", "qa", rows, unique=True)
    find_duplicates(own)
    assert own.examples.ids == ["qa/1", "qa/2", "qa/4"]


def test_of_rows_with_one_id_the_first_is_kept(prepared: Make) -> None:
    own = prepared("train", "qa", [qa(1, "Who?", "Ann."), qa(1, "Why?", "Ann."), qa(2, "How?", "Ann.")])
    drop_repeated_ids(own)
    assert [example.question for example in own.examples] == ["Who?", "How?"]
    assert own.removed == [{"repeated_id": 1}]


def test_examples_of_the_sets_own_name_keep_their_ids_and_others_are_told_apart(prepared: Make) -> None:
    own = prepared("train", "qa", [qa(1, "Who?", "Ann.")], [make_example(1, dataset="other")])
    assert [(example.id, example.dataset) for example in own.examples] == [("qa/1", "qa"), ("qa/other/1", "qa")]


def test_rows_held_out_are_seeded_and_in_one_set_only(prepared: Make) -> None:
    rows = [qa(n, f"Who {n}?", "Ann.") for n in range(40)]
    runs = []
    for seed in (0, 0, 1):
        own = prepared("train", "qa", rows, hold_out={"validation": 7, "test": 5})
        held, notes = hold_out(own, seed)
        assert notes == []
        assert [(each.split, len(each.rows)) for each in held] == [("validation", 7), ("test", 5)]
        ids = [set(each.examples.ids) for each in (own, *held)]
        assert sum(map(len, ids)) == len(set.union(*ids)) == 40
        assert own.removed == [{"held_out_for_validation": 7, "held_out_for_test": 5}]
        assert held[0].removed == [{}]
        runs.append(ids)
    assert runs[0] == runs[1] != runs[2]


@pytest.mark.parametrize(("rows", "expected"), [(5, 2), (1, 0)])
def test_at_most_half_of_a_set_is_held_out_and_it_is_said(prepared: Make, rows: int, expected: int) -> None:
    own = prepared("train", "qa", [qa(n, f"Who {n}?", "Ann.") for n in range(rows)], hold_out={"validation": 2500})
    held, notes = hold_out(own, 0)
    assert sum(len(each.rows) for each in held) == expected
    assert len(own.rows) == rows - expected
    assert notes == [
        f"train/qa: {expected} rows held out for validation instead of 2,500: half of the {rows} that there are"
    ]


def test_an_empty_set_says_what_became_of_its_rows(prepared: Make) -> None:
    own = prepared("test", "qa", [qa(1, "Who?", "Ann."), qa(2, "Why?", "Ann.")])
    own.parts[0].dropped.update({"no_answer": 10, "no_question": 1})
    own.check_not_empty()
    own.remove(own.rows, "overlap_exact")
    with pytest.raises(InputError, match="is left: no_answer 10, overlap_exact 2, no_question 1; .*--limit"):
        own.check_not_empty(", or raise --limit")


def test_the_fingerprint_follows_the_rows(prepared: Make) -> None:
    own: Any = prepared("train", "qa", [qa(n, f"Who {n}?", "Ann.") for n in range(4)])
    before = own.fingerprint
    assert own.is_all
    own.remove(own.rows[1:2], "repeated_id")
    assert not own.is_all
    assert own.fingerprint != before
