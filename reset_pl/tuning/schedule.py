"""Linear warm-up and cosine decay, started afresh by every stage."""

from __future__ import annotations

import math

from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


def cosine_with_warmup(step: int, *, num_steps: int, warmup_ratio: float) -> float:
    """Factor on the peak learning rate (paper, A.3: cosine, warm-up ratio 0.03).

    Args:
        step: Optimizer steps taken in the stage.
        num_steps: Length of the stage, in optimizer steps.
        warmup_ratio: Share of the stage over which the rate rises linearly from 0.

    >>> [round(cosine_with_warmup(s, num_steps=10, warmup_ratio=0.2), 3) for s in (0, 1, 2, 6, 10)]
    [0.0, 0.5, 1.0, 0.5, 0.0]
    """
    warmup = math.ceil(num_steps * warmup_ratio)
    if step < warmup:
        return step / warmup
    progress = min((step - warmup) / max(num_steps - warmup, 1), 1.0)
    return 0.5 * (1 + math.cos(math.pi * progress))


class StageSchedule(LRScheduler):
    """One scheduler for all stages of a run; its state says which stage runs, where it began and how long it is.

    Args:
        optimizer: Its groups all get the same rate.
        warmup_ratio: Share of each stage spent warming up.
    """

    def __init__(self, optimizer: Optimizer, warmup_ratio: float) -> None:
        self.warmup_ratio = warmup_ratio
        self.stage = "start"
        self.first_step = 0
        self.num_steps = 0
        self.peak_lr = 0.0
        super().__init__(optimizer)

    def begin(self, stage: str, *, num_steps: int, lr: float) -> None:
        """Start a stage at the step that the run has reached.

        Args:
            stage: Its name.
            num_steps: Its length, in optimizer steps.
            lr: Its peak learning rate.
        """
        self.stage = stage
        self.first_step = self.last_epoch
        self.num_steps = num_steps
        self.retune(lr=lr, warmup_ratio=self.warmup_ratio)

    def retune(self, *, lr: float, warmup_ratio: float) -> None:
        """Give the running stage another peak rate and warm-up: what is configured wins over what a checkpoint says."""
        self.peak_lr = lr
        self.warmup_ratio = warmup_ratio
        self._last_lr = self.get_lr()
        for group, rate in zip(self.optimizer.param_groups, self._last_lr, strict=True):
            group["lr"] = rate

    @property
    def finished(self) -> bool:
        """Whether the stage has taken all its steps."""
        return self.num_steps > 0 and self.last_epoch >= self.first_step + self.num_steps

    def get_lr(self) -> list[float | Tensor]:
        """The rate of each parameter group at the present step."""
        factor = cosine_with_warmup(
            self.last_epoch - self.first_step, num_steps=self.num_steps, warmup_ratio=self.warmup_ratio
        )
        return [self.peak_lr * factor for _ in self.optimizer.param_groups]
