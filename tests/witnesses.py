"""A user's own callback and sampler, named by class path: slow enough to be interrupted, and they log what they do."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import lightning as L

from reset_pl.records import Candidate, Example
from reset_pl.sampling.decoding import Plan
from reset_pl.sampling.hf import HFSampler


def write_line(log: str, *words: object) -> None:
    with Path(log).open("a") as file:
        file.write(" ".join(map(str, words)) + "\n")


class StepLog(L.Callback):
    """Writes ``<rank> <pid> <stage> <step>`` before each optimizer step.

    Args:
        log: File that gets the lines.
        seconds: Pause before each batch.
    """

    def __init__(self, log: str, seconds: float) -> None:
        self.file = log  # Lightning sets ``log``
        self.seconds = seconds

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        stage = pl_module.schedule.stage
        write_line(self.file, trainer.global_rank, os.getpid(), stage, trainer.global_step)
        time.sleep(self.seconds)


class LoggedSampler(HFSampler):
    """Writes ``<pid> <candidate id>`` for every candidate drawn.

    Args:
        log: File that gets the lines.
        seconds: Pause after each chunk.
    """

    def __init__(self, log: str, seconds: float) -> None:
        super().__init__()
        self.log = log
        self.seconds = seconds

    def sample(self, examples: Sequence[Example], plan: Plan) -> Iterable[Candidate]:
        candidates = list(super().sample(examples, plan))
        for candidate in candidates:
            write_line(self.log, os.getpid(), candidate.id)
        time.sleep(self.seconds)
        return candidates
