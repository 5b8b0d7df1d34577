"""Curves over checkpoints: steps across, the artifacts' means and intervals upwards."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean
from typing import Any

import pytest

from reset_pl.evaluation.intervals import macro_interval
from reset_pl.figures.checkpoints import lengths, scores_of_sets
from reset_pl.figures.subjects import NotPossible, read_source
from tests.figures.conftest import ARMS, build_study, write_stage
from tests.figures.test_before_after import rows

SWEEP = {"start": (0, 0.1, 0.8), "sft_000040": (40, 0.3, 0.75), "sft_000080": (80, 0.0, 0.0), "sft": (80, 0.5, 0.7)}


def panels(figure: Any) -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Title of a panel → label of a line → its points."""
    return {
        axes.get_title(): {line.get_label(): [tuple(xy) for xy in line.get_xydata()] for line in axes.lines}
        for axes in figure.axes
        if axes.get_visible()
    }


def bands(axes: Any) -> list[set[tuple[float, float]]]:
    return [{(float(x), float(y)) for x, y in band.get_paths()[0].vertices} for band in axes.collections]


def of_set(run: Path, stage: str, name: str, key: str) -> dict[str, float]:
    return json.loads((run / "evaluation" / f"{stage}.json").read_text())["datasets"][name][key]


def test_a_sweep_is_drawn_over_its_steps_each_once(make_run: Callable[..., Path]) -> None:
    run = make_run(**SWEEP)
    figure = scores_of_sets(read_source(run), (), "extractive")
    found = panels(figure)
    assert list(found) == ["nq", "searchqa"]
    assert list(found["nq"]) == ["span coverage", "task (exact match)", "unigram coverage"]
    stages = {0: "start", 40: "sft-000040", 80: "sft"}  # the end of the stage, and not the checkpoint of its step
    for name in found:
        for key, label in (("faithfulness", "span coverage"), ("unigram_coverage", "unigram coverage")):
            expected = [(step, of_set(run, stage, name, key)["mean"]) for step, stage in stages.items()]
            assert found[name][label] == expected
    ends = {
        (step, of_set(run, stage, "nq", "faithfulness")[end])
        for step, stage in stages.items()
        for end in ("low", "high")
    }
    assert ends <= bands(figure.axes[0])[0]


@pytest.mark.parametrize(
    ("kind", "titles", "lines"),
    [
        ("instruction", ["alpaca", "koala"], ["instruction following"]),
        ("abstractive", ["cnn", "marco"], ["faithfulness", "task (ROUGE-L)"]),
    ],
)
def test_each_kind_has_its_sets_and_its_scores(
    make_run: Callable[..., Path], kind: str, titles: list[str], lines: list[str]
) -> None:
    found = panels(scores_of_sets(read_source(make_run(**SWEEP)), (), kind))
    assert list(found) == titles
    assert all(list(panel) == lines for panel in found.values())


def test_lines_differ_in_marker_and_dashes(make_run: Callable[..., Path]) -> None:
    axes = scores_of_sets(read_source(make_run(**SWEEP)), (), "extractive").axes[0]
    assert len({line.get_marker() for line in axes.lines}) == len({line.get_linestyle() for line in axes.lines}) == 3


def test_lengths_are_macro_averages_by_kind(make_run: Callable[..., Path]) -> None:
    run = make_run(start=(0, 0.1, 0.8), sft=(80, 0.5, 0.7))
    write_stage(run, "sft", 80, 0.5, 0.7, token_count=lambda n: 3 + n)
    figure = lengths(read_source(run), ())
    found = panels(figure)[""]
    assert list(found) == ["instructions", "summaries", "abstractive QA", "extractive QA"]
    assert found["summaries"][1] == (80, 3 + fmean(range(24)))
    own = [row["token_count"] for row in rows(run, "start").values() if row["dataset"] == "cnn"]
    assert found["summaries"][0] == (0, fmean(own))
    interval = macro_interval({"cnn": [3.0 + n for n in sorted(range(24), key=str)]}, seed=0)
    assert {(80.0, interval.low), (80.0, interval.high)} <= bands(figure.axes[0])[1]


def test_an_arm_starts_at_the_end_of_what_it_was_trained_from(study: Path) -> None:
    figure = scores_of_sets(read_source(study), ("cd_then_if",), "extractive")
    points = panels(figure)["nq"]["span coverage"]
    for (step, value), (arm, expected) in zip(points, (("cd", 0), ("cd_then_if", 80)), strict=True):
        means = [of_set(study / arm / f"seed-{seed}", "sft", "nq", "faithfulness")["mean"] for seed in range(3)]
        assert (step, value) == (expected, pytest.approx(fmean(means)))
    assert figure.get_supxlabel() == "optimizer steps of CD→IF"


def test_of_several_arms_the_first_with_two_checkpoints_is_drawn(study: Path) -> None:
    """CD's own start, another model than the chat one, was not evaluated."""
    figure = scores_of_sets(read_source(study), ("cd", "if_then_cd"), "instruction")
    assert figure.get_supxlabel() == "optimizer steps of IF→CD (w/o MTL)"


def test_one_checkpoint_is_no_curve(tmp_path: Path, make_run: Callable[..., Path]) -> None:
    with pytest.raises(NotPossible, match="but there are 1"):
        lengths(read_source(make_run(start=(0, 0.1, 0.8))), ())
    study = build_study(tmp_path / "study", {"cd": ARMS["cd"]}, [0])
    with pytest.raises(NotPossible, match="arm cd or if_then_cd"):
        scores_of_sets(read_source(study), ("cd", "if_then_cd"), "extractive")


def test_lengths_need_the_rows(make_run: Callable[..., Path]) -> None:
    run = make_run(start=(0, 0.1, 0.8), sft=(80, 0.5, 0.7))
    for path in (run / "evaluation").glob("*.parquet"):
        path.unlink()
    with pytest.raises(NotPossible, match=r"evaluation/\*\.parquet"):
        lengths(read_source(run), ())


def test_a_set_without_scores_has_no_panel(make_run: Callable[..., Path]) -> None:
    run = make_run(start=(0, 0.1, 0.8), sft=(80, 0.5, 0.7))
    for path in (run / "evaluation").glob("*.json"):
        content = json.loads(path.read_text())
        content["datasets"]["nq"].update(faithfulness=None, task=None, unigram_coverage=None)
        path.write_text(json.dumps(content))
    assert list(panels(scores_of_sets(read_source(run), (), "extractive"))) == ["searchqa"]
