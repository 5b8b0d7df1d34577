import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reset_pl.evaluation.health.health import judge_health
from reset_pl.evaluation.health.statistics import differences
from reset_pl.records import Status

from .ledgers import is_reference, place, prompt, verdict, words, write_round


def report_of(tmp_path: Path, rate, **settings: Any) -> dict[str, Any]:
    """The report on a single judge."""
    return judge_health([write_round(tmp_path, {"judge": ("task", rate)}, **settings)])["judges"]["judge"]


def test_counts_by_status_with_the_interval_of_the_failure_rate(tmp_path: Path) -> None:
    said = {0: 0.5, 1: Status.ABSTAINED, 2: Status.FAILED}
    found = report_of(tmp_path, lambda c: Status.DECLINED if is_reference(c) else said[place(c)])["all"]
    assert found["verdicts"] == {"scored": 4, "abstained": 4, "failed": 4, "declined": 4}
    # failures of what should have been scored: 4 of 8; Wilson by hand
    assert found["failure_rate"] == pytest.approx({"rate": 0.5, "low": 0.2152, "high": 0.7848}, abs=5e-5)


def test_cost_and_the_models_that_answered(tmp_path: Path) -> None:
    def rate(candidate):
        return verdict(0.5, cost=0.25, model="small" if place(candidate) else "large")

    found = report_of(tmp_path, rate, prompts=2, datasets=("a", "b"))
    assert found["all"]["cost"] == pytest.approx(4.0)
    assert found["datasets"]["b"]["cost"] == pytest.approx(2.0)
    assert found["models"] == {"large": 8, "small": 8}  # the reference's number is 0


def test_the_distribution_worked_by_hand(tmp_path: Path) -> None:
    scores = {(0, 0): 0.2, (0, 1): 0.4, (0, 2): 0.4, (1, 0): 0.8, (1, 1): 0.8, (1, 2): 0.8}
    found = report_of(tmp_path, lambda c: 0.0 if is_reference(c) else scores[prompt(c), place(c)], prompts=2)
    score = found["all"]["score"]
    assert score["n"] == 6  # the reference's 0 is not of the distribution
    assert score["mean"] == pytest.approx(3.4 / 6)
    assert score["sd"] == pytest.approx(np.std(list(scores.values()), ddof=1))
    # squares around the prompts' means 1/3 and .8, over 6 − 2
    assert score["sd_within"] == pytest.approx(math.sqrt(((2 / 15) ** 2 + 2 * (1 / 15) ** 2) / 4))
    assert (score["minimum"], score["maximum"], score["distinct"]) == (0.2, 0.8, 3)
    assert score["ceiling"] == pytest.approx(3 / 6)
    assert score["floor"] == pytest.approx(1 / 6)
    assert score["undecided"] == pytest.approx(1 / 2)  # the second prompt: three texts, one score
    assert sum(score["histogram"]) == 6
    assert [k for k, count in enumerate(score["histogram"]) if count] == [4, 8, 16]


def test_the_ceiling_is_the_judges_highest_score_in_any_data_set(tmp_path: Path) -> None:
    found = report_of(tmp_path, lambda c: 0.9 if c.example_id.startswith("easy") else 0.3, datasets=("easy", "hard"))
    assert found["datasets"]["easy"]["score"]["ceiling"] == 1.0
    assert found["datasets"]["hard"]["score"]["ceiling"] == 0.0
    assert found["datasets"]["hard"]["score"]["floor"] == 1.0


def test_prompts_with_one_text_leave_nothing_to_decide(tmp_path: Path) -> None:
    score = report_of(tmp_path, lambda c: 0.5, texts=lambda k: ("same", "same"))["all"]["score"]
    assert (score["undecided"], score["prompts"]) == (None, 0)


def test_a_full_score_is_in_the_last_bin(tmp_path: Path) -> None:
    assert report_of(tmp_path, lambda c: 1.0)["all"]["score"]["histogram"][-1] == 12


# ---------------------------------------------------------------------- length


def test_length_within_prompts_against_pooled(tmp_path: Path) -> None:
    """Longer answers are worse in each prompt, but the prompts with long answers are the easy ones."""
    found = report_of(
        tmp_path,
        lambda c: (0.4 if prompt(c) % 2 else 0.9) - place(c) / 10,
        texts=lambda k: ["w " * (n + (1 if k % 2 else 10)) for n in range(3)],
    )["all"]["length"]
    assert found["within"] == {"mean": -1.0, "low": -1.0, "high": -1.0}
    assert found["prompts"] == 4
    assert found["pooled"] > 0.5


