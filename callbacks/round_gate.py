"""What becomes of a round that only its own judges like."""

from __future__ import annotations

from functools import partial

import lightning as L

from callbacks.checkpoint_evaluation import CheckpointEvaluation
from callbacks.reset_rounds import ResetRounds
from callbacks.stage_checkpoint import StageCheckpoint, restore_proved
from callbacks.stage_end import AtStageEnd, run_root
from reset_pl.checkpoints import stage_weights
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.errors import InputError
from reset_pl.evaluation.gate import GateVerdict, judge_stage
from reset_pl.policy.restore import read_model, restore_weights
from reset_pl.progress import say
from reset_pl.rounds.ledger import Ledger
from reset_pl.tuning.sft import SFT


class RoundGate(AtStageEnd):
    """Holds every round against held-out judges and unseen test sets, once its stage has been evaluated.

    A round confirmed by none of them is reported in its manifest, on the screen and in the report. With ``roll_back``
    its weights are given up too: the run goes on from the stage before, without the round's curated examples; the
    checkpoint and the exported policy of the stage stay for inspection. The next round draws other prompts.

    Put it behind ``CheckpointEvaluation`` (whose ``held_out_judges`` and unseen test sets it reads) and
    ``ExportPolicy``, and before ``ResetRounds``.

    Args:
        roll_back: Whether an unconfirmed round's weights are given up.
        min_gain: Difference of macro averages above which a score counts as risen.
    """

    def __init__(self, roll_back: bool = False, min_gain: float = 0.0) -> None:
        if not 0 <= min_gain < 1:
            raise InputError(f"expected RoundGate.min_gain in [0, 1), but got {min_gain}")
        self.roll_back = roll_back
        self.min_gain = min_gain

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Check that what it needs comes before it.

        Raises:
            InputError: It does not.
        """
        kinds = [type(callback) for callback in trainer.callbacks]  # type: ignore[attr-defined]
        before = kinds[: kinds.index(RoundGate)]
        needed: list[type[L.Callback]] = [CheckpointEvaluation, *([StageCheckpoint] if self.roll_back else [])]
        for kind in needed:
            if kind not in before:
                raise InputError(f"expected callbacks.{kind.__name__} before callbacks.RoundGate in trainer.callbacks")
        if ResetRounds in before:
            raise InputError("expected callbacks.RoundGate before callbacks.ResetRounds in trainer.callbacks")

    def at_stage_end(self, trainer: L.Trainer, module: SFT) -> None:
        """Judge the stage of a round; the same after a restart, since it follows from the evaluations."""
        ledger = Ledger(run_root(trainer) / "rounds" / module.stage)
        manifest = ledger.read_manifest()
        if manifest is None:
            return  # not the stage of a round
        verdict = judge_stage(run_root(trainer), module.stage, min_gain=self.min_gain)
        if verdict is None:
            return
        rolls_back = self.roll_back and verdict.confirmed is False
        if trainer.is_global_zero and "gate" not in manifest:
            ledger.write_manifest({**manifest, "gate": verdict.to_json(rolled_back=rolls_back)})
            if verdict.unconfirmed:
                say(f"{module.stage}: its judges saw a gain that {' and '.join(verdict.unconfirmed)} did not confirm")
        if rolls_back:
            self._give_up(trainer, module, ledger, verdict)

    def _give_up(self, trainer: L.Trainer, module: SFT, ledger: Ledger, verdict: GateVerdict) -> None:
        """Go back to the weights of the stage before, and forget what the round curated."""
        if verdict.before == "start":
            start = partial(read_model, module.model_path, module.dtype_name, lora=module.lora)
            restore_weights(module, start, device=trainer.strategy.root_device)
        else:
            checkpoint = trainer.strategy.broadcast(stage_weights(run_root(trainer) / "checkpoints", verdict.before))
            if checkpoint is None:
                raise InputError(
                    f"expected a whole checkpoint of the stage {verdict.before!r} in {run_root(trainer)}/checkpoints "
                    "roll back to it, but there is none: restore it, or set RoundGate.roll_back to false"
                )
            restore_proved(trainer, module, checkpoint)
        data: ResetDataModule = trainer.datamodule  # type: ignore[attr-defined]
        data.drop(ledger.directory)
        if trainer.is_global_zero:
            say(f"{module.stage}: rolled back to the weights of the stage {verdict.before!r}")
