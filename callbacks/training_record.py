"""Writes down every optimizer step, and in which of them each curated example was."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lightning as L

from callbacks.stage_end import run_root
from reset_pl.data.curated import CuratedSource
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.training_record import Trained, TrainingStep, append_steps, drop_steps_after, write_trained
from reset_pl.tuning.sft import SFT

_PENDING = 100
"""Steps between two writes: a write waits for the disk, and on a GPU for the losses."""


class TrainingRecord(L.Callback):
    """Writes ``training.jsonl`` (step, stage, loss, learning rate) and ``rounds/<stage>/trained.parquet``.

    ``python -m reset_pl fit`` puts it first into every run's callbacks: what is saved in a checkpoint has been written
    down before, and what a kill leaves behind the checkpoint is dropped when the run goes on from there. So a run that
    was killed has the lines of an undisturbed one. Rank 0 writes; the loss is that of the whole step, over all
    micro-batches and ranks, which the module logs anyway, so nothing is computed or communicated for it.
    """

    def __init__(self) -> None:
        self._pending: list[tuple[int, str, Any, Any]] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: SFT) -> None:  # type: ignore[override]
        """Forget the steps that will be taken again."""
        self._pending.clear()
        if trainer.is_global_zero:
            drop_steps_after(run_root(trainer), trainer.global_step)

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: SFT, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Note a step that is complete."""
        if batch["ends_step"] and trainer.is_global_zero:
            logged = trainer.callback_metrics
            step = (trainer.global_step, pl_module.stage, logged.get("train/loss"), logged.get("train/lr"))
            self._pending.append(step)
            if len(self._pending) >= _PENDING:
                self._write(trainer)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: SFT) -> None:  # type: ignore[override]
        """Write what is left, and at the end of a round's stage what it was tuned on."""
        self._write(trainer)
        round_dir = run_root(trainer) / "rounds" / pl_module.stage
        if trainer.is_global_zero and pl_module.stage_finished and (round_dir / "manifest.json").exists():
            write_trained(round_dir, list(_trained(trainer, pl_module)))

    def on_save_checkpoint(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: SFT, checkpoint: dict[str, Any]
    ) -> None:
        """Write the steps that the checkpoint holds; a restart goes on behind them."""
        self._write(trainer)

    def on_exception(self, trainer: L.Trainer, pl_module: SFT, exception: BaseException) -> None:  # type: ignore[override]
        """Write what led to an error."""
        self._write(trainer)

    def _write(self, trainer: L.Trainer) -> None:
        if self._pending:
            pending, self._pending = self._pending, []
            append_steps(
                run_root(trainer),
                [
                    TrainingStep(step=n, stage=stage, loss=_number(loss), lr=_number(lr))
                    for n, stage, loss, lr in pending
                ],
            )


def _trained(trainer: L.Trainer, module: SFT) -> Iterator[Trained]:
    """The examples of the epoch that has just ended, from the order in which its loader read the curated pool."""
    data: ResetDataModule = trainer.datamodule  # type: ignore[attr-defined]
    folders = [Path(folder) for folder in data.curated_rounds]
    pool = [
        (example.id, int(folder.name.removeprefix("round-")))
        for folder in folders
        for example in CuratedSource(str(folder)).load()
    ]
    sampler = trainer.train_dataloader.batch_sampler  # type: ignore[union-attr]
    for step, rows in enumerate(sampler.steps(), start=module.schedule.first_step + 1):
        if step > trainer.global_step:
            return  # an epoch that --trainer.limit_train_batches or --trainer.max_steps cut short
        for row in rows.tolist():
            yield Trained(example_id=pool[row][0], round=pool[row][1], step=step)


def _number(value: Any) -> float | None:
    """A logged float32 in as many digits as it has; none for what was not logged or is no number."""
    number = math.nan if value is None else float(f"{float(value):.7g}")
    return number if math.isfinite(number) else None
