"""What counts as confirmed, by hand-made stages."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reset_pl.evaluation.gate import judge_stage
from reset_pl.evaluation.results import Round
from reset_pl.evaluation.round_notes import gate_of

BEFORE = {"faithfulness_seen": 0.5, "faithfulness_unseen": 0.5, "faithfulness_oracle": 0.4, "instruction": 0.8}


def write(run: Path, stage: str, macro: dict[str, float]) -> None:
    (run / "evaluation").mkdir(parents=True, exist_ok=True)
    content = {"stage": stage, "datasets": {}, "macro": {key: {"mean": value} for key, value in macro.items()}}
    (run / "evaluation" / f"{stage}.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    ("after", "unconfirmed", "confirmed"),
    [
        ({"faithfulness_seen": 0.6, "faithfulness_unseen": 0.6, "faithfulness_oracle": 0.5}, (), True),
        (
            {"faithfulness_seen": 0.6, "faithfulness_unseen": 0.6, "faithfulness_oracle": 0.4},
            ("faithfulness_oracle",),
            False,
        ),
        (
            {"faithfulness_seen": 0.6, "faithfulness_unseen": 0.4, "faithfulness_oracle": 0.3},
            ("faithfulness_unseen", "faithfulness_oracle"),
            False,
        ),
        # Nothing gained, nothing to confirm; instructions have no held-out judge here.
        ({"faithfulness_seen": 0.5, "faithfulness_oracle": 0.3}, (), None),
        ({"faithfulness_seen": 0.5, "faithfulness_oracle": 0.3, "instruction": 0.9}, (), True),
    ],
)
def test_gain_must_be_confirmed_by_each_held_out_average(
    tmp_path: Path, after: dict[str, float], unconfirmed: tuple[str, ...], confirmed: bool | None
) -> None:
    write(tmp_path, "mtl", BEFORE)
    write(tmp_path, "round-000", {**BEFORE, **after})
    verdict = judge_stage(tmp_path, "round-000")
    assert verdict is not None
    assert (verdict.unconfirmed, verdict.confirmed) == (unconfirmed, confirmed)
    assert verdict.before == "mtl"


def test_small_gains_are_none(tmp_path: Path) -> None:
    write(tmp_path, "mtl", BEFORE)
    write(tmp_path, "round-000", {**BEFORE, "faithfulness_seen": 0.52, "faithfulness_oracle": 0.3})
    verdict = judge_stage(tmp_path, "round-000", min_gain=0.03)
    assert verdict is not None
    assert verdict.unconfirmed == ()


def test_stages_that_were_given_up_are_passed_over(tmp_path: Path) -> None:
    for stage in ("start", "mtl", "round-000", "round-001"):
        write(tmp_path, stage, BEFORE)
    manifest = tmp_path / "rounds" / "round-000" / "manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text(json.dumps({"round": 0, "status": "complete", "gate": {"rolled_back": True}}))
    verdict = judge_stage(tmp_path, "round-001")
    assert verdict is not None
    assert verdict.before == "mtl"


def test_a_checkpoint_evaluated_inside_a_stage_is_no_stage_before(tmp_path: Path) -> None:
    write(tmp_path, "mtl", BEFORE)
    write(tmp_path, "round-000-000012", {key: value + 0.2 for key, value in BEFORE.items()})
    write(tmp_path, "round-000", {key: value + 0.1 for key, value in BEFORE.items()})
    verdict = judge_stage(tmp_path, "round-000")
    assert verdict is not None
    assert (verdict.before, verdict.confirmed) == ("mtl", True)


def test_without_an_earlier_stage_there_is_no_verdict(tmp_path: Path) -> None:
    write(tmp_path, "round-000", BEFORE)
    assert judge_stage(tmp_path, "round-000") is None
    assert judge_stage(tmp_path, "round-001") is None


@pytest.mark.parametrize(
    ("gate", "words"),
    [
        (None, ""),
        ({"confirmed": True}, "confirmed (against mtl: a +.10)"),
        ({"confirmed": None}, "nothing to confirm (against mtl: a +.10)"),
        ({"confirmed": False, "unconfirmed": ["a", "b"]}, "the gain is not confirmed by a and b (against mtl: a +.10)"),
        (
            {"confirmed": False, "unconfirmed": ["a"], "rolled_back": True},
            "rolled back, the gain is not confirmed by a (against mtl: a +.10)",
        ),
    ],
)
def test_the_gate_in_words(gate: dict | None, words: str) -> None:
    manifest = {} if gate is None else {"gate": {"before": "mtl", "selection": {"a": 0.1}, **gate}}
    assert gate_of(Round(path=Path(), number=0, manifest=manifest)) == words