def test_the_curve_of_relative_length(tmp_path: Path) -> None:
    """Answers of 1 and 3 tokens: half and one and a half of the mean; the shorter one gets .2 less than the longer."""
    found = report_of(tmp_path, lambda c: words(c) / 10, texts=lambda k: ("w", "w w w"))["all"]["length"]
    drawn = {(entry["from"], entry["to"]): entry for entry in found["curve"] if entry["n"]}
    assert {edges: entry["n"] for edges, entry in drawn.items()} == {(0.0, 0.6): 4, (1.4, None): 4}
    assert drawn[0.0, 0.6]["score"] == pytest.approx(-0.1)
    assert drawn[1.4, None]["score"] == pytest.approx(0.1)
    assert all(entry["score"] is None for entry in found["curve"] if not entry["n"])


def test_length_that_does_not_vary_tells_nothing(tmp_path: Path) -> None:
    found = report_of(tmp_path, lambda c: place(c) / 10, texts=lambda k: ("a", "b", "c"))["all"]["length"]
    assert (found["within"], found["prompts"], found["pooled"]) == (None, 0, None)


def test_empty_answers_have_a_length_too(tmp_path: Path) -> None:
    found = report_of(tmp_path, lambda c: place(c) / 10, texts=lambda k: ("", ""))["all"]["length"]
    assert found["within"] is None


# ---------------------------------------------------------------------- judged twice


SAME = {"texts": lambda k: ("same", "same", "other"), "prompts": 5}


def test_repeats_of_a_judge_without_a_model(tmp_path: Path) -> None:
    found = report_of(tmp_path, lambda c: 0.5 + place(c) / 10, **SAME)["repeats"]
    assert (found["n"], found["identical"], found["not_counted"]) == (5, 0.0, 0)
    assert found["mean_absolute"] == pytest.approx(0.1)
    assert found["sd"] == pytest.approx(0.0)
    assert found["correlation"] is None  # all first scores are equal


def test_a_reply_out_of_the_cache_is_no_second_judgement(tmp_path: Path) -> None:
    def rate(candidate):
        paid = prompt(candidate) == 0 or place(candidate) == 0
        return verdict(0.5 + place(candidate) / 10, model="gpt", cost=0.01 if paid else 0.0)

    found = report_of(tmp_path, rate, **SAME)["repeats"]
    assert found["n"] == 1
    assert found["not_counted"] == 4 * 2


def test_models_versions_and_examples_are_not_mixed(tmp_path: Path) -> None:
    by_model = report_of(tmp_path / "a", lambda c: verdict(0.5, model=f"m{place(c)}", cost=1.0), **SAME)
    by_version = report_of(tmp_path / "b", lambda c: verdict(0.5, version=f"v{place(c)}"), **SAME)
    by_example = report_of(tmp_path / "c", lambda c: 0.5, prompts=3, texts=lambda k: ("same",))
    for found in (by_model, by_version, by_example):
        assert found["repeats"]["n"] == 0


def test_equal_answers_of_two_rounds_are_repeats(tmp_path: Path) -> None:
    paths = [
        write_round(tmp_path, {"judge": ("task", lambda c, score=score: score)}, number=number, prompts=2)
        for number, score in enumerate((0.25, 0.75))
    ]
    found = judge_health(paths)["judges"]["judge"]["repeats"]
    assert found["n"] == 2 * 4
    assert found["mean_absolute"] == pytest.approx(0.5)


def test_differences_worked_by_hand() -> None:
    found = differences([0.0, 0.5, 1.0], [0.0, 0.5, 0.7])
    assert found["n"] == 3
    assert found["identical"] == pytest.approx(2 / 3)
    assert found["mean_absolute"] == pytest.approx(0.1)
    assert found["sd"] == pytest.approx(math.sqrt((0.01 + 0.01 + 0.04) / 2))
    assert found["correlation"] == pytest.approx(np.corrcoef([0.0, 0.5, 1.0], [0.0, 0.5, 0.7])[0, 1])


@pytest.mark.parametrize("scores", [[], [0.5]])
def test_few_differences_tell_little(scores: list[float]) -> None:
    found = differences(scores, scores)
    assert found["sd"] is found["correlation"] is None
    assert (found["identical"] is None) == (not scores)
