"""Rows → batches: the same optimizer steps on any number of ranks and micro-batches, resumable inside an epoch."""

from __future__ import annotations

import hashlib
import heapq
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from torch.utils.data import DataLoader, Dataset, Sampler

from reset_pl.data.encoded import EncodedTable
from reset_pl.data.encoding import Encoded
from reset_pl.data.layout import Batch
from reset_pl.errors import InputError
from reset_pl.records import stable_hash

GROUPING_WINDOW = 50
"""Global batches among which rows are grouped by length."""


class MicroBatch(list[int]):
    """The rows that one rank reads for one forward pass.

    Args:
        rows: Their places in the data set.
        step_targets: Target tokens of the optimizer step, over all ranks and micro-batches.
        step_rows: Rows of that step.
        ends_step: Whether the step is complete with it.
    """

    def __init__(self, rows: Iterable[int], step_targets: int, *, step_rows: int, ends_step: bool) -> None:
        super().__init__(rows)
        self.step_targets = step_targets
        self.step_rows = step_rows
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
    fewer rows than ranks is left out, so that every rank always has a row; it may have fewer micro-batches, unless
    ``even_steps`` leaves it out then.

    Args:
        order: (n,) rows in the order of the epoch.
        lengths: Tokens of each row of the data set.
        num_targets: Target tokens of each row of the data set.
        batch_size: Rows of an optimizer step, over all ranks and micro-batches.
        rank: This process.
        world_size: Number of processes.
        accumulate: Micro-batches of a step.
        even_steps: Whether every step must have that many: DeepSpeed counts them through, over the end of an epoch.
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
        even_steps: bool = False,
    ) -> None:
        self.order = order
        self.lengths = lengths
        self.num_targets = num_targets
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.accumulate = accumulate
        self.even_steps = even_steps
        self.first_batch = 0

    def __len__(self) -> int:
        """Number of micro-batches of this rank in the epoch, those already trained on included."""
        full, rest = divmod(len(self.order), self.batch_size)
        return full * self.accumulate + self._micro_batches(rest)

    def __iter__(self) -> Iterator[list[int]]:
        """Yield this rank's micro-batches, from ``first_batch`` on."""
        first_step, skipped = divmod(self.first_batch, self.accumulate)
        for rows in self.steps(first_step):
            count = self._micro_batches(len(rows))
            step_targets = int(self.num_targets[rows].sum())
            for i, share in enumerate(self._shares(rows, count)):
                if i >= skipped:
                    yield MicroBatch(share, step_targets, step_rows=len(rows), ends_step=i == count - 1)
            skipped = 0

    def steps(self, first: int = 0) -> Iterator[np.ndarray]:
        """Yield the rows of each optimizer step of the epoch, over all ranks, from the step ``first`` on (0-based)."""
        for start in range(first * self.batch_size, len(self.order), self.batch_size):
            rows = self.order[start : start + self.batch_size]
            if self._micro_batches(len(rows)) > 0:
                yield rows

    def _micro_batches(self, num_rows: int) -> int:
        """Into how many micro-batches a step of so many rows is cut; none of any rank may be empty."""
        count = min(self.accumulate, num_rows // self.world_size)
        return 0 if self.even_steps and count < self.accumulate else count

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
