"""The paired comparisons of a study, against means from the rows themselves."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reset_pl.evaluation.significance import holm
from reset_pl.study.comparisons import Comparison, compare_arms, write_comparisons
from reset_pl.study.results import read_results
from tests.synthetic_run import DATASETS

GROUNDED = [name for name, (group, *_) in DATASETS.items() if group != "instruction"]


@pytest.fixture(scope="module")
def compared(whole_study: Path) -> tuple[list[Comparison], dict[tuple[str, str], list[str]]]:
    return compare_arms(read_results(whole_study))


def _one(found: list[Comparison], arm: str, measure: str) -> Comparison:
    (entry,) = (entry for entry in found if (entry.arm, entry.measure) == (arm, measure))
    return entry


def _macro(run: Path, stage: str, column: str, datasets: list[str]) -> float:
    rows = pq.read_table(run / "evaluation" / f"{stage}.parquet").to_pylist()
    return float(np.mean([np.mean([row[column] for row in rows if row["dataset"] == name]) for name in datasets]))


def _rewrite(path: Path, change: Callable[[list[dict[str, Any]]], list[dict[str, Any]]]) -> None:
    pq.write_table(pa.Table.from_pylist(change(pq.read_table(path).to_pylist())), path)


def _only(study_dir: Path, arm: str, against: str) -> tuple[list[Comparison], list[str]]:
    """One comparison of a damaged study."""
    path = study_dir / "study.yaml"
    path.write_text(
        f"{path.read_text().partition('comparisons:')[0]}comparisons: [{{arm: {arm}, against: {against}}}]\n"
    )
    found, notes = compare_arms(read_results(study_dir))
    return found, notes[arm, against]


def test_the_rows_of_a_comparison(compared) -> None:
    assert [entry.measure for entry in compared[0] if (entry.arm, entry.against) == ("reset", "mtl")] == [
        *("faithfulness", "faithfulness, oracle", "IF", "faithfulness, unseen sets", "task"),
        *("length", "length, instructions"),
        *("faithfulness, at like length", "faithfulness, oracle, at like length", "IF, at like length"),
    ]


def test_a_difference_is_that_of_the_rows(compared, whole_study: Path) -> None:
    entry = next(entry for entry in compared[0] if entry.measure == "faithfulness")
    assert (entry.arm, entry.against, entry.seeds) == ("reset", "mtl", (0, 1, 2))
    sides = [
        [_macro(whole_study / arm / f"seed-{seed}", stage, "faithfulness", GROUNDED) for seed in range(3)]
        for arm, stage in (("mtl", "mtl"), ("reset", "round-000"))
    ]
    assert entry.difference.before == pytest.approx(np.mean(sides[0]))
    assert entry.difference.interval.mean == pytest.approx(np.mean(sides[1]) - np.mean(sides[0]))
    assert entry.difference.per_seed == pytest.approx(np.subtract(sides[1], sides[0]))
    assert entry.difference.interval.low > 0.1
    assert entry.difference.interval.n == 360
    length = next(entry for entry in compared[0] if entry.measure == "length")
    assert (length.difference.before, length.difference.after) == (31.0, 29.0)


def test_holm_is_over_all_rows(compared) -> None:
    found = compared[0]
    assert len(found) > 20
    assert [entry.p_holm for entry in found] == holm([entry.difference.p for entry in found])


def test_a_seed_that_failed_is_left_out_on_both_sides_and_said(compared) -> None:
    found, notes = compared
    (entry,) = (e for e in found if (e.against, e.measure) == ("random", "faithfulness"))
    assert entry.seeds == (0, 2)
    assert len(entry.difference.per_seed) == 2
    assert notes["reset", "random"] == ["without seed 1: random seed 1 has no result (failed)"]
    assert [note.partition(":")[0] for note in notes["broken", "mtl"]] == [f"without seed {i}" for i in range(3)]
    assert not any(entry.arm == "broken" for entry in found)


def test_an_arm_that_is_run_once_stands_beside_every_seed(compared, whole_study: Path) -> None:
    entry = _one(compared[0], "mtl", "IF")
    instructions = [name for name in DATASETS if name not in GROUNDED]
    before = _macro(whole_study / "chat/seed-0", "start", "instruction", instructions)
    after = [_macro(whole_study / f"mtl/seed-{seed}", "mtl", "instruction", instructions) for seed in range(3)]
    assert entry.difference.per_seed == pytest.approx([value - before for value in after])
    assert "zero-shot has one run" in compared[1]["mtl", "chat"][0]


def test_no_pair_of_like_length_is_no_row(compared) -> None:
    """60 tokens against 31."""
    assert not any(entry.at_like_length for entry in compared[0] if entry.against == "chat")
    assert all(
        entry.difference.interval.n == 360 for entry in compared[0] if entry.measure == "faithfulness, at like length"
    )


def test_only_pairs_of_like_length_count(study_dir: Path) -> None:
    def longer(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [row | {"token_count": 60} if row["example_id"] == "mini_nq/0" else row for row in rows]

    for seed in range(3):
        _rewrite(study_dir / f"reset/seed-{seed}/evaluation/round-000.parquet", longer)
    found, _ = _only(study_dir, "reset", "mtl")
    assert _one(found, "reset", "faithfulness").difference.interval.n == 360
    assert _one(found, "reset", "faithfulness, at like length").difference.interval.n == 359


def test_missing_examples_are_counted_and_named(study_dir: Path) -> None:
    def without(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        kept = [row for row in rows if row["example_id"] != "mini_nq/3"]
        return [
            row | {"faithfulness": None} if row["example_id"] in ("mini_cnn/1", "mini_cnn/2") else row for row in kept
        ]

    _rewrite(study_dir / "mtl/seed-1/evaluation/mtl.parquet", without)
    found, notes = _only(study_dir, "reset", "mtl")
    assert "faithfulness: 3 examples have a score on one side only (mini_cnn/1, mini_cnn/2, mini_nq/3)" in notes
    assert "task: 1 example has a score on one side only (mini_nq/3)" in notes
    assert _one(found, "reset", "faithfulness").difference.interval.n == 360, "the other seeds have them"


def test_test_sets_that_one_arm_lacks_are_named(study_dir: Path) -> None:
    for seed in range(3):
        folder = study_dir / f"mtl/seed-{seed}/evaluation"
        _rewrite(folder / "mtl.parquet", lambda rows: [row for row in rows if row["dataset"] != "mini_nq"])
        content = json.loads((folder / "mtl.json").read_text())
        del content["datasets"]["mini_nq"]
        (folder / "mtl.json").write_text(json.dumps(content))
    found, notes = _only(study_dir, "reset", "mtl")
    assert "faithfulness: not over mini_nq, which one of the two has no scores of" in notes
    assert _one(found, "reset", "faithfulness").difference.datasets == tuple(sorted(set(GROUNDED) - {"mini_nq"}))


@pytest.mark.parametrize("damage", [Path.unlink, lambda path: path.write_bytes(b"PAR1 no table")])
def test_a_seed_whose_answers_were_not_kept_is_left_out_and_said(study_dir: Path, damage) -> None:
    damage(study_dir / "mtl/seed-2/evaluation/mtl.parquet")
    found, notes = _only(study_dir, "reset", "mtl")
    assert found[0].seeds == (0, 1)
    assert notes == ["without seed 2: the answers of mtl seed 2 were not kept or cannot be read"]


def test_one_seed_alone_is_compared(study_dir: Path) -> None:
    path = study_dir / "study.yaml"
    path.write_text(path.read_text().replace("- 0\n- 1\n- 2\n", "- 2\n"))
    found, _ = _only(study_dir, "reset", "mtl")
    assert found[0].seeds == (2,)
    assert len(found[0].difference.per_seed) == 1


def test_the_files_say_the_same(study_dir: Path, tmp_path: Path) -> None:
    found, _ = _only(study_dir, "reset", "mtl")
    study = read_results(study_dir)
    write_comparisons(study, tmp_path)
    with (tmp_path / "comparisons.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["difference"]) for row in rows] == [entry.difference.interval.mean for entry in found]
    assert rows[0]["seeds"] == "0 1 2"
    assert [float(value) for value in rows[0]["per_seed"].split()] == list(found[0].difference.per_seed)
    text = (tmp_path / "comparisons.md").read_text()
    assert "### w/ MTL+RESET − w/ MTL" in text
    assert f" {found[0].difference.interval.mean:+.3f} [".replace("0.", ".") in text
    assert "≤.001" in text
    assert r"$\leq$.001" in (tmp_path / "comparisons.tex").read_text()
