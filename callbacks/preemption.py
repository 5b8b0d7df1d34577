"""Leaves a fit when a signal asks it to, with everything saved."""

from __future__ import annotations

from typing import Any

import lightning as L

from callbacks.stage_checkpoint import save_checkpoint
from reset_pl.interruption import Interrupted, catch_signals, requested
from reset_pl.tuning.sft import SFT


class Preemption(L.Callback):
    """Saves and leaves at the end of the optimizer step in which a signal arrives, on whichever rank.

    ``python -m reset_pl fit`` puts it first among its callbacks. Rounds and evaluations look at the flag themselves,
    at the end of a chunk; the end of a stage is left to ``StageCheckpoint``, so that the restart finds it finished.
    Costs one all-reduce of one number an optimizer step.
    """

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
        """Save and leave between two optimizer steps of a stage.

        Raises:
            Interrupted: A rank was asked to; all have saved.
        """
        if batch["ends_step"] and _anyone_asked(trainer) and not pl_module.stage_finished:
            raise Interrupted(f"saved {save_checkpoint(trainer, pl_module)}")


def _anyone_asked(trainer: L.Trainer) -> bool:
    return trainer.strategy.reduce_boolean_decision(requested(), all=False)
