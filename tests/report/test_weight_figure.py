from pathlib import Path
from typing import Any

import pytest

from reset_pl.evaluation.results import Round, read_run
from reset_pl.report.report import write_report
from reset_pl.report.weight_figure import weight_figure_of
from tests.synthetic_run import write_json

SENSITIVITY = {"weights": [0.0, 0.125, 2.0, 8.0], "changed": {"qa": [0.25, 0.1, 0.0, 0.004], "<news>": [0.0] * 4}}


def entry(sensitivity: Any, **weights: float) -> Round:
    manifest = {"sensitivity": sensitivity, "weights": {"task": 1, "instruction": 2, "faithfulness": 2, **weights}}
    return Round(path=Path(), number=0, manifest=manifest)


def test_all_panels_share_their_scales() -> None:
    figure = weight_figure_of(entry(SENSITIVITY))
    assert figure is not None
    qa, news = figure.panels
    assert [x for x, _ in qa.points] == [x for x, _ in news.points] == [x for x, _ in figure.x_ticks]
    assert [label for _, label in figure.x_ticks] == ["0", "⅛", "2", "8"]
    assert [label for _, label in figure.y_ticks] == ["0%", "15%", "30%"]
    assert {y for _, y in news.points} == {figure.bottom} == {qa.points[2][1]}
    # 25% of a scale that ends at 30%
    assert qa.points[0][1] == pytest.approx(figure.bottom - 25 / 30 * (figure.bottom - figure.top))
    assert qa.points[0][0] == figure.left
    assert qa.points[-1][0] == figure.right
    assert qa.description == "25% at 0, 10% at 0.125, 0% at 2, 0.4% at 8"


@pytest.mark.parametrize(
    ("weights", "index"),
    [({}, 2), ({"task": 0.25}, 3), ({"task": 3.0}, None), ({"task": 0.0}, None), ({"instruction": 1.0}, None)],
)
def test_the_rounds_own_weight_is_marked_where_it_is_one_of_them(weights: dict[str, float], index: int | None) -> None:
    figure = weight_figure_of(entry(SENSITIVITY, **weights))
    assert figure is not None
    assert figure.own == (None if index is None else figure.x_ticks[index][0])


@pytest.mark.parametrize(
    "content",
    [
        None,
        {},
        [],
        {"weights": [1.0, 2.0]},
        {"weights": [1.0], "changed": {"qa": [0.0]}},
        {"weights": [0.0, 2.0], "changed": {"qa": [0.5]}},
        {"weights": [0.0, 2.0], "changed": {"qa": [0.5, None]}},
        {"weights": [0.0, 2.0], "changed": {"qa": [0.5, 7.0]}},
        {"weights": "ab", "changed": {"qa": [0.5, 0.5]}},
    ],
)
def test_a_manifest_that_tells_nothing_of_it_has_no_figure(content: Any) -> None:
    assert weight_figure_of(entry(content)) is None


def test_the_report_draws_it_and_says_it_in_words(run_dir: Path) -> None:
    assert "How much the choice hangs" not in write_report(run_dir).read_text()
    first = read_run(run_dir).rounds[0]
    write_json(first.path / "manifest.json", {**first.manifest, "sensitivity": SENSITIVITY})
    page = write_report(run_dir).read_text()
    assert page.count("How much the choice hangs on the weights") == 1
    assert page.count('<polyline class="curve"') >= 2
    assert "Weight sensitivity of &lt;news&gt; in round 0: 0% at 0" in page
    assert "The dashed line is the weight of the round." in page
