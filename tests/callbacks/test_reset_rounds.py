"""When a round is due, and what the callback refuses; whole runs are in test_restart.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from callbacks.reset_rounds import ResetRounds, next_round, round_is_due, stage_of_round
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.errors import InputError
from reset_pl.tuning.continued import ContinuedTuning
from reset_pl.tuning.sft import SFT
from tests.conftest import ScriptedJudge, ScriptedSampler

SAMPLER = ScriptedSampler(lambda example, draw: "x")
JUDGE = ScriptedJudge(lambda example, candidate: 1.0)


@pytest.mark.parametrize(
    ("stage", "finished", "first_stage_epochs", "rounds", "due"),
    [
        ("start", True, 1, 2, False),  # the first stage comes first
        ("start", True, 0, 2, True),  # from a tuned checkpoint
        ("mtl", False, 1, 2, False),  # inside the first stage
        ("mtl", True, 1, 2, True),
        ("round-000", False, 1, 2, False),
        ("round-000", True, 1, 2, True),
        ("round-001", True, 1, 2, False),  # all done
        ("round-000", True, 0, 1, False),
    ],
)
def test_round_is_due(stage: str, finished: bool, first_stage_epochs: int, rounds: int, due: bool) -> None:
    assert round_is_due(stage, finished=finished, first_stage_epochs=first_stage_epochs, rounds=rounds) is due


def test_stage_names_count_rounds() -> None:
    assert [next_round(stage_of_round(number)) for number in (0, 9, 999)] == [1, 10, 1000]


def trainer(module_data: Any, **changes: Any) -> Any:
    fields = {
        "datamodule": module_data,
        "reload_dataloaders_every_n_epochs": 1,
        "max_epochs": 1,
        "val_check_interval": 1.0,
        "check_val_every_n_epoch": 1,
    }
    return SimpleNamespace(**{**fields, **changes}, fit_loop=SimpleNamespace(max_epochs=1))


def test_rounds_add_epochs() -> None:
    callback = ResetRounds(SAMPLER, [JUDGE], rounds=3)
    surroundings = trainer(ResetDataModule([], "unused"))
    callback.setup(surroundings, ContinuedTuning("unused"), "fit")
    assert surroundings.fit_loop.max_epochs == 4


def test_wrong_surroundings_are_refused() -> None:
    callback = ResetRounds(SAMPLER, [JUDGE])
    data = ResetDataModule([], "unused")
    with pytest.raises(InputError, match="expected ResetRounds with the module ContinuedTuning.*got SFT"):
        callback.setup(trainer(data), SFT("unused"), "fit")
    with pytest.raises(InputError, match="reload_dataloaders_every_n_epochs 1.*but got 0"):
        callback.setup(trainer(data, reload_dataloaders_every_n_epochs=0), ContinuedTuning("unused"), "fit")
    with pytest.raises(InputError, match=r"check_val_every_n_epoch null beside --trainer.val_check_interval 100"):
        callback.setup(trainer(data, val_check_interval=100), ContinuedTuning("unused"), "fit")
    callback.setup(
        trainer(data, val_check_interval=100, check_val_every_n_epoch=None), ContinuedTuning("unused"), "fit"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"judges": []}, "at least one judge"),
        ({"judges": [JUDGE, JUDGE]}, "judges with different names"),
        ({"judges": [JUDGE], "rounds": 0}, "rounds of at least 1"),
        ({"judges": [JUDGE], "prompts_per_dataset": 0}, "prompts_per_dataset of at least 1"),
        ({"judges": [JUDGE], "chunk_size": 0}, "chunk_size of at least 1"),
    ],
)
def test_bad_arguments(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        ResetRounds(SAMPLER, **arguments)
