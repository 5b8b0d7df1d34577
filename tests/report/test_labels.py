import math

import pytest

from reset_pl.report.labels import Box, place_labels

FRAME = Box(left=0, top=0, right=400, bottom=400)


def test_a_lone_label_stands_right_beside_its_point_without_a_leader() -> None:
    (label,) = place_labels(["MTL"], [(200, 200)], [], FRAME, radius=6)
    assert label.leader is None
    assert 6 < label.box.gap(200, 200) < 16
    assert label.box.left > 200


@pytest.mark.parametrize("point", [(395, 200), (200, 4), (4, 396)])
def test_a_label_turns_inwards_at_the_edge(point: tuple[float, float]) -> None:
    (label,) = place_labels(["round 12"], [point], [], FRAME, radius=6)
    area = (label.box.right - label.box.left) * (label.box.bottom - label.box.top)
    assert label.box.overlap(FRAME) == pytest.approx(area)


def test_a_label_avoids_lines() -> None:
    line = Box(left=200, top=100, right=400, bottom=300)
    (label,) = place_labels(["start"], [(200, 200)], [line], FRAME, radius=6)
    assert label.box.overlap(line) == 0


def test_in_a_crowd_a_label_is_nearest_to_its_own_point_or_tied_to_it() -> None:
    points = [(200 + 13 * index, 200 + 3 * index) for index in range(5)]
    labels = place_labels([f"round {index}" for index in range(5)], points, [], FRAME, radius=6)
    for label, point in zip(labels, points, strict=True):
        others = [label.box.gap(*other) for other in points if other != point]
        assert label.leader is not None or label.box.gap(*point) < min(others)
        if label.leader:
            assert math.dist(label.leader[:2], point) == pytest.approx(6)


def test_box_geometry() -> None:
    box = Box(left=0, top=0, right=10, bottom=10)
    assert box.overlap(Box(left=5, top=5, right=20, bottom=20)) == 25
    assert box.overlap(Box(left=11, top=0, right=20, bottom=10)) == 0
    assert box.gap(13, 14) == 5
    assert box.gap(5, 5) == 0
