"""Prompts are equal when their words are; runs of words are hashed as a slow reference makes them."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.data.table import SCHEMA, to_batch
from reset_pl.preparation.texts import GRAM, grams, keys, normalised, prompts, take
from tests.conftest import make_example

WORDS = st.lists(st.sampled_from(["the", "Low", "country", "ﬁsh", "x"]), max_size=40).map(" ".join)


@given(st.text())
def test_normalising_is_nfkc_lower_case_and_a_space_for_all_that_is_no_word(text: str) -> None:
    expected = re.sub(r"\W+", " ", unicodedata.normalize("NFKC", text).lower()).strip()
    assert normalised(text) == (expected or text)


@given(st.text(alphabet=st.characters(max_codepoint=127)))
def test_the_quick_way_for_ascii_is_the_same(text: str) -> None:
    assert normalised(text) == (re.sub(r"\W+", " ", text.lower()).strip() or text)


def test_equal_prompts_have_equal_keys_and_others_do_not() -> None:
    same = keys(["What's new?", "what s NEW", "  What’s\nnew  "])
    assert len(set(same.tolist())) == 1
    assert len(set(keys(["a b", "ab", "a", "b a", "?!", "!?"]).tolist())) == 6
    assert keys(["a b"]).dtype == np.uint64
    assert keys(["a b"])[0] == 13490496012286425384  # the same on every machine and in every process


def reference(texts: list[str], more_than: int) -> list[tuple[int, tuple[str, ...]]]:
    runs = []
    for i, text in enumerate(texts):
        words = normalised(text).split(" ")
        if len(words) > more_than:
            runs += [(i, tuple(words[k : k + GRAM])) for k in range(len(words) - GRAM + 1)]
    return runs


@given(st.lists(WORDS, max_size=5), st.sampled_from([GRAM - 1, 20]))
def test_grams_are_all_runs_of_thirteen_words_and_equal_where_the_words_are(texts: list[str], more_than: int) -> None:
    hashes, own = grams(texts, more_than)
    expected = reference(texts, more_than)
    assert own.tolist() == [i for i, _ in expected]
    by_words: dict[tuple[str, ...], int] = {}
    for value, (_, run) in zip(hashes.tolist(), expected, strict=True):
        assert by_words.setdefault(run, value) == value
    assert len(set(by_words.values())) == len(by_words)


def test_a_prompt_is_the_question_the_article_or_the_instruction() -> None:
    examples = [
        make_example(1, question="Who?"),
        make_example(2, objective="summarization", question=None, instruction="Sum up.", passages=("One.", "Two.")),
        make_example(3, objective="instruction", question=None, instruction="Sing.", passages=()),
        make_example(4, objective="abstractive_qa", question="Why?"),
    ]
    assert prompts(pa.Table.from_batches([to_batch(examples)], SCHEMA)) == ["Who?", "One.\nTwo.", "Sing.", "Why?"]


@given(st.lists(st.integers(0, 4), max_size=5), st.data())
def test_rows_are_taken_batch_by_batch(sizes: list[int], data: st.DataObject) -> None:
    numbers = list(range(sum(sizes)))
    schema = pa.schema({"n": pa.int64()})
    parts = [numbers[sum(sizes[:i]) : sum(sizes[: i + 1])] for i in range(len(sizes))]
    table = pa.Table.from_batches([pa.record_batch({"n": pa.array(part, pa.int64())}) for part in parts], schema)
    rows = sorted(data.draw(st.sets(st.sampled_from(numbers)))) if numbers else []
    assert take(table, np.array(rows, np.int64))["n"].to_pylist() == rows
