"""What is in a batch: the rows of a micro-batch as tensors, packed or padded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from reset_pl.data.encoding import Encoded
from reset_pl.records import IGNORE_INDEX

Layout = Literal["packed", "grouped", "padded"]
"""``packed``: rows end to end, no padding, attention inside each. ``grouped``: padded, rows of like length in a step.
``padded``: padded, with the steps of ``packed``."""

Batch = dict[str, Any]
"""``input_ids``, ``labels``: (rows, tokens) int64, one row when packed; ``attention_mask`` (padded) or
``position_ids`` and ``row_lengths``, a list (packed). ``predictors``: (targets,) flat positions whose logits predict
the targets; ``targets``: (targets,) int64; ``row_of_target``: (targets,) int64; ``dataset``: list of names, one a row.

A preference pair is two rows, the chosen answer's and behind it the rejected one's; ``num_pairs``: how many there are.
``step_targets``: target tokens of the whole optimizer step; ``step_rows``: its rows of the data set, a pair being one;
``ends_step``: whether it is complete with this batch."""


@dataclass(frozen=True)
class Collate:
    """Lays the rows of a micro-batch out as tensors."""

    pad_token_id: int
    """Fills padded positions."""
    packed: bool
    """End to end, or padded on the right to the longest."""

    def __call__(self, fetched: Any) -> Batch:
        """The batch (see ``Batch``) of what ``EncodedRows.__getitems__`` gives."""
        micro_batch, fetched_rows = fetched
        rows = [answer for row in fetched_rows for answer in row.answers]
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
            "num_pairs": len(rows) - len(fetched_rows),
            "step_targets": micro_batch.step_targets,
            "step_rows": micro_batch.step_rows,
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
