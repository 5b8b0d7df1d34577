"""Ablations: curves over what has numbers, dots over what has names, rounds of one run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reset_pl.figures.ablations import ablation
from reset_pl.figures.subjects import NotPossible, read_source
from tests.figures.conftest import ARMS, build_study, write_stage
from tests.figures.test_checkpoints import panels
from tests.figures.test_plane import macro


def test_numbers_make_a_curve(study: Path) -> None:
    found = panels(ablation(read_source(study), "mixing"))[""]
    assert list(found) == ["faithfulness", "instruction", "task"]
    assert [x for x, _ in found["instruction"]] == [10, 50, 90]
    means = [macro(study / "mixing_50" / f"seed-{seed}", "sft")["instruction"]["mean"] for seed in range(3)]
    assert found["instruction"][1][1] == pytest.approx(sum(means) / 3)


def test_names_make_rows(study: Path) -> None:
    figure = ablation(read_source(study), "decoding")
    assert [axes.get_title() for axes in figure.axes] == ["faithful", "IF", "task"]
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["one setting", "top-k only"]
    line = figure.axes[0].containers[0][0]
    means = [macro(study / "decoding_top_k" / f"seed-{seed}", "sft")["faithfulness"]["mean"] for seed in range(3)]
    assert line.get_xdata()[1] == pytest.approx(sum(means) / 3)
    assert line.get_ydata().tolist() == [0, 1]


def test_a_run_has_its_rounds(make_run: Callable[..., Path]) -> None:
    rounds = {"round_000": (80, 0.6, 0.7), "round_001": (90, 0.2, 0.2), "round_002": (99, 0.7, 0.7)}
    run = make_run(start=(0, 0.1, 0.8), mtl=(60, 0.5, 0.7), **rounds)
    (run / "rounds" / "round-001").mkdir(parents=True)
    (run / "rounds" / "round-001" / "manifest.json").write_text(json.dumps({"gate": {"rolled_back": True}}))
    found = panels(ablation(read_source(run), "rounds"))[""]
    expected = [(0, "mtl"), (1, "round-000"), (3, "round-002")]
    assert found["faithfulness"] == [(n, macro(run, stage)["faithfulness"]["mean"]) for n, stage in expected]


def test_a_run_that_was_not_evaluated_before_its_rounds_says_so(make_run: Callable[..., Path]) -> None:
    with pytest.raises(NotPossible, match=r"scores before the rounds beside those after 1: .*evaluate_start"):
        ablation(read_source(make_run(round_000=(80, 0.6, 0.7))), "rounds")


def test_one_arm_has_its_rounds_and_where_it_started(tmp_path: Path) -> None:
    arms = {"mixing_25": ARMS["mtl"], "rounds_2": ("two rounds", "mixing_25", 0.7, 0.7)}
    study = build_study(tmp_path / "study", arms, [0, 1])
    for seed in (0, 1):
        run = study / "rounds_2" / f"seed-{seed}"
        (run / "evaluation" / "sft.json").unlink()
        write_stage(run, "round-000", 20, 0.7, 0.7)
        write_stage(run, "round-001", 40, 0.75 + seed / 10, 0.7)
    found = panels(ablation(read_source(study), "rounds"))[""]["faithfulness"]
    stages = {0: ("mixing_25", "sft"), 1: ("rounds_2", "round-000"), 2: ("rounds_2", "round-001")}
    for (number, value), (expected, (arm, stage)) in zip(found, stages.items(), strict=True):
        means = [macro(study / arm / f"seed-{seed}", stage)["faithfulness"]["mean"] for seed in (0, 1)]
        assert (number, value) == (expected, pytest.approx(sum(means) / 2))


@pytest.mark.parametrize("name", ["mixing", "rounds"])
def test_one_value_is_no_ablation(make_run: Callable[..., Path], name: str) -> None:
    with pytest.raises(NotPossible, match=f"two arms {name}_"):
        ablation(read_source(make_run(start=(0, 0.1, 0.8), sft=(80, 0.5, 0.7))), name)
