"""One checkpoint a stage."""

from __future__ import annotations

import lightning as L

from callbacks.stage_end import AtStageEnd, run_root
from reset_pl.tuning.sft import SFT


class StageCheckpoint(AtStageEnd):
    """Saves ``checkpoints/<stage>-<step>.ckpt`` at the end of every stage.

    Put it first in the list of callbacks: what follows at a stage's end (evaluation, a round) can take long, and a run
    that dies there comes back to this checkpoint.
    """

    def at_stage_end(self, trainer: L.Trainer, module: SFT) -> None:
        """Save, unless a checkpoint of this stage's end is there."""
        path = run_root(trainer) / "checkpoints" / f"{module.stage}-{module.global_step:06d}.ckpt"
        if module.global_step > 0 and not path.exists():
            trainer.save_checkpoint(path)
