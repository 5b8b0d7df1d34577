"""Supervised fine-tuning: the base of every stage."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch.optim import AdamW

from reset_pl.errors import InputError
from reset_pl.records import IGNORE_INDEX
from reset_pl.tuning.loss import response_loss
from reset_pl.tuning.policy import DType, load_policy
from reset_pl.tuning.schedule import StageSchedule


class SFT(L.LightningModule):
    """Tunes a causal language model on responses.

    Args:
        model: Folder or hub id of the model to start from.
        lr: Peak learning rate (paper, A.3).
        weight_decay: AdamW's, on matrices only.
        warmup_ratio: Share of a stage's steps spent warming up.
        dtype: Type of the parameters.
    """

    stage_name = "sft"

    def __init__(
        self,
        model: str,
        lr: float = 1e-5,
        weight_decay: float = 0.05,
        warmup_ratio: float = 0.03,
        dtype: DType = "float32",
    ) -> None:
        super().__init__()
        self.model_path = model
        self.lr = lr
        self.weight_decay = weight_decay
        self.warmup_ratio = warmup_ratio
        self.dtype_name: DType = dtype
        self.policy: Any = None
        self._schedule: StageSchedule | None = None

    def configure_model(self) -> None:
        """Load the weights, once, where the strategy wants them."""
        if self.policy is None:
            self.policy = load_policy(self.model_path, self.dtype_name)

    # ------------------------------------------------------------------ stages

    @property
    def schedule(self) -> StageSchedule:
        """The learning-rate schedule, which knows the stage; there is one from the start of training on."""
        assert self._schedule is not None, "the schedule exists once the optimizer has been configured"
        return self._schedule

    @property
    def stage(self) -> str:
        """Name of the stage that the weights belong to: ``start`` until the first step."""
        return self.schedule.stage if self.global_step else "start"

    @property
    def stage_finished(self) -> bool:
        """Whether the weights are those of a stage's end (or the untouched start), not of its middle."""
        return self.global_step == 0 or self.schedule.finished

    def begin_stage(self, stage: str, *, num_steps: int, lr: float) -> None:
        """Start a stage: no moments of the stage before, a fresh warm-up and cosine.

        Args:
            stage: Its name.
            num_steps: Its length, in optimizer steps.
            lr: Its peak learning rate.
        """
        self.schedule.optimizer.state.clear()
        self.schedule.begin(stage, num_steps=num_steps, lr=lr)

    def stage_lr(self) -> float:
        """Peak learning rate of the running stage."""
        return self.lr

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps in an epoch of the present loader."""
        return -(-int(self.trainer.num_training_batches) // self.trainer.accumulate_grad_batches)

    def on_train_start(self) -> None:
        """Begin the first stage, or give a stage that a checkpoint or a callback has begun what is configured now."""
        if self.schedule.num_steps == 0:
            self.begin_stage(self.stage_name, num_steps=self._steps_of_fit(), lr=self.lr)
            return
        self.schedule.retune(lr=self.stage_lr(), warmup_ratio=self.warmup_ratio)
        for group, weight_decay in zip(self.schedule.optimizer.param_groups, (self.weight_decay, 0.0), strict=True):
            group["weight_decay"] = weight_decay

    def _steps_of_fit(self) -> int:
        """Optimizer steps of all epochs; ``max_steps`` bounds them (Lightning writes no limit as -1)."""
        max_epochs, max_steps = self.trainer.max_epochs or 1, self.trainer.max_steps
        if max_epochs == -1:
            return max_steps
        steps = self.steps_per_epoch * max_epochs
        return steps if max_steps == -1 else min(steps, max_steps)

    # ------------------------------------------------------------------ steps

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """Next-token logits, (rows, tokens, vocabulary)."""
        return self.policy(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        """Loss of one batch.

        Raises:
            InputError: The loss is not a number, so that every later step would be lost.
        """
        logits = self(batch["input_ids"], batch["attention_mask"])
        loss = response_loss(logits, batch["labels"])
        if not torch.isfinite(loss):
            raise InputError(
                f"the loss became {loss.item()} at step {self.global_step} (learning rate "
                f"{self.schedule.get_last_lr()[0]:.1e}): lower --model.lr, set --trainer.gradient_clip_val, or use "
                "bf16 in place of fp16; the checkpoints written so far are whole"
            )
        self.log("train/loss", loss, prog_bar=True)
        self.log("train/lr", self.schedule.get_last_lr()[0])
        self.log_training(logits.detach(), batch)
        return loss

    def log_training(self, logits: torch.Tensor, batch: dict[str, Any]) -> None:
        """What a subclass logs beside the loss."""

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Log the mean loss of all response tokens, from which perplexity follows as exp(loss)."""
        labels = batch["labels"]
        loss = response_loss(self(batch["input_ids"], batch["attention_mask"]), labels)
        num_targets = int((labels[:, 1:] != IGNORE_INDEX).sum())
        self.log("val/loss", loss, prog_bar=True, sync_dist=True, batch_size=num_targets)

    # ------------------------------------------------------------------ optimizer

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with decay on matrices, and the stage schedule stepped with it."""
        decayed = [p for p in self.parameters() if p.requires_grad and p.ndim >= 2]
        plain = [p for p in self.parameters() if p.requires_grad and p.ndim < 2]
        optimizer = AdamW(
            [{"params": decayed, "weight_decay": self.weight_decay}, {"params": plain, "weight_decay": 0.0}],
            lr=self.lr,
        )
        self._schedule = StageSchedule(optimizer, self.warmup_ratio)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self._schedule, "interval": "step"}}
