"""Preference tuning: direct preference optimization (DPO) on pairs of answers of the same pool."""

from __future__ import annotations

import math
from typing import Any

import torch

from reset_pl.errors import InputError
from reset_pl.policy.adapters import Lora, adapters_off
from reset_pl.policy.load import DType, load_policy
from reset_pl.tuning.loss import answer_log_probs, preference_losses
from reset_pl.tuning.packing import evaluating, target_logits
from reset_pl.tuning.sft import SFT
from reset_pl.tuning.strategies import loaded_in_shards

REWARDS = "rewards"
"""Key of a batch's rewards, (pairs, 2), from where they are computed to where they are logged."""


class PreferenceTuning(SFT):
    """DPO (Rafailov et al. 2023, arXiv 2305.18290, equation 7) on the pairs that ``PairSource`` reads.

    The reference is the model that is started from, after a restart too: a frozen copy of it, or with ``lora`` the
    model itself with its adapters switched off. The loss of an optimizer step is the mean over its pairs.

    Args:
        model: Folder or hub id of the model to start from, which is also the reference.
        lr: Peak learning rate (its appendix B: 1e-6).
        beta: How dear it is to leave the reference (its appendix B: 0.1).
        weight_decay: AdamW's, on matrices only.
        warmup_ratio: Share of a stage's steps spent warming up.
        dtype: Type of the parameters.
        lora: Train low-rank adapters in place of all weights.
        activation_checkpointing: Compute activations again in the backward pass: less memory, a third more time.

    Raises:
        InputError: ``beta`` is not above 0.
    """

    stage_name = "dpo"
    counted = "step_rows"

    def __init__(
        self,
        model: str,
        lr: float = 1e-6,
        beta: float = 0.1,
        weight_decay: float = 0.05,
        warmup_ratio: float = 0.03,
        dtype: DType = "float32",
        lora: Lora | None = None,
        activation_checkpointing: bool = False,
    ) -> None:
        super().__init__(
            model=model,
            lr=lr,
            weight_decay=weight_decay,
            warmup_ratio=warmup_ratio,
            dtype=dtype,
            lora=lora,
            activation_checkpointing=activation_checkpointing,
        )
        if not 0 < beta < math.inf:
            raise InputError(f"expected --model.beta above 0, but got {beta}")
        self.beta = beta
        self.strict_loading = False  # checkpoints lack the reference
        self.reference: Any = None
        self._step_rewards = torch.zeros(4)

    # ------------------------------------------------------------------ the reference

    def configure_model(self) -> None:
        """Load the weights, and those of the reference beside them unless the policy itself can give it."""
        super().configure_model()
        if self.reference is None and self.lora is None:
            with loaded_in_shards(self._deepspeed):
                self.reference = load_policy(self.model_path, self.dtype_name)
            self.reference.requires_grad_(False)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Leave the reference out: it is the model that was started from."""
        super().on_save_checkpoint(checkpoint)
        weights = checkpoint.get("state_dict", {})
        checkpoint["state_dict"] = {name: value for name, value in weights.items() if not name.startswith("reference.")}

    @torch.no_grad()
    def reference_log_probs(self, batch: dict[str, Any]) -> torch.Tensor:
        """Log-probability of each answer of a batch under the reference, (2 · pairs,) in float32."""
        model = self.policy if self.reference is None else self.reference
        with evaluating(model), adapters_off(model):
            return answer_log_probs(target_logits(model, batch), batch["targets"], batch["row_of_target"])

    # ------------------------------------------------------------------ steps

    def on_train_start(self) -> None:
        """Begin the stage, or go on in it."""
        super().on_train_start()
        self._step_rewards = torch.zeros(4, device=self.device)

    def losses(self, batch: dict[str, Any]) -> torch.Tensor:
        """Loss of each pair of a micro-batch, (pairs,); its rewards are left in the batch.

        Raises:
            InputError: Its rows are not pairs.
        """
        if 2 * batch["num_pairs"] != len(batch["dataset"]):
            raise InputError(
                "expected preference pairs to tune PreferenceTuning on (PairSource), but got rows with one answer, "
                f"e.g. of {min(batch['dataset'])}"
            )
        reference = self.reference_log_probs(batch)
        log_probs = answer_log_probs(self(batch), batch["targets"], batch["row_of_target"])
        rewards = self.beta * (log_probs - reference).view(-1, 2)
        batch[REWARDS] = rewards.detach()
        return preference_losses(rewards)

    def collect(self, losses: torch.Tensor, batch: dict[str, Any]) -> None:
        """Add the pairs' rewards to the optimizer step's."""
        super().collect(losses, batch)
        chosen, rejected = batch[REWARDS].unbind(dim=1)
        sums = torch.stack([chosen, rejected, chosen - rejected, (chosen > rejected).float()]).sum(dim=1)
        self._step_rewards += sums / batch[self.counted]

    def log_step(self) -> None:
        """Log means over all pairs of an optimizer step.

        ``train/reward_chosen``, ``train/reward_rejected`` and ``train/reward_margin``, their difference, in nats times
        beta; ``train/reward_accuracy``, the share of pairs whose chosen answer has the higher reward.
        """
        super().log_step()
        for name, mean in zip(("chosen", "rejected", "margin", "accuracy"), self._step_rewards, strict=True):
            self.log(f"train/reward_{name}", mean, sync_dist=True, reduce_fx="sum")
        self._step_rewards = torch.zeros(4, device=self.device)
