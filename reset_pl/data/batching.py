"""Rows → batches: the same global batches on any number of ranks, resumable inside an epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader, Sampler

from reset_pl.data.encoding import Encoded
from reset_pl.records import IGNORE_INDEX

Batch = dict[str, Any]
"""``input_ids``, ``attention_mask``, ``labels``: (rows, tokens) int64; ``dataset``: list of names, one a row."""


def collate(rows: Sequence[Encoded], *, pad_token_id: int) -> Batch:
    """Pad rows on the right to the longest of them.

    Returns:
        A batch; padded positions have attention 0 and the label ``IGNORE_INDEX``.
    """
    width = max(len(row.input_ids) for row in rows)
    input_ids = torch.full((len(rows), width), pad_token_id)
    attention_mask = torch.zeros((len(rows), width), dtype=torch.long)
    labels = torch.full((len(rows), width), IGNORE_INDEX)
    for i, row in enumerate(rows):
        length = len(row.input_ids)
        input_ids[i, :length] = torch.tensor(row.input_ids)
        attention_mask[i, :length] = 1
        labels[i, :length] = torch.tensor(row.labels)
    return {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "labels": labels,
        "dataset": [row.dataset for row in rows],
    }


class GlobalBatchSampler(Sampler[list[int]]):
    """Cuts a fixed order of rows into global batches and hands each rank its share of every one.

    Batch ``k`` holds the same rows whether one process reads all of it or two read half each. A last batch with fewer
    rows than ranks is left out, so that every rank always has a row.

    Args:
        num_rows: Rows in the epoch; the order itself is the data set's.
        batch_size: Rows of a global batch, over all ranks.
        rank: This process.
        world_size: Number of processes.
    """

    def __init__(self, num_rows: int, batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        self.num_rows = num_rows
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.first_batch = 0

    def __len__(self) -> int:
        """Number of global batches in the epoch, those already trained on included."""
        full, rest = divmod(self.num_rows, self.batch_size)
        return full + (rest >= self.world_size)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this rank's rows of each global batch, from ``first_batch`` on."""
        for batch in range(self.first_batch, len(self)):
            stop = min((batch + 1) * self.batch_size, self.num_rows)
            yield list(range(batch * self.batch_size, stop))[self.rank :: self.world_size]


class ResumableLoader(DataLoader):
    """A loader that Lightning saves in checkpoints: after a restart it yields only the batches not yet trained on.

    It counts batches handed out, not batches read, so workers that read ahead change nothing.
    """

    batch_sampler: GlobalBatchSampler
    _num_yielded = 0

    def __iter__(self) -> Iterator[Batch]:  # type: ignore[override]
        """Yield the epoch's remaining batches."""
        self._num_yielded = self.batch_sampler.first_batch
        for batch in super().__iter__():
            # The sampler has begun, so only the next epoch reads this. Lightning counts batches and never asks for the
            # one after the last: nothing below the loop would run.
            self.batch_sampler.first_batch = 0
            self._num_yielded += 1
            yield batch

    def state_dict(self) -> dict[str, int]:
        """How far the epoch has got, in batches."""
        return {"num_yielded": self._num_yielded}

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on behind the batches already yielded."""
        self._num_yielded = state["num_yielded"]
        self.batch_sampler.first_batch = self._num_yielded if self._num_yielded < len(self.batch_sampler) else 0
