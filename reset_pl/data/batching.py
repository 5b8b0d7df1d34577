"""Rows → batches: the same optimizer steps on any number of ranks and micro-batches, resumable inside an epoch."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from reset_pl.data.encoded import EncodedTable
from reset_pl.data.encoding import Encoded
from reset_pl.errors import InputError
from reset_pl.records import IGNORE_INDEX, stable_hash

Layout = Literal["packed", "grouped", "padded"]
"""``packed``: rows end to end, no padding, attention inside each. ``grouped``: padded, rows of like length in a step.
``padded``: padded, with the steps of ``packed``."""

Batch = dict[str, Any]
"""``input_ids``, ``labels``: (rows, tokens) int64, one row when packed; ``attention_mask`` (padded) or
``position_ids`` and ``row_lengths``, a list (packed). ``predictors``: (targets,) flat positions whose logits predict
the targets; ``targets``: (targets,) int64; ``row_of_target``: (targets,) int64; ``dataset``: list of names, one a row;
``step_targets``: target tokens of the whole optimizer step; ``ends_step``: whether it is complete with this batch."""

GROUPING_WINDOW = 50
"""Global batches among which rows are grouped by length."""


class MicroBatch(list[int]):
    """The rows that one rank reads for one forward pass.

    Args:
        rows: Their places in the data set.
        step_targets: Target tokens of the optimizer step, over all ranks and micro-batches.
        ends_step: Whether the step is complete with it.
    """

    def __init__(self, rows: Iterable[int], step_targets: int, *, ends_step: bool) -> None:
        super().__init__(rows)
        self.step_targets = step_targets
        self.ends_step = ends_step


class EncodedRows(Dataset[Encoded]):
    """The rows of several data sets end to end, in the order of their names.

    Args:
        tables: Data set → its rows.
    """

    def __init__(self, tables: Mapping[str, EncodedTable]) -> None:
        self.names = sorted(tables)
        self.tables = [tables[name] for name in self.names]
        self._starts = np.cumsum([0, *map(len, self.tables)])

    def __len__(self) -> int:
        """Number of rows."""
        return int(self._starts[-1])

    def __getitem__(self, index: int) -> Encoded:
        """One row."""
        table = int(np.searchsorted(self._starts, index, side="right")) - 1
        return self.tables[table].row(index - int(self._starts[table]), self.names[table])

    def __getitems__(self, batch: MicroBatch) -> tuple[MicroBatch, list[Encoded]]:
        """What a loader's worker fetches at once; ``Collate`` takes it."""
        return batch, [self[row] for row in batch]

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) tokens of each row."""
        return np.concatenate([table.lengths for table in self.tables])

    @property
    def num_targets(self) -> np.ndarray:
        """(rows,) target tokens of each row."""
        return np.concatenate([table.num_targets for table in self.tables])


# ---------------------------------------------------------------------- which rows


def length_grouped(order: np.ndarray, lengths: np.ndarray, batch_size: int, *, seed: int) -> np.ndarray:
    """Sort the rows of every ``GROUPING_WINDOW`` batches by length and shuffle the batches among themselves.

    Args:
        order: (n,) rows in the order of the epoch.
        lengths: Tokens of each row.
        batch_size: Rows of a global batch.
        seed: Of the order of the batches.

    Returns:
        (n,) the same rows; an incomplete batch stays the last.
    """
    rng = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    whole = len(order) // batch_size * batch_size
    for start in range(0, whole, GROUPING_WINDOW * batch_size):
        window = order[start : min(start + GROUPING_WINDOW * batch_size, whole)]
        batches = window[np.argsort(lengths[window], kind="stable")].reshape(-1, batch_size)
        parts.extend(rng.permutation(batches))
    return np.concatenate([*parts, order[whole:]])


class GlobalBatchSampler(Sampler[list[int]]):
    """Cuts the order of an epoch into optimizer steps and hands each rank its share of every one.

    Step ``k`` holds the same rows however many ranks and micro-batches share it: each takes about as many tokens as
    the others, and each knows the target tokens of the whole step, by which the loss is normalised. A last step with
    fewer rows than ranks is left out, so that every rank always has a row; it may have fewer micro-batches.

    Args:
        order: (n,) rows in the order of the epoch.
        lengths: Tokens of each row of the data set.
        num_targets: Target tokens of each row of the data set.
        batch_size: Rows of an optimizer step, over all ranks and micro-batches.
        rank: This process.
        world_size: Number of processes.
        accumulate: Micro-batches of a step.
    """

    def __init__(
        self,
        order: np.ndarray,
        lengths: np.ndarray,
        num_targets: np.ndarray,
        batch_size: int,
        *,
        rank: int = 0,
        world_size: int = 1,
        accumulate: int = 1,
    ) -> None:
        self.order = order
        self.lengths = lengths
        self.num_targets = num_targets
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.accumulate = accumulate
        self.first_batch = 0

    def __len__(self) -> int:
        """Number of micro-batches of this rank in the epoch, those already trained on included."""
        full, rest = divmod(len(self.order), self.batch_size)
        return full * self.accumulate + self._micro_batches(rest)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this rank's micro-batches, from ``first_batch`` on."""
        first_step, skipped = divmod(self.first_batch, self.accumulate)
        for start in range(first_step * self.batch_size, len(self.order), self.batch_size):
            rows = self.order[start : start + self.batch_size]
            count = self._micro_batches(len(rows))
            if count == 0:
                return
            step_targets = int(self.num_targets[rows].sum())
            for i, share in enumerate(self._shares(rows, count)):
                if i >= skipped:
                    yield MicroBatch(share, step_targets, ends_step=i == count - 1)
            skipped = 0

    def _micro_batches(self, num_rows: int) -> int:
        """Into how many micro-batches a step of so many rows is cut; none of any rank may be empty."""
        return min(self.accumulate, num_rows // self.world_size)

    def _shares(self, rows: np.ndarray, count: int) -> Iterator[list[int]]:
        """This rank's micro-batches: the longest row goes where there is least, and equals run side by side."""
        if count * self.world_size == 1:
            yield rows.tolist()
            return
        shares: list[tuple[int, int, list[int]]] = [(0, i, []) for i in range(count * self.world_size)]
        heapq.heapify(shares)
        for row in rows[np.argsort(-self.lengths[rows], kind="stable")].tolist():
            load, i, share = shares[0]
            heapq.heapreplace(shares, (load + int(self.lengths[row]), i, [*share, row]))
        by_load = [share for _, _, share in sorted(shares, key=lambda share: (-share[0], share[1]))]
        yield from by_load[self.rank :: self.world_size]

    @property
    def fingerprint(self) -> int:
        """Changes with the steps of the epoch, not with how they are shared out."""
        digest = hashlib.sha256(self.order.tobytes()).hexdigest()
        return stable_hash(self.batch_size, digest, len(self.lengths), int(self.lengths.sum()))


# ---------------------------------------------------------------------- what is in a batch


@dataclass(frozen=True)
class Collate:
    """Lays the rows of a micro-batch out as tensors."""

    pad_token_id: int
    """Fills padded positions."""
    packed: bool
    """End to end, or padded on the right to the longest."""

    def __call__(self, fetched: Any) -> Batch:
        """The batch (see ``Batch``) of what ``EncodedRows.__getitems__`` gives."""
        micro_batch, rows = fetched
        batch = self._packed(rows) if self.packed else self._padded(rows)
        labels = batch["labels"]
        # Position t predicts the token at t + 1. No row begins with a target, so nothing predicts across rows.
        predictors = (labels.flatten()[1:] != IGNORE_INDEX).nonzero().squeeze(1)
        num_targets = torch.tensor([len(row.input_ids) - row.prompt_length for row in rows])
        return {
            **batch,
            "predictors": predictors,
            "targets": labels.flatten()[predictors + 1],
            "row_of_target": torch.arange(len(rows)).repeat_interleave(num_targets),
            "dataset": [row.dataset for row in rows],
            "step_targets": micro_batch.step_targets,
            "ends_step": micro_batch.ends_step,
        }

    def _packed(self, rows: Sequence[Encoded]) -> Batch:
        lengths = [len(row.input_ids) for row in rows]
        return {
            "input_ids": torch.cat([_tensor(row.input_ids) for row in rows])[None],
            "labels": torch.cat([_labels(row) for row in rows])[None],
            "position_ids": torch.cat([torch.arange(length) for length in lengths])[None],
            "row_lengths": lengths,
        }

    def _padded(self, rows: Sequence[Encoded]) -> Batch:
        shape = (len(rows), max(len(row.input_ids) for row in rows))
        input_ids = torch.full(shape, self.pad_token_id)
        attention_mask = torch.zeros(shape, dtype=torch.long)
        labels = torch.full(shape, IGNORE_INDEX)
        for i, row in enumerate(rows):
            length = len(row.input_ids)
            input_ids[i, :length] = _tensor(row.input_ids)
            attention_mask[i, :length] = 1
            labels[i, :length] = _labels(row)
        return {"input_ids": input_ids, "attention_mask": attention_mask, "labels": labels}


def _tensor(values: Sequence[int]) -> torch.Tensor:
    return torch.from_numpy(np.asarray(values, dtype=np.int64))


def _labels(row: Encoded) -> torch.Tensor:
    labels = _tensor(row.input_ids).clone()
    labels[: row.prompt_length] = IGNORE_INDEX
    return labels


# ---------------------------------------------------------------------- the loader


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
        """How far the epoch has got, in micro-batches of a rank, and which epoch it is."""
        return {
            "num_yielded": self._num_yielded,
            "accumulate": self.batch_sampler.accumulate,
            "fingerprint": self.batch_sampler.fingerprint,
        }

    def load_state_dict(self, state: dict[str, int]) -> None:
        """Go on behind the batches already yielded.

        Raises:
            InputError: The rest of the epoch would not be what is left of it: other rows, or steps cut otherwise.
        """
        sampler = self.batch_sampler
        self._num_yielded = state["num_yielded"]
        if self._num_yielded >= len(sampler):
            sampler.first_batch = 0  # the epoch was over
            return
        for what, now in (("accumulate", sampler.accumulate), ("fingerprint", sampler.fingerprint)):
            if state[what] != now:
                expected = {
                    "accumulate": f"--trainer.accumulate_grad_batches {state[what]} (now {now})",
                    "fingerprint": "the same rows in the same order (data, seed, mixture and --data.batch_size)",
                }[what]
                raise InputError(
                    f"expected {expected}, because the checkpoint lies inside an epoch: restore the setting, or go on "
                    "from the checkpoint of a stage's end with --ckpt_path"
                )
        sampler.first_batch = self._num_yielded
