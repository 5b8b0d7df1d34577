from itertools import combinations

import pytest

from reset_pl.evaluation.results import Stage
from reset_pl.report.plane import plane_of


def _stages(*points: tuple[float, float], half: float = 0.02) -> list[Stage]:
    def score(mean: float) -> dict[str, float]:
        return {"mean": mean, "low": mean - half, "high": mean + half}

    names = ["start", "mtl", *(f"round-{index:03d}" for index in range(10))]
    return [
        Stage.from_json({"stage": name, "macro": {"instruction": score(x), "faithfulness": score(y)}})
        for name, (x, y) in zip(names, points, strict=False)
    ]


RUNS = {
    "typical": [(0.77, 0.30), (0.73, 0.66), (0.71, 0.78), (0.72, 0.82)],
    "one": [(0.5, 0.5)],
    "crowded": [(0.70, 0.60), (0.71, 0.61), (0.705, 0.615), (0.71, 0.612), (0.712, 0.617)],
    "same place": [(0.70, 0.60)] * 4,
    "corners": [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0)],
    "a line": [(0.7, 0.1 * index) for index in range(10)],
}


@pytest.mark.parametrize("points", RUNS.values(), ids=RUNS.keys())
@pytest.mark.parametrize("size", [(760, 500), (380, 400)], ids=["wide", "narrow"])
def test_labels_cover_neither_each_other_nor_a_point_and_stay_inside(
    points: list[tuple[float, float]], size: tuple[float, float]
) -> None:
    plane = plane_of(_stages(*points), width=size[0], height=size[1])
    assert plane is not None
    assert len(plane.labels) == len(points)
    for first, second in combinations(plane.labels, 2):
        assert first.box.overlap(second.box) == 0, (first.text, second.text)
    for label in plane.labels:
        assert label.box.left >= 0
        assert label.box.right <= plane.width
        for point in plane.points:
            assert label.box.gap(point.x, point.y) > 5, label.text


@pytest.mark.parametrize("points", RUNS.values(), ids=RUNS.keys())
def test_axes_hold_all_points_span_the_same_and_stay_within_scores(points: list[tuple[float, float]]) -> None:
    plane = plane_of(_stages(*points, half=0.0))
    assert plane is not None
    assert plane.x.high - plane.x.low == pytest.approx(plane.y.high - plane.y.low)
    for axis, values in ((plane.x, [x for x, _ in points]), (plane.y, [y for _, y in points])):
        assert -1e-9 <= axis.low <= min(values)
        assert max(values) <= axis.high + 1e-9
        assert axis.high <= 1 + 1e-9
        assert 3 <= len(axis.ticks) <= 12


def test_positions_are_linear_in_score() -> None:
    plane = plane_of(_stages((0.5, 0.5), (0.6, 0.7)))
    assert plane is not None
    first, second = plane.points
    assert (second.x - first.x) / (plane.x.end - plane.x.start) == pytest.approx(0.1 / (plane.x.high - plane.x.low))
    assert second.y < first.y


def test_an_arrow_leads_from_each_stage_to_the_next_where_there_is_room() -> None:
    plane = plane_of(_stages(*RUNS["typical"]))
    assert plane is not None
    assert len(plane.arrows) == 3
    same = plane_of(_stages(*RUNS["same place"]))
    assert same is not None
    assert same.arrows == []


def test_the_star_is_the_corner_only_when_the_axes_reach_it() -> None:
    reaching, zoomed = plane_of(_stages(*RUNS["corners"])), plane_of(_stages(*RUNS["crowded"]))
    assert reaching is not None
    assert zoomed is not None
    assert reaching.reaches_star
    assert not zoomed.reaches_star


def test_without_both_averages_there_is_no_plane() -> None:
    assert plane_of([Stage.from_json({"stage": "start", "macro": {"faithfulness": {"mean": 0.5}}})]) is None
    assert plane_of([]) is None
