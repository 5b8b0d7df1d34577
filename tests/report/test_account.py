"""The sentences on what RESET did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reset_pl.evaluation.results import Round, Stage
from reset_pl.report.account import account_of
from reset_pl.report.changed import ChangedSet
from reset_pl.training_record import TrainingStep

BEFORE, AFTER = Stage.from_json({"stage": "mtl"}), Stage.from_json({"stage": "round-000"})
COUNTS = {"prompts": 2000, "candidates": 14000, "selected": 1990}


def one(number: int = 0, **manifest: Any) -> Round:
    return Round(path=Path(f"round-{number:03d}"), number=number, manifest={"status": "complete", **manifest})


def changed(aspect: str, rose: int, fell: int, same: int) -> ChangedSet:
    return ChangedSet(
        name="x", short="x", seen=True, aspect=aspect, rose=rose, fell=fell, same=same, unpaired=0, gains=[], losses=[]
    )


def test_numbers_of_rounds_training_and_answers() -> None:
    means = {"best": 2.5, "random": 1.5, "gold": 2.0}
    rounds = [one(0, counts=COUNTS), one(1, counts=COUNTS, mean_score=means), one(2, status="running", counts=COUNTS)]
    steps = [TrainingStep(step=n, stage="mtl" if n < 5 else "round-000", loss=1.0, lr=1.0) for n in range(1, 9)]
    sets = [changed("faithfulness", 10, 4, 6), changed("faithfulness", 5, 1, 4), changed("instruction", 0, 2, 8)]
    done, came = account_of(rounds, BEFORE, Stage.from_json({"stage": "round-001"}), sets, steps)
    assert "In 2 rounds the model wrote 28,000 answers of its own to 4,000 training prompts" in done
    assert "for 3,980 of the prompts the best answer was kept" in done
    assert (
        "the best answers of round 1 score 2.50 on average, a random one 1.50, the answers of the data set 2.00" in done
    )
    assert "for 4 optimizer steps" in done
    assert "Of 30 grounded test answers, 15 are more faithful than at MTL, 5 less so, and 10 score the same" in came
    assert "Of 10 instruction test answers, 0 are better at following the instruction than at MTL, 2 less so" in came


@pytest.mark.parametrize(
    ("stage", "times", "steps"),
    [("round-000", "one round", 4), ("round-001", "2 rounds", 6), ("round-001-000007", "2 rounds", 6)],
)
def test_only_the_rounds_that_the_last_evaluated_stage_has_are_counted(stage: str, times: str, steps: int) -> None:
    """Round 1 has ended, and the model is being tuned on it: the headline knows nothing of it before its evaluation."""
    rounds = [one(0, counts=COUNTS), one(1, counts=COUNTS)]
    taken = [TrainingStep(step=n, stage=f"round-{n // 5:03d}", loss=1.0, lr=1.0) for n in range(1, 7)]
    (done,) = account_of(rounds, BEFORE, Stage.from_json({"stage": stage}), [], taken)
    assert done.startswith(f"In {times} the model wrote")
    assert f"for {steps} optimizer steps" in done
    assert account_of(rounds, None, BEFORE, [], taken) == []


def test_what_is_not_known_is_not_said() -> None:
    assert account_of([], None, None, [], []) == []
    assert account_of([one(status="running")], BEFORE, AFTER, [], []) == []
    assert account_of([one()], None, AFTER, [], []) == ["The rounds drew nothing."]
    (done,) = account_of([one(counts={**COUNTS, "selected": 0})], BEFORE, AFTER, [], [])
    assert done.endswith("they were judged, and none was kept.")
