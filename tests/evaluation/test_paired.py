"""Paired comparisons over seeds, against arithmetic by hand and the plain paired interval."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reset_pl.evaluation.intervals import macro_paired_interval
from reset_pl.evaluation.paired import compare, like_length, of_datasets, of_examples, read_scores


def test_examples_then_data_sets_weigh_the_same_whatever_their_number() -> None:
    before = [{"qa": {"a": 0.2, "b": 0.4}, "cnn": {"c": 0.5}}, {"qa": {"a": 0.4, "b": 0.4}, "cnn": {"c": 0.5}}]
    after = [{"qa": {"a": 0.4, "b": 0.4}, "cnn": {"c": 0.9}}, {"qa": {"a": 0.6, "b": 0.8}, "cnn": {"c": 0.5}}]
    found = compare(before, after)
    assert found is not None
    assert found.before == pytest.approx(((0.3 + 0.4) / 2 + 0.5) / 2)
    assert found.after == pytest.approx(((0.5 + 0.6) / 2 + 0.7) / 2)
    assert found.interval.mean == pytest.approx(found.after - found.before)
    assert found.per_seed == pytest.approx(((0.1 + 0.4) / 2, (0.3 + 0.0) / 2))
    assert (found.interval.n, found.unpaired, found.datasets) == (3, (), ("cnn", "qa"))


def test_the_seeds_answers_to_one_example_stay_together() -> None:
    """Three copies of a seed are no more evidence than one."""
    generator = np.random.default_rng(0)
    sides = [{"qa": {str(i): v for i, v in enumerate(generator.uniform(size=50))}} for _ in range(2)]
    once, thrice = compare([sides[0]], [sides[1]]), compare([sides[0]] * 3, [sides[1]] * 3)
    assert once is not None
    assert thrice is not None
    assert thrice.interval.low == pytest.approx(once.interval.low)
    assert thrice.p == pytest.approx(once.p, abs=1e-3)
    ids = sorted(sides[0]["qa"])
    lists = ({"qa": [side["qa"][i] for i in ids]} for side in sides)
    assert once.interval == macro_paired_interval(*lists, seed=0, resamples=2000)


def test_what_only_one_side_has_is_named_and_no_part_of_the_difference() -> None:
    before = [{"qa": {"a": 0.0, "b": 1.0}, "cnn": {"c": 0.3}}]
    found = compare(before, [{"qa": {"a": 0.5, "d": 1.0}}])
    assert found is not None
    assert found.interval.mean == pytest.approx(0.5)
    assert found.unpaired == ("b", "c", "d")
    assert compare(before, [{"nq": {"a": 0.5}}]) is None
    assert compare([], []) is None


def test_an_example_missing_at_one_seed_is_averaged_over_the_others_and_named() -> None:
    found = compare([{"qa": {"a": 0.0}}, {"qa": {"a": 0.2}}], [{"qa": {"a": 0.5}}, {"qa": {}}])
    assert found is not None
    assert found.interval.mean == pytest.approx(0.5)
    assert (found.per_seed, found.unpaired) == ((0.5,), ("a",))


def test_like_length_is_a_fifth_of_the_longer() -> None:
    before = [{"qa": {"a": 10.0, "b": 10.0, "c": 0.0, "d": 9.0}}]
    after = [{"qa": {"a": 8.0, "b": 7.9, "c": 0.0}, "cnn": {}}]
    (alike,) = like_length(before, after)
    assert alike == {"qa": {"a", "c"}}
    assert of_examples(before[0], alike) == {"qa": {"a": 10.0, "c": 0.0}}
    assert of_datasets(after[0], {"cnn"}) == {"cnn": {}}


def test_scores_are_those_that_are_there(tmp_path: Path) -> None:
    (tmp_path / "evaluation").mkdir()
    table = pa.table(
        {
            "example_id": ["a", "b", "c", "d"],
            "dataset": ["qa", "qa", "qa", "cnn"],
            "task": [1.0, None, float("nan"), 0.5],
        }
    )
    pq.write_table(table, tmp_path / "evaluation" / "mtl.parquet")
    assert read_scores(tmp_path, "mtl", "task") == {"qa": {"a": 1.0}, "cnn": {"d": 0.5}}
    assert read_scores(tmp_path, "mtl", "faithfulness") == {}
    assert read_scores(tmp_path, "start", "task") == {}
    (tmp_path / "evaluation" / "start.parquet").write_bytes(b"PAR1 not a table")
    assert read_scores(tmp_path, "start", "task") == {}
