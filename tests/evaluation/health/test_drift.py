from pathlib import Path
from typing import Any

import pytest

from reset_pl.evaluation.health.health import judge_health

from .ledgers import is_reference, prompt, verdict, write_round


def drift(tmp_path: Path, *shifts: float | None, prompts: int = 40, **settings: Any) -> dict[str, Any]:
    """One round a shift: the references get 0.3 to 0.6 and the shift; the candidates of the policy always get more."""
    paths = []
    for number, shift in enumerate(shifts):

        def rate(candidate, number=number, shift=shift):
            if shift is None:
                return None
            return 0.3 + prompt(candidate) % 4 / 10 + shift if is_reference(candidate) else number / 3

        paths.append(write_round(tmp_path, {"judge": ("task", rate)}, number=number, prompts=prompts, **settings))
    return judge_health(paths)["judges"]["judge"]["drift"]


def test_a_judge_that_grows_milder_is_flagged_and_a_better_policy_is_not(tmp_path: Path) -> None:
    found = drift(tmp_path, 0.0, 0.0, 0.2)
    assert [entry["mean"] for entry in found["rounds"]] == pytest.approx([0.45, 0.45, 0.65])
    assert found["against"] == "round-000"
    assert [entry["beyond_chance"] for entry in found["differences"]] == [False, True]
    change = found["differences"][1]
    assert change["round"] == "round-002"
    assert change["difference"]["mean"] == pytest.approx(0.2)
    assert 0.1 < change["difference"]["low"] < 0.2 < change["difference"]["high"] < 0.3


def test_chance_is_not_flagged(tmp_path: Path) -> None:
    """Forty references with a spread of .11 have a standard error of .025 between rounds: .03 says nothing."""
    assert drift(tmp_path, 0.0, 0.03)["differences"][0]["beyond_chance"] is False


def test_few_references_are_not_compared(tmp_path: Path) -> None:
    found = drift(tmp_path, 0.0, 0.4, prompts=9)
    assert found["differences"][0] == {"round": "round-001", "difference": None, "beyond_chance": None}


def test_another_mixture_of_data_sets_is_no_drift(tmp_path: Path) -> None:
    def rate(candidate):
        return (0.9 if candidate.example_id.startswith("easy") else 0.1) + prompt(candidate) % 3 / 50

    settings = [(("easy", "hard"), 20), (("hard",), 60)]
    paths = [
        write_round(tmp_path, {"judge": ("task", rate)}, number=number, datasets=datasets, prompts=prompts)
        for number, (datasets, prompts) in enumerate(settings)
    ]
    found = judge_health(paths)["judges"]["judge"]["drift"]
    assert found["rounds"][0]["mean"] - found["rounds"][1]["mean"] > 0.3
    assert found["differences"][0]["beyond_chance"] is False


def test_a_judge_of_later_rounds_only_is_compared_from_there(tmp_path: Path) -> None:
    found = drift(tmp_path, None, 0.0, 0.2)
    assert found["rounds"][0] == {
        "n": 0, "mean": None, "verdicts": 0, "versions": [], "models": [], "round": "round-000",
    }  # fmt: skip
    assert found["against"] == "round-001"
    assert [entry["round"] for entry in found["differences"]] == ["round-002"]


def test_versions_and_models_of_each_round(tmp_path: Path) -> None:
    paths = [
        write_round(
            tmp_path,
            {"judge": ("task", lambda c, number=number: verdict(0.5, version=f"v{number}", model=f"m{number}"))},
            number=number,
        )
        for number in (0, 1)
    ]
    found = judge_health(paths)["judges"]["judge"]["drift"]["rounds"]
    assert [(entry["versions"], entry["models"]) for entry in found] == [(["v0"], ["m0"]), (["v1"], ["m1"])]


def test_a_single_round_has_nothing_to_drift_from(tmp_path: Path) -> None:
    assert drift(tmp_path, 0.0)["differences"] == []
