"""A callback that makes collectives give up after seconds where they would wait for half an hour."""

from __future__ import annotations

from datetime import timedelta

import lightning as L
from torch.distributed.distributed_c10d import _set_pg_timeout


class Impatience(L.Callback):
    """From the start of training on, when all processes are there.

    Args:
        seconds: Longest wait in a collective.
    """

    def __init__(self, seconds: float = 6.0) -> None:
        self.timeout = timedelta(seconds=seconds)

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        trainer.strategy.barrier()
        _set_pg_timeout(self.timeout)
