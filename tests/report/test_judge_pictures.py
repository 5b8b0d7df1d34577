from pathlib import Path

import pytest

from reset_pl.evaluation.health.health import judge_health
from reset_pl.report.judge_pictures import FRAME, JudgePicture, pictures_of
from tests.evaluation.health.ledgers import place, verdict, words, write_round


def pictures(tmp_path: Path, **judges) -> list[JudgePicture]:
    texts = ("w " * 2, "w " * 4, "w " * 6)
    return pictures_of(judge_health([write_round(tmp_path, judges, prompts=30, texts=lambda k: texts)]))


def test_bars_stand_on_the_axis_and_the_highest_fills_the_frame(tmp_path: Path) -> None:
    [found] = pictures(tmp_path, judge=("task", lambda c: (0.0, 0.52, 1.0)[place(c)] if place(c) else 0.52))
    assert len(found.bars) == 2
    low, high = found.bars
    assert low.height == pytest.approx(2 * high.height)
    assert low.y == pytest.approx(FRAME["top"])
    for bar in found.bars:
        assert bar.y + bar.height == pytest.approx(FRAME["bottom"])
        assert FRAME["left"] <= bar.x < bar.x + bar.width <= FRAME["right"]
    assert found.peak == "67%"


def test_the_line_rises_where_long_answers_score_higher_and_all_judges_share_its_scale(tmp_path: Path) -> None:
    steep, flat = pictures(
        tmp_path, a=("task", lambda c: words(c) / 10), b=("faithfulness", lambda c: 0.5 + words(c) / 100)
    )
    assert steep.ends == flat.ends == ("+.20", "−.20")
    assert steep.points[0][1] == pytest.approx(FRAME["bottom"])
    assert steep.points[-1][1] == pytest.approx(FRAME["top"])
    middle = (FRAME["bottom"] + FRAME["top"]) / 2
    assert flat.points[0][1] - middle == pytest.approx((steep.points[0][1] - middle) / 10)
    for x, y, _ in steep.points:
        assert FRAME["left"] < x < FRAME["right"]
        assert FRAME["top"] <= y <= FRAME["bottom"]
    assert "rank correlation within prompts +1.00; up to 60% −.20, 95–105% .00, above 140% +.20" in steep.slope


def test_a_judge_without_scores_has_no_picture_and_one_length_no_line(tmp_path: Path) -> None:
    assert pictures(tmp_path, judge=("task", lambda c: verdict(None))) == []
    path = write_round(tmp_path / "other", {"judge": ("task", lambda c: 0.5)}, texts=lambda k: ("a", "b"))
    [found] = pictures_of(judge_health([path]))
    assert (found.points, found.line) == ([], "")
