"""Which checkpoints there are: the newest and the best of a stage, and its end."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.trainer.states import TrainerFn

from callbacks.resume import present_sharding, resume_from_any
from callbacks.stage_end import AtStageEnd, run_root
from reset_pl.checkpoints import (
    best_checkpoint,
    checkpoint_name,
    checkpoints,
    clear,
    discard,
    is_complete,
    seal,
    shards_in,
    unfinished,
)
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.errors import InputError
from reset_pl.policy.probe import check_hand_over, log_probs, probe_prompts
from reset_pl.policy.ranks import gather
from reset_pl.policy.restore import read_states, read_weights, restore_weights
from reset_pl.progress import say
from reset_pl.tuning.sft import SFT

PROBE = "probe"
"""Key of the log-probabilities of the probe prompts in a checkpoint."""

TOLERANCE = {"float32": 1e-4, "bfloat16": 0.1, "float16": 0.05}
"""Largest difference, in nats, between a probe's log-probability when the weights were saved and after they came back:
none on one machine; so much where another one rounds otherwise."""


class StageCheckpoint(AtStageEnd):
    """Saves ``checkpoints/<stage>-<step>.ckpt`` at the end of every stage and every ``every_n_steps`` inside it.

    Stage ends are kept; of those inside a stage only the newest is. Put it first in the list of callbacks: what
    follows at a stage's end (evaluation, a round) can take long, and a run that dies there comes back to this
    checkpoint.

    With ``best`` the checkpoint with the lowest ``val/loss``, which has the lowest perplexity (paper, A.3), is kept
    beside them as ``<stage>-<step>-best-<loss>.ckpt``, and the stage's end goes back to its weights: evaluation,
    export, the round and the next stage get those. The stages behind a round hand on their last weights: validation
    compares with the references, which curated answers are meant to leave. Which is best follows from the names on
    the disk. Validation runs every ``trainer.val_check_interval`` batches; the last weights take part where it runs at
    the end, too.

    Args:
        every_n_steps: Optimizer steps between checkpoints inside a stage (paper, A.3: 100).
        best: Whether the first stage hands on its best weights by validation perplexity in place of its last ones.
    """

    def __init__(self, every_n_steps: int = 100, best: bool = False) -> None:
        if every_n_steps < 1:
            raise InputError(f"expected StageCheckpoint.every_n_steps of at least 1, but got {every_n_steps}")
        self.every_n_steps = every_n_steps
        self.best = best
        self._is_due = False
        self._validated: tuple[int, float] | None = None  # step and loss
        self._ended: str | None = None

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Clear up after a kill, and be ready for checkpoints of other processes.

        Raises:
            InputError: There is nothing to find the best weights by.
        """
        if stage != "fit":
            return
        data: ResetDataModule = trainer.datamodule  # type: ignore[attr-defined]
        if self.best and not data.validation_sources:
            raise InputError("expected validation sets in data.validation, since StageCheckpoint.best compares by them")
        resume_from_any(trainer)
        if trainer.is_global_zero:
            clear(_folder(trainer))

    def on_train_start(self, trainer: L.Trainer, pl_module: SFT) -> None:  # type: ignore[override]
        """The start, or what a restart begins from.

        Raises:
            InputError: Validation would run between two micro-batches of a step, where nothing can be saved.
        """
        interval, accumulate = trainer.val_check_batch, trainer.accumulate_grad_batches
        if (
            self.best
            and isinstance(interval, int)
            and interval < trainer.num_training_batches
            and interval % accumulate
        ):
            raise InputError(
                f"expected --trainer.val_check_interval in whole optimizer steps, a multiple of "
                f"--trainer.accumulate_grad_batches ({accumulate}), for StageCheckpoint.best, but got {interval}"
            )
        super().on_train_start(trainer, pl_module)

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: SFT, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save inside a stage, between steps: in the middle of one there are gradients that no checkpoint holds."""
        if batch["ends_step"] and trainer.global_step % self.every_n_steps == 0 and not pl_module.stage_finished:
            self._is_due = validation_follows(trainer)
            if not self._is_due:
                self._save_and_prune(trainer, pl_module)

    def on_validation_end(self, trainer: L.Trainer, pl_module: SFT) -> None:  # type: ignore[override]
        """Save the best so far, or what was put off: a restart from before the validation would leave it out."""
        if trainer.sanity_checking or trainer.state.fn != TrainerFn.FITTING:
            return
        is_due, self._is_due = self._is_due, False
        if self.best:
            self._validated = (trainer.global_step, float(trainer.callback_metrics["val/loss"]))
        if pl_module.stage_finished:
            return  # its end is saved in a moment, and compared there
        if self._is_best(trainer, pl_module):
            self._save_and_prune(trainer, pl_module, loss=self._validated[1])  # type: ignore[index]
        elif is_due:
            self._save_and_prune(trainer, pl_module)

    def on_save_checkpoint(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: SFT, checkpoint: dict[str, Any]
    ) -> None:
        """Say how the weights answer, so that it shows whether they came back."""
        if self.best:
            checkpoint[PROBE] = _probe(pl_module)

    def at_stage_end(self, trainer: L.Trainer, module: SFT) -> None:
        """Save, unless a checkpoint of this stage's end is there; then go back to the best weights of the stage."""
        if module.global_step == 0 or self._ended == module.stage:
            return
        self._ended = module.stage
        if trainer.is_global_zero and self._is_best_here(trainer, module):
            _unmark(trainer, module)  # no other is, from now on
        self._save_and_prune(trainer, module)
        best = trainer.strategy.broadcast(_best(trainer, module) if self._chooses(module) else None)
        if best is not None:
            restore_proved(trainer, module, best)

    # ------------------------------------------------------------------ the best

    def _chooses(self, module: SFT) -> bool:
        return self.best and module.stage == module.stage_name

    def _is_best(self, trainer: L.Trainer, module: SFT) -> bool:
        """Whether this step's weights are the best of the stage; rank 0 looks, so that all ranks agree."""
        return self._chooses(module) and trainer.strategy.broadcast(
            trainer.is_global_zero and self._is_best_here(trainer, module)
        )

    def _is_best_here(self, trainer: L.Trainer, module: SFT) -> bool:
        if self._validated is None or self._validated[0] != trainer.global_step:
            return False
        best = best_checkpoint(_folder(trainer), module.stage)
        # Both as they stand in names: a restart, which knows but those, must not decide otherwise.
        return best is None or round(self._validated[1], 6) < best.loss  # type: ignore[operator]

    # ------------------------------------------------------------------ files

    def _save_and_prune(self, trainer: L.Trainer, module: SFT, *, loss: float | None = None) -> None:
        """Save; of the stage's checkpoints up to here only this one and the best stay."""
        newest = save_checkpoint(trainer, module, loss=loss)
        if not trainer.is_global_zero:
            return
        kept = [newest, _best(trainer, module)]
        for one in checkpoints(_folder(trainer)):
            if one.stage == module.stage and one.step <= trainer.global_step and one.path not in kept:
                discard(one.path)


