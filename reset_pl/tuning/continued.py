"""Continued self-instruction tuning: the stages that follow RESET rounds (paper, section 5.1)."""

from __future__ import annotations

from reset_pl.policy.adapters import Lora
from reset_pl.policy.load import DType
from reset_pl.tuning.mtl import MTL


class ContinuedTuning(MTL):
    """MTL followed by one stage a RESET round; ``callbacks.ResetRounds`` says when each begins.

    Args:
        model: Folder or hub id of the model to start from.
        lr: Peak learning rate of the MTL stage (paper, A.3).
        continued_lr: Peak learning rate of the stages after it (paper, A.3: 8e-6).
        weight_decay: AdamW's, on matrices only.
        warmup_ratio: Share of a stage's steps spent warming up.
        dtype: Type of the parameters.
        lora: Train low-rank adapters in place of all weights.
        activation_checkpointing: Compute activations again in the backward pass: less memory, a third more time.
    """

    def __init__(
        self,
        model: str,
        lr: float = 1e-5,
        continued_lr: float = 8e-6,
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
        self.continued_lr = continued_lr

    def stage_lr(self) -> float:
        """Peak learning rate of the running stage."""
        return self.lr if self.schedule.stage == self.stage_name else self.continued_lr
