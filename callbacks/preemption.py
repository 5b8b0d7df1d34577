"""Leaves a fit when a signal asks it to, with everything saved."""

from __future__ import annotations

from typing import Any

import lightning as L
from lightning.pytorch.trainer.states import TrainerFn

from callbacks.stage_checkpoint import save_checkpoint, validation_follows
from reset_pl.interruption import Interrupted, catch_signals, requested
from reset_pl.tuning.sft import SFT


class Preemption(L.Callback):
    """Saves and leaves at the end of the optimizer step in which a signal arrives, on whichever rank.

    ``python -m reset_pl fit`` puts it behind ``StageCheckpoint``, or first, into every run's callbacks. Rounds and
    evaluations look at the flag themselves, at the end of a chunk; the end of a stage is left to ``StageCheckpoint``,
    so that the restart finds it finished. Costs one all-reduce of one number an optimizer step.
    """

    def __init__(self) -> None:
        self._is_between_steps = False

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Take SIGTERM back from Lightning, whose handler talks to other ranks and then leaves with status 0.

        Raises:
            Interrupted: The signal came while the weights were loaded.
        """
        catch_signals()
        if _anyone_asked(trainer):
            raise Interrupted("nothing has been done since the last checkpoint")

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: SFT, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save and leave between two optimizer steps of a stage; a validation that is due comes first.

        Raises:
            Interrupted: A rank was asked to; all have saved.
        """
        self._is_between_steps = batch["ends_step"]
        if not validation_follows(trainer):
            self._leave_if_asked(trainer, pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: SFT) -> None:  # type: ignore[override]
        """Save and leave behind a validation.

        Raises:
            Interrupted: A rank was asked to; all have saved.
        """
        if trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking:
            self._leave_if_asked(trainer, pl_module)

    def _leave_if_asked(self, trainer: L.Trainer, module: SFT) -> None:
        if self._is_between_steps and _anyone_asked(trainer) and not module.stage_finished:
            raise Interrupted(f"saved {save_checkpoint(trainer, module)}")


def _anyone_asked(trainer: L.Trainer) -> bool:
    return trainer.strategy.reduce_boolean_decision(requested(), all=False)