def validation_follows(trainer: L.Trainer) -> bool:
    """Whether validation runs before the next batch; asked at a batch's end.

    A restart from a checkpoint saved just before a validation leaves that validation out.
    """
    loop = trainer.fit_loop
    return bool(loop.epoch_loop._should_check_val_fx(loop._data_fetcher))  # type: ignore[arg-type]


def save_checkpoint(trainer: L.Trainer, module: SFT, *, loss: float | None = None) -> Path:
    """Save ``checkpoints/<stage>-<step>.ckpt``, all ranks together, unless it is there and whole.

    It is written under another name and renamed by rank 0 once all ranks have written their share, so that under its
    own name it is whole, a file or a directory of shards alike.

    Args:
        trainer: The trainer.
        module: The module in training.
        loss: Validation loss, to mark it as the best of its stage.

    Returns:
        Its path.

    Raises:
        InputError: The disk is full or cannot be written.
    """
    path = _folder(trainer) / checkpoint_name(module.stage, module.global_step, loss)
    if trainer.strategy.broadcast(trainer.is_global_zero and is_complete(path)):
        return path
    temporary = unfinished(path)
    if trainer.is_global_zero:
        discard(path)
    trainer.strategy.barrier()
    try:
        trainer.save_checkpoint(temporary)  # all ranks have written when it returns
        shards = _seen_by_any(shards_in(temporary))
        if trainer.is_global_zero:
            now = present_sharding(trainer)
            if now is not None:
                seal(temporary, shards=shards, world_size=now[0], zero_stage=now[1])
            temporary.replace(path)
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; the checkpoints before it are whole: free some space or "
            "mend the folder's rights, then start the same command again and it goes on from there"
        ) from error
    trainer.strategy.barrier()
    return path


def restore_proved(trainer: L.Trainer, module: SFT, path: Path) -> None:
    """Put a checkpoint's weights into the fit, and prove by the probe prompts that they are there.

    Args:
        trainer: The trainer.
        module: The module in training.
        path: A checkpoint of ``StageCheckpoint`` with ``best``; of one without nothing is proved.

    Raises:
        InputError: The model answers otherwise than when the checkpoint was saved.
    """
    restore_weights(module, partial(read_weights, path), device=trainer.strategy.root_device)
    expected = read_states(path).get(PROBE)
    if expected is not None:
        tolerance = TOLERANCE[module.dtype_name]
        check_hand_over(expected, _probe(module), tolerance=tolerance, receiver=f"the model reloaded from {path.name}")
    if trainer.is_global_zero:
        say(f"{module.stage}: back to the weights of {path.name}")


def _probe(module: SFT) -> list[list[float]]:
    return log_probs(module.policy, probe_prompts(module.policy.config.vocab_size))


def _folder(trainer: L.Trainer) -> Path:
    return run_root(trainer) / "checkpoints"


def _best(trainer: L.Trainer, module: SFT) -> Path | None:
    best = best_checkpoint(_folder(trainer), module.stage)
    return None if best is None else best.path


def _unmark(trainer: L.Trainer, module: SFT) -> None:
    best = best_checkpoint(_folder(trainer), module.stage)
    if best is not None:
        best.path.replace(best.path.with_name(checkpoint_name(best.stage, best.step)))


def _seen_by_any(names: list[str]) -> list[str]:
    """The files that any rank sees: a network file system may show a rank those of others later."""
    return sorted({name for part in gather(names) for name in part})
