"""The points, bars and arrows of the plane are the artifacts' numbers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pytest

from reset_pl.figures.plane import plane
from reset_pl.figures.subjects import NotPossible, read_source
from tests.figures.conftest import ARMS, build_study


def points(figure: Any) -> dict[str, tuple[float, float, list[float], list[float]]]:
    """Label → x, y, ends of the bar across, ends of the bar upwards."""
    found = {}
    for container in figure.axes[0].containers:
        line, _, (across, up) = container
        (x, y) = line.get_xydata()[0]
        found[container.get_label()] = (
            x,
            y,
            [float(v) for v in across.get_segments()[0][:, 0]],
            [float(v) for v in up.get_segments()[0][:, 1]],
        )
    return found


def arrows(figure: Any) -> list[tuple[tuple[float, float], tuple[float, float]]]:
    """Start and end, in scores."""
    texts = [text for text in figure.axes[0].texts if text.get_text() == "" and text.xycoords == "data"]
    return [(text.get_position(), text.xy) for text in texts]


def macro(run: Path, stage: str) -> dict[str, dict[str, float]]:
    return json.loads((run / "evaluation" / f"{stage}.json").read_text())["macro"]


def test_a_runs_points_are_its_scores_with_their_intervals(make_run: Callable[..., Path]) -> None:
    run = make_run(start=(0, 0.1, 0.8), mtl=(60, 0.5, 0.7), round_000=(80, 0.7, 0.7))
    figure = plane(read_source(run))
    found = points(figure)
    assert list(found) == ["start", "MTL", "round 0"]
    for label, stage in zip(found, ("start", "mtl", "round-000"), strict=True):
        scores = macro(run, stage)
        x, y, across, up = found[label]
        assert (x, y) == (scores["instruction"]["mean"], scores["faithfulness"]["mean"])
        assert across == pytest.approx([scores["instruction"]["low"], scores["instruction"]["high"]])
        assert up == pytest.approx([scores["faithfulness"]["low"], scores["faithfulness"]["high"]])
    at = {label: entry[:2] for label, entry in found.items()}
    assert arrows(figure) == [(at["start"], at["MTL"]), (at["MTL"], at["round 0"])]
    names = {text.get_text() for text in figure.axes[0].texts}
    assert {"start", "MTL", "round 0", "North Star"} <= names


def test_the_star_is_at_one_and_in_sight(make_run: Callable[..., Path]) -> None:
    axes = plane(read_source(make_run(start=(0, 0.9, 0.95)))).axes[0]
    star = next(line for line in axes.lines if line.get_marker() == "*")
    assert star.get_xydata().tolist() == [[1, 1]]
    assert axes.get_xlim()[1] >= 1 <= axes.get_ylim()[1]


def test_a_round_that_was_rolled_back_is_hollow_and_a_dead_end(make_run: Callable[..., Path]) -> None:
    run = make_run(mtl=(60, 0.5, 0.7), round_000=(80, 0.3, 0.6), round_001=(100, 0.7, 0.7))
    (run / "rounds" / "round-000").mkdir(parents=True)
    (run / "rounds" / "round-000" / "manifest.json").write_text(json.dumps({"gate": {"rolled_back": True}}))
    figure = plane(read_source(run))
    at = {label: entry[:2] for label, entry in points(figure).items()}
    undone = "round 0 (rolled back)"
    assert arrows(figure) == [(at["MTL"], at[undone]), (at["MTL"], at["round 1"])]
    fills = {c.get_label(): c[0].get_markerfacecolor() for c in figure.axes[0].containers}
    assert [label for label, fill in fills.items() if fill == "white"] == [undone]


def test_checkpoints_of_a_sweep_are_no_stages(make_run: Callable[..., Path]) -> None:
    figure = plane(read_source(make_run(start=(0, 0.1, 0.8), sft_000040=(40, 0.3, 0.7), sft=(80, 0.5, 0.7))))
    assert list(points(figure)) == ["start", "sft"]


def test_another_model_beside_a_run_has_no_arrow(make_run: Callable[..., Path]) -> None:
    run = make_run(start=(0, 0.1, 0.8), mtl=(60, 0.5, 0.7), other=(None, 0.7, 0.6))
    figure = plane(read_source(run))
    found = points(figure)
    assert list(found) == ["start", "MTL", "other"]
    assert arrows(figure) == [(found["start"][:2], found["MTL"][:2])]


def test_a_sweep_alone_is_drawn_as_its_checkpoints(make_run: Callable[..., Path]) -> None:
    run = make_run(sft_000040=(40, 0.3, 0.7), sft_000080=(80, 0.5, 0.6))
    figure = plane(read_source(run))
    assert list(points(figure)) == ["sft-000040", "sft-000080"]
    assert len(arrows(figure)) == 1


def test_a_studys_points_are_means_and_standard_deviations(study: Path) -> None:
    figure = plane(read_source(study))
    found = points(figure)
    assert set(found) == {title for title, *_ in ARMS.values()}
    values = [macro(study / "mtl" / f"seed-{seed}", "sft")["faithfulness"]["mean"] for seed in range(3)]
    _, y, _, up = found["w/ MTL"]
    assert y == pytest.approx(fmean(values))
    assert up == pytest.approx([fmean(values) - stdev(values), fmean(values) + stdev(values)])
    x, _, across, _ = found["chat, zero-shot"]  # one seed stands for all: nothing to deviate
    assert across == [x, x]
    at = {label: entry[:2] for label, entry in found.items()}
    assert arrows(figure) == [
        (at["CD"], at["CD→IF"]),
        (at["chat, zero-shot"], at["IF→CD (w/o MTL)"]),
        (at["w/ MTL"], at["w/ MTL+RESET"]),
    ]


def test_no_two_points_look_the_same_in_grey(study: Path) -> None:
    figure = plane(read_source(study))
    looks = [(c[0].get_marker(), c[0].get_markerfacecolor() == "white") for c in figure.axes[0].containers]
    assert len(set(looks)) == len(looks) == len(ARMS)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == [title for title, *_ in ARMS.values()]


def test_one_seed_has_its_interval(tmp_path: Path) -> None:
    study = build_study(tmp_path / "study", {"mtl": ARMS["mtl"]}, [4])
    ends = points(plane(read_source(study)))["w/ MTL"][3]
    own = macro(study / "mtl" / "seed-4", "sft")["faithfulness"]
    assert ends == pytest.approx([own["low"], own["high"]])


def test_without_both_averages_there_is_no_plane(make_run: Callable[..., Path]) -> None:
    run = make_run(start=(0, 0.1, 0.8))
    path = run / "evaluation" / "start.json"
    content = json.loads(path.read_text())
    content["macro"]["instruction"] = None
    path.write_text(json.dumps(content))
    with pytest.raises(NotPossible, match="instruction following"):
        plane(read_source(run))
