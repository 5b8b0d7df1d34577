"""Where a run leaves: between optimizer steps, behind a validation, and not at a stage's end."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest

from callbacks.preemption import Preemption
from callbacks.stage_checkpoint import StageCheckpoint
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.data.sources import JsonlSource
from reset_pl.interruption import Interrupted, requested
from reset_pl.tuning.mtl import MTL

Fit = Callable[..., list[str]]


class SignalAt(L.Callback):
    """Signals this process before a batch, and writes down what happens."""

    def __init__(self, batch: int, number: signal.Signals) -> None:
        self.batch, self.number = batch, number
        self.events: list[str] = []

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        self.events.append(f"batch {batch_idx}")
        if batch_idx == self.batch:
            os.kill(os.getpid(), self.number)

    def on_validation_end(self, trainer: L.Trainer, pl_module: Any) -> None:
        self.events.append("validated")


@pytest.fixture
def fit(tmp_path: Path, tiny_model: Path, caught_signals: None) -> Fit:
    rows = [{"objective": "instruction", "instruction": f"say {n}", "response": str(n)} for n in range(10)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(batch: int, number: signal.Signals = signal.SIGUSR1, **trainer: Any) -> list[str]:
        source = JsonlSource(str(tmp_path / "rows.jsonl"))
        data = ResetDataModule([source], str(tiny_model), validation=[source], batch_size=2)
        witness = SignalAt(batch, number)
        L.Trainer(
            accelerator="cpu",
            max_epochs=1,
            accumulate_grad_batches=2,
            num_sanity_val_steps=0,
            default_root_dir=tmp_path,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[witness, StageCheckpoint(every_n_steps=100), Preemption()],
            **trainer,
        ).fit(MTL(str(tiny_model)), data)
        return witness.events

    return run


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
@pytest.mark.parametrize("batch", [2, 3])
def test_the_optimizer_step_is_taken_and_saved(fit: Fit, tmp_path: Path, batch: int, number: signal.Signals) -> None:
    with pytest.raises(Interrupted, match="saved .*/checkpoints/mtl-000002.ckpt"):
        fit(batch, number)
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["mtl-000002.ckpt"]


def test_a_validation_that_is_due_comes_first(fit: Fit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    events: list[str] = []
    monkeypatch.setattr(SignalAt, "on_validation_end", lambda *_: events.append("validated"))
    with pytest.raises(Interrupted):
        fit(3, val_check_interval=4)
    assert events == ["validated"]
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["mtl-000002.ckpt"]


def test_a_stage_that_is_at_its_end_is_ended(fit: Fit, tmp_path: Path) -> None:
    assert fit(9)[-1] == "validated"
    assert requested()
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["mtl-000005.ckpt"]


def test_a_signal_before_training_loses_nothing(fit: Fit, tmp_path: Path) -> None:
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(Interrupted, match="nothing has been done since the last checkpoint"):
        fit(0)
    assert not (tmp_path / "checkpoints").exists()
