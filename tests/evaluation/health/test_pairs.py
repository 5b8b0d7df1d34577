from pathlib import Path
from typing import Any

import pytest

from reset_pl.evaluation.health.health import judge_health

from .ledgers import is_reference, place, prompt, words, write_round


def agreement(tmp_path: Path, **judges: Any) -> list[dict[str, Any]]:
    return judge_health([write_round(tmp_path, judges, prompts=6, datasets=("a", "b"))])["agreement"]


def test_every_pair_of_one_aspect_over_all_sets_and_each(tmp_path: Path) -> None:
    found = agreement(
        tmp_path,
        x=("task", lambda c: words(c) / 10),
        y=("task", lambda c: words(c) / 10 + 0.05),
        z=("task", lambda c: 0.5 - words(c) / 10),
        other=("faithfulness", lambda c: 0.5),
    )
    assert [pair["judges"] for pair in found] == [["x", "y"], ["x", "z"], ["y", "z"]]
    alike, opposed = found[0], found[1]
    assert alike["aspect"] == "task"
    assert set(alike["datasets"]) == {"a", "b"}
    assert (alike["all"]["n"], alike["datasets"]["a"]["n"]) == (36, 18)  # references are not among them
    assert alike["all"]["mean_difference"] == pytest.approx(0.05)
    for pair, sign in ((alike, 1.0), (opposed, -1.0)):
        for measure in ("spearman", "spearman_within", "kendall"):
            assert pair["all"][measure] == pytest.approx(sign)
    assert alike["all"]["same_choice"]["rate"] == 1.0
    assert opposed["all"]["same_choice"] == {"rate": 0.0, "chance": pytest.approx(1 / 3), "n": 12, "undecided": 0}


def test_binary_scores_are_two_levels_and_others_five(tmp_path: Path) -> None:
    def right(candidate):
        return float(place(candidate) == 0)

    binary, mixed, _ = agreement(
        tmp_path, x=("task", right), y=("task", right), z=("task", lambda c: 0.5 + right(c) / 2)
    )
    assert (binary["all"]["levels"], binary["all"]["kappa"]) == (2, 1.0)
    assert mixed["all"]["levels"] == 5
    # levels 0 and 4 against 2 and 4, a third of the time the higher: the plain kappa counts every lower one as wrong
    assert mixed["all"]["kappa"] == pytest.approx(1 - (2 / 3) / (1 - 1 / 9))


def test_only_what_both_scored_is_compared(tmp_path: Path) -> None:
    found = agreement(
        tmp_path,
        first=("task", lambda c: 0.5 if prompt(c) < 4 else None),
        second=("task", lambda c: 0.5 if prompt(c) >= 3 else None),
        third=("task", lambda c: 0.5 if prompt(c) >= 4 else None),
    )
    assert {tuple(pair["judges"]): pair["all"]["n"] for pair in found} == {
        ("first", "second"): 6,
        ("second", "third"): 12,
    }


def test_references_alone_are_no_candidates_in_common(tmp_path: Path) -> None:
    assert agreement(tmp_path, x=("task", lambda c: 0.5), y=("task", lambda c: 0.5 if is_reference(c) else None)) == []


def test_truncated_answers_are_not_chosen(tmp_path: Path) -> None:
    judges = {
        "x": ("task", lambda c: words(c) / 10),
        "y": ("task", lambda c: 0.1 if c.finish_reason == "length" else words(c) / 10),
    }
    texts = ("a", "a b", "a b c …")
    found = judge_health([write_round(tmp_path, judges, texts=lambda k: texts)])["agreement"]
    assert found[0]["all"]["n"] == 12
    assert found[0]["all"]["same_choice"]["rate"] == 1.0


def test_constant_judges_give_null_and_not_nan(tmp_path: Path) -> None:
    entry = agreement(tmp_path, x=("task", lambda c: 0.5), y=("task", lambda c: 0.5))[0]["all"]
    for measure in ("kappa", "weighted_kappa", "spearman", "spearman_within", "kendall"):
        assert entry[measure] is None
    assert entry["same_choice"] == {"rate": None, "chance": None, "n": 0, "undecided": 12}
