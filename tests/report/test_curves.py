"""The training curves' geometry."""

from __future__ import annotations

import pytest

from reset_pl.report.curves import curves_of
from reset_pl.training_record import TrainingStep


def steps(stage: str, first: int, losses: list[float | None]) -> list[TrainingStep]:
    return [
        TrainingStep(step=first + n, stage=stage, loss=loss, lr=1e-3 * (n + 1) / len(losses))
        for n, loss in enumerate(losses)
    ]


def points(line: str) -> list[tuple[float, float]]:
    return [(float(x), float(y)) for x, y in (point.split(",") for point in line.split())]


def test_each_stage_has_a_panel_on_one_scale() -> None:
    curves = curves_of([*steps("mtl", 1, [4.0, 2.0, 1.0]), *steps("round-000", 4, [1.0, 1.0])])
    assert curves is not None
    assert [(panel.title, panel.first, panel.last) for panel in curves.panels] == [("MTL", 1, 3), ("round 0", 4, 5)]
    assert [label for _, label in curves.ticks] == ["0", "1", "2", "3", "4"]
    height = {label: y for y, label in curves.ticks}
    mtl, after = (points(panel.loss) for panel in curves.panels)
    assert [y for _, y in mtl] == pytest.approx([height["4"], height["2"], height["1"]], abs=0.05)
    assert [y for _, y in after] == pytest.approx([height["1"]] * 2, abs=0.05)
    assert (mtl[0][0], mtl[-1][0]) == (curves.left, curves.right)
    assert points(curves.panels[0].rate)[-1] == (curves.right, curves.top)
    assert curves.panels[0].description == "MTL, steps 1 to 3: loss from 4.000 to 1.000, learning rate up to 1.0e-03"


def test_a_long_stage_is_drawn_by_means() -> None:
    curves = curves_of(steps("mtl", 1, [1.0, 3.0] * 6000))
    assert curves is not None
    line = points(curves.panels[0].loss)
    assert len(line) == 120
    assert len({y for _, y in line}) == 1  # each point is the mean of as many ones as threes


def test_steps_of_an_older_version_are_missing_not_zero() -> None:
    curves = curves_of(steps("round-000", 1401, [0.5, 0.4]))
    assert curves is not None
    assert curves.missing == "Steps 1 to 1,400 were not recorded."


def test_steps_without_a_loss_are_left_out() -> None:
    curves = curves_of(steps("mtl", 1, [None, 1.0, None]))
    assert curves is not None
    assert len(points(curves.panels[0].loss)) == 1
    nothing = curves_of([TrainingStep(step=1, stage="mtl", loss=None, lr=None)])
    assert nothing is not None
    assert (nothing.panels[0].loss, nothing.panels[0].rate) == ("", "")


def test_no_steps_no_curves() -> None:
    assert curves_of([]) is None
