"""What happens once at the end of every stage, however often the run is restarted."""

from __future__ import annotations

from pathlib import Path

import lightning as L

from reset_pl.tuning.sft import SFT


class AtStageEnd(L.Callback):
    """Base of callbacks that act on the weights of a stage's end, the untouched start included.

    ``at_stage_end`` is called when training starts, so that a restart makes up for what a kill prevented, at the end
    of every epoch that ends a stage, and when the fit ends, since a restart with nothing left to train skips the
    other two. It must do nothing when its work is already there.
    """

    def at_stage_end(self, trainer: L.Trainer, module: SFT) -> None:
        """Act on the weights of ``module.stage``."""
        raise AssertionError("a subclass defines at_stage_end()")

    def on_train_start(self, trainer: L.Trainer, pl_module: SFT) -> None:  # type: ignore[override]
        """The start, or a stage's end that a restart begins from."""
        self._act(trainer, pl_module)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: SFT) -> None:  # type: ignore[override]
        """The end of an epoch, which may end a stage."""
        self._act(trainer, pl_module)

    def on_fit_end(self, trainer: L.Trainer, pl_module: SFT) -> None:  # type: ignore[override]
        """The end of the run."""
        self._act(trainer, pl_module)

    def _act(self, trainer: L.Trainer, module: SFT) -> None:
        if module.stage_finished:
            self.at_stage_end(trainer, module)


def run_root(trainer: L.Trainer) -> Path:
    """The run's directory."""
    return Path(trainer.default_root_dir)
