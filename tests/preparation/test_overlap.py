"""Overlaps are those that a slow comparison of every prompt with every prompt finds."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from reset_pl.preparation.overlap import CONTAINED, find_overlaps
from reset_pl.preparation.sets import PreparedSet
from reset_pl.preparation.texts import GRAM, LONG, normalised
from reset_pl.preparation.workers import Workers
from reset_pl.records import Example
from tests.conftest import make_example

Make = Callable[..., PreparedSet]


def article(key: int, text: str, dataset: str = "news") -> Example:
    return make_example(key, dataset=dataset, objective="summarization", question=None, passages=(text,))


def instruction(key: int, text: str) -> Example:
    return make_example(key, dataset="do", objective="instruction", question=None, passages=(), instruction=text)


def runs(text: str) -> set[tuple[str, ...]]:
    words = normalised(text).split()
    return {tuple(words[i : i + GRAM]) for i in range(len(words) - GRAM + 1)}


def make_texts(rng: random.Random) -> tuple[list[str], list[str]]:
    """Training texts, and evaluation texts of which some copy parts of them."""
    vocabulary = [f"w{n}" for n in range(300)]
    train = [" ".join(rng.choices(vocabulary, k=rng.randint(3, 80))) for _ in range(40)]
    test = []
    for _ in range(60):
        words = rng.choice(train).split()
        fresh = rng.choices(vocabulary, k=rng.randint(0, 12))
        test.append(" ".join([*words, *fresh, *words[: rng.choice([0, 0, 15])]]).upper() + "!")
    return train, test


@pytest.mark.parametrize("seed", range(5))
def test_as_a_slow_comparison_finds_them(prepared: Make, tmp_path: Path, seed: int) -> None:
    train, test = make_texts(random.Random(seed))
    whole = {normalised(text) for text in train}
    known = set().union(*map(runs, train))
    exact = {i for i, text in enumerate(test) if normalised(text) in whole}
    contained = {
        i
        for i, text in enumerate(test)
        if len(text.split()) > LONG and len(runs(text) & known) >= CONTAINED * len(runs(text))
    }
    assert exact
    assert contained - exact
    training = prepared("train", "news", [article(i, text) for i, text in enumerate(train)])
    evaluation = prepared("test", "news", [article(i, text) for i, text in enumerate(test)])
    [overlap] = find_overlaps([training], [evaluation], Workers(1), tmp_path)
    assert set(overlap.exact.tolist()) == exact
    assert set(overlap.grams.tolist()) == contained - exact
    assert not list(tmp_path.glob(".overlap-*"))


def test_every_pair_is_compared_and_examples_name_both_sides(prepared: Make, tmp_path: Path) -> None:
    long = " ".join(f"word{n}" for n in range(40))
    training = [
        prepared("train", "do", [instruction(0, "Sing a song."), instruction(1, "Be still.")]),
        prepared("train", "news", [article(5, "Other news."), article(6, long)]),
    ]
    evaluation = [
        prepared("validation", "do", [instruction(7, "Sing – a song"), instruction(8, "Sing")]),
        prepared("test", "news", [article(9, f"{long} and more", "set"), article(10, "Nothing known " * 30, "set")]),
    ]
    first, second = find_overlaps(training, evaluation, Workers(1), tmp_path)
    assert (first.evaluation.title, first.training.title) == ("validation/do", "train/do")
    assert first.examples == [{"evaluation": "do/7", "training": "do/0", "prompt": "Sing – a song", "kind": "exact"}]
    assert (second.evaluation.title, second.training.title) == ("test/news", "train/news")
    assert [(each["evaluation"], each["training"], each["kind"]) for each in second.examples] == [
        ("news/set/9", "news/6", "grams")
    ]


def test_rows_that_are_not_in_the_sets_do_not_count(prepared: Make, tmp_path: Path) -> None:
    long = " ".join(f"word{n}" for n in range(40))
    training = prepared("train", "news", [article(0, "Short."), article(1, long), article(2, "Some other.")])
    evaluation = prepared("test", "news", [article(3, "Short"), article(4, f"{long} more"), article(5, "some other")])
    training.rows = np.array([2])
    evaluation.rows = np.array([0, 1])
    assert find_overlaps([training], [evaluation], Workers(1), tmp_path) == []
    training.rows = np.array([0, 1])
    [overlap] = find_overlaps([training], [evaluation], Workers(1), tmp_path)
    assert overlap.rows.tolist() == [0, 1]


def test_short_prompts_are_compared_as_a_whole_only(prepared: Make, tmp_path: Path) -> None:
    words = [f"word{n}" for n in range(LONG)]
    training = prepared("train", "news", [article(0, " ".join([*words, "end", "more"]))])
    short = prepared("test", "news", [article(1, " ".join(words))])
    assert find_overlaps([training], [short], Workers(1), tmp_path) == []
    longer = prepared("validation", "news", [article(1, " ".join([*words, "end"]))])
    [overlap] = find_overlaps([training], [longer], Workers(1), tmp_path)
    assert overlap.grams.tolist() == [0]


def test_there_need_be_no_evaluation_or_no_training(prepared: Make, tmp_path: Path) -> None:
    news = prepared("train", "news", [article(0, "Short.")])
    assert find_overlaps([news], [], Workers(1), tmp_path) == []
    assert find_overlaps([], [news], Workers(1), tmp_path) == []
