"""Lengths are those of the texts, of a seeded sample; the picture shows every set."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from typing import Any

import pytest

from reset_pl.preparation import lengths
from reset_pl.preparation.lengths import lengths_of, picture, quantiles
from reset_pl.preparation.sets import PreparedSet
from tests.conftest import make_example

Make = Callable[..., PreparedSet]


def test_words_of_prompt_and_response(prepared: Make) -> None:
    rows = [
        make_example(1, instruction="Answer it.", question="Who?", passages=("Ann did.",), response="Ann Lee Roe"),
        make_example(2, instruction="Answer it.", question="Why?", passages=("No.",), response=None, references=()),
    ]
    assert lengths_of(prepared("train", "qa", rows), None, 0) == {"prompt": [7, 6], "response": [3]}


def test_tokens_where_there_is_a_tokenizer(prepared: Make, tokenizer: Any) -> None:
    rows = [make_example(1, instruction="Go.", question="Who?", passages=("Ann.",), response="Ann")]
    own = lengths_of(prepared("train", "qa", rows), tokenizer, 0)
    assert own == {"prompt": [len("Go.\nQuestion: Who?\nPassage: Ann.")], "response": [3]}  # a token is a byte


def test_the_sample_is_seeded(prepared: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lengths, "SAMPLE", 10)
    own = prepared("train", "qa", [make_example(n, response="w " * (n + 1)) for n in range(50)])
    first = lengths_of(own, None, 0)["response"]
    assert len(first) == len(set(first)) == 10
    assert first == lengths_of(own, None, 0)["response"] != lengths_of(own, None, 1)["response"]


def test_quantiles() -> None:
    assert quantiles(range(1, 102)) == [51, 96, 101]
    assert quantiles([]) is None


def test_the_picture_is_an_svg_with_all_sets_in_the_colours_given() -> None:
    own = {"train/a": {"prompt": [1, 10, 100], "response": []}, "test/b": {"prompt": [5000], "response": [0]}}
    svg = picture(own, "tokens", ink="#111213", fill="#aabbcc")
    texts = {element.text for element in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}text")}
    assert {"train/a", "test/b", "prompt", "response", "tokens (logarithmic)", "1,000"} <= texts
    assert "#111213" in svg
    assert "#aabbcc" in svg
