"""Supervised fine-tuning: the base of every stage."""

from __future__ import annotations

from typing import Any

import lightning as L
import torch
from lightning.pytorch.utilities.types import OptimizerLRSchedulerConfig
from torch.optim import AdamW
from torchmetrics import MeanMetric

from reset_pl.errors import InputError
from reset_pl.policy.adapters import Lora, is_adapter
from reset_pl.policy.load import DType, load_policy
from reset_pl.tuning.loss import target_losses
from reset_pl.tuning.packing import target_logits
from reset_pl.tuning.schedule import StageSchedule
from reset_pl.tuning.strategies import deepspeed_config, loaded_in_shards, zero_stage


class SFT(L.LightningModule):
    """Tunes a causal language model on responses.

    Args:
        model: Folder or hub id of the model to start from.
        lr: Peak learning rate (paper, A.3).
        weight_decay: AdamW's, on matrices only.
        warmup_ratio: Share of a stage's steps spent warming up.
        dtype: Type of the parameters.
        lora: Train low-rank adapters in place of all weights.
        activation_checkpointing: Compute activations again in the backward pass: less memory, a third more time.
    """

    stage_name = "sft"
    counted = "step_targets"
    """What of an optimizer step its loss is the mean over: a key of the batch."""

    def __init__(
        self,
        model: str,
        lr: float = 1e-5,
        weight_decay: float = 0.05,
        warmup_ratio: float = 0.03,
        dtype: DType = "float32",
        lora: Lora | None = None,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__()
        self.model_path = model
        self.lr = lr
        self.weight_decay = weight_decay
        self.warmup_ratio = warmup_ratio
        self.dtype_name: DType = dtype
        self.lora = lora
        self.strict_loading = lora is None
        self.activation_checkpointing = activation_checkpointing
        self.policy: Any = None
        self._deepspeed: dict[str, Any] | None = None
        self._schedule: StageSchedule | None = None
        self._step_loss = torch.zeros(())
        self._val_loss = MeanMetric(nan_strategy="disable")  # Lightning's own mean rounds the ranks' number of tokens

    def setup(self, stage: str) -> None:
        """Take note of DeepSpeed.

        Raises:
            InputError: It cannot train what is configured.
        """
        self._deepspeed = deepspeed_config(self.trainer.strategy)
        if self._deepspeed is not None:
            self._check_deepspeed()

    def _check_deepspeed(self) -> None:
        if zero_stage(self._deepspeed) == 3 and self.lora is not None and self.lora.quantize:
            raise InputError(
                "expected --model.lora.quantize false under DeepSpeed stage 3, which cannot shard weights of 4 bits, "
                "but got true: take stage 2, whose adapters and optimizer are small, or adapters without quantize"
            )
        if self.dtype_name != "float32" and self.trainer.precision == "32-true":
            raise InputError(
                f"expected --trainer.precision {'bf16-true' if self.dtype_name == 'bfloat16' else '16-mixed'} with "
                f"--model.dtype {self.dtype_name} under DeepSpeed, which then keeps float32 weights for the optimizer, "
                "but got 32-true"
            )
        if self.trainer.gradient_clip_algorithm == "value":
            raise InputError("expected --trainer.gradient_clip_algorithm norm under DeepSpeed, but got value")

    def configure_model(self) -> None:
        """Load the weights, once, where the strategy wants them."""
        if self.policy is None:
            with loaded_in_shards(self._deepspeed):
                self.policy = load_policy(
                    self.model_path,
                    self.dtype_name,
                    lora=self.lora,
                    activation_checkpointing=self.activation_checkpointing,
                )

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep the adapters alone where they alone are trained: all else is in the model that was started from."""
        if self.lora is not None:
            weights = checkpoint.get("state_dict", {})
            checkpoint["state_dict"] = {name: value for name, value in weights.items() if is_adapter(name)}

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Check that none of the adapters is missing; those that shards hold are restored elsewhere.

        Raises:
            InputError: The checkpoint is of other adapters.
        """
        weights = checkpoint.get("state_dict")
        lacking = {name for name, _ in self.named_parameters() if is_adapter(name)} - set(weights or ())
        if weights and lacking:
            raise InputError(
                f"expected a checkpoint with the adapters of --model.lora, but it lacks {min(lacking)} "
                f"({len(lacking)} in all): give the settings that it was trained with"
            )

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
        self._check_limit()
        self._step_loss = torch.zeros((), device=self.device)
        if self.schedule.num_steps == 0:
            self.begin_stage(self.stage_name, num_steps=self._steps_of_fit(), lr=self.lr)
            return
        self.schedule.retune(lr=self.stage_lr(), warmup_ratio=self.warmup_ratio)
        for group, (weight_decay, _) in zip(self.schedule.optimizer.param_groups, self._decays(), strict=True):
            group["weight_decay"] = weight_decay

    def _check_limit(self) -> None:
        """A limit must leave whole optimizer steps: the loss is normalised by all targets of a step.

        Raises:
            InputError: It does not.
        """
        accumulate = self.trainer.accumulate_grad_batches
        limit, batches = self.trainer.num_training_batches, len(self.trainer.train_dataloader or ())
        if limit < batches and limit % accumulate:
            raise InputError(
                f"expected --trainer.limit_train_batches to leave a multiple of --trainer.accumulate_grad_batches "
                f"({accumulate}), whole optimizer steps, but got {limit} of {batches} batches"
            )

    def _steps_of_fit(self) -> int:
        """Optimizer steps of all epochs; ``max_steps`` bounds them (Lightning writes no limit as -1)."""
        max_epochs, max_steps = self.trainer.max_epochs or 1, self.trainer.max_steps
        if max_epochs == -1:
            return max_steps
        steps = self.steps_per_epoch * max_epochs
        return steps if max_steps == -1 else min(steps, max_steps)

    # ------------------------------------------------------------------ steps

    def forward(self, batch: dict[str, Any]) -> torch.Tensor:
        """Logits that predict the batch's targets, (targets, vocabulary)."""
        return target_logits(self.policy, batch)

    def losses(self, batch: dict[str, Any]) -> torch.Tensor:
        """Loss of each target of a micro-batch, (targets,).

        Raises:
            InputError: Its rows are preference pairs.
        """
        if batch["num_pairs"]:
            raise InputError(
                f"expected single answers to tune {type(self).__name__} on, but got preference pairs: set "
                "--model.class_path PreferenceTuning, or read the chosen answers alone, by CuratedSource"
            )
        return target_losses(self(batch), batch["targets"])

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        """Loss of one micro-batch: its share of the mean over all targets, or pairs, of the optimizer step.

        Ranks and accumulated batches hold unlike numbers of them, so a mean of means would weigh them wrongly.

        Raises:
            InputError: The loss is not a number, so that every later step would be lost.
        """
        losses = self.losses(batch)
        share = losses.sum() / batch[self.counted]
        if not torch.isfinite(share):
            raise InputError(
                f"the loss became {share.item()} at step {self.global_step} (learning rate "
                f"{self.schedule.get_last_lr()[0]:.1e}): lower --model.lr, set --trainer.gradient_clip_val, or use "
                "bf16 in place of fp16; the checkpoints written so far are whole"
            )
        self.collect(losses.detach(), batch)
        if batch["ends_step"]:
            self.log_step()
        # Lightning divides by the accumulated batches, DeepSpeed once more, and the ranks' gradients are averaged.
        divisions = 1 if self._deepspeed is None else 2
        return share * self.trainer.accumulate_grad_batches**divisions * self.trainer.world_size

    def collect(self, losses: torch.Tensor, batch: dict[str, Any]) -> None:
        """Keep what ``log_step`` needs of a micro-batch.

        Args:
            losses: What ``losses`` gave.
            batch: The micro-batch.
        """
        self._step_loss += losses.sum() / batch[self.counted]

    def log_step(self) -> None:
        """Log the loss of an optimizer step, over all its micro-batches and ranks."""
        self.log("train/loss", self._step_loss, prog_bar=True, sync_dist=True, reduce_fx="sum")
        self.log("train/lr", self.schedule.get_last_lr()[0])
        self._step_loss = torch.zeros((), device=self.device)

    def validation_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Log the mean loss on all ranks; of response tokens, perplexity follows from it as exp(loss)."""
        self._val_loss.update(self.losses(batch))
        self.log("val/loss", self._val_loss, prog_bar=True)

    def test_step(self, batch: dict[str, Any], batch_idx: int) -> None:
        """Nothing: ``callbacks.CheckpointEvaluation`` does a test."""

    # ------------------------------------------------------------------ optimizer

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """AdamW with decay on matrices, and the stage schedule stepped with it."""
        groups = [{"params": parameters, "weight_decay": weight_decay} for weight_decay, parameters in self._decays()]
        optimizer = AdamW(groups, lr=self.lr)
        self._schedule = StageSchedule(optimizer, self.warmup_ratio)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self._schedule, "interval": "step"}}

    def _decays(self) -> list[tuple[float, list[torch.nn.Parameter]]]:
        """Weight decay and the parameters that have it; no group is empty."""
        trained = [p for p in self.parameters() if p.requires_grad]
        matrices = [p for p in trained if _num_dimensions(p) >= 2]
        vectors = [p for p in trained if _num_dimensions(p) < 2]
        return [group for group in ((self.weight_decay, matrices), (0.0, vectors)) if group[1]]


def _num_dimensions(parameter: torch.nn.Parameter) -> int:
    """Of the whole parameter: ZeRO-3 leaves an empty vector in its place."""
    return len(getattr(parameter, "ds_shape", parameter.shape))
