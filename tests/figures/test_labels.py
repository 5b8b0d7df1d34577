"""Names beside points: inside the figure, over no other name and over no point."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import pytest

from reset_pl.figures.plane import plane
from reset_pl.figures.style import styled
from reset_pl.figures.subjects import read_source
from tests.figures.conftest import ARMS, build_study
from tests.figures.test_figures import shown_texts
from tests.figures.test_plane import points

GROUPS = {
    "the trade-off": ["zero_shot", "cd", "cd_then_if", "if_then_cd", "mtl", "mtl_reset", "mtl_reset_s"],
    "close together": ["mtl_reset", "mtl_reset_s", "reset_no_mtl", "random_of_n", "gold", "dpo", "mtl"],
    "one alone": ["cd"],
}


@pytest.mark.parametrize("arms", list(GROUPS.values()), ids=list(GROUPS))
def test_labels_cover_neither_each_other_nor_a_point(tmp_path: Path, arms: list[str]) -> None:
    study = build_study(tmp_path / "study", {name: ARMS[name] for name in arms}, [0, 1])
    with styled():
        figure = plane(read_source(study))
    names = {ARMS[name][0] for name in arms} | {"North Star"}
    texts = shown_texts(figure)
    for text, _, box in texts:
        assert box.x0 >= 0, text
        assert box.x1 <= figure.bbox.width, text
        assert box.y0 >= 0, text
        assert box.y1 <= figure.bbox.height, text
    boxes = {text: box for text, _, box in texts if text in names}
    assert set(boxes) == names
    for text, box in boxes.items():
        for name, (x, y, _, _) in points(figure).items():
            place = figure.axes[0].transData.transform((x, y))
            assert not box.contains(*place), f"{text!r} over the point of {name!r}"
    for (one, first), (other, second) in combinations(boxes.items(), 2):
        assert not first.overlaps(second), f"{one!r} over {other!r}"
