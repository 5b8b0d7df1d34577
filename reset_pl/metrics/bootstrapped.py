"""Bootstrap intervals inside a metric: exact across processes, whoever sees which example in whatever batch.

Each example draws, from a generator seeded by its own id, how often it stands in each resample: Poisson(1) times. So a
resample is a weighted mean, kept as sum and count like the mean itself, and no score has to be stored or gathered.
With many examples its intervals are those of ``evaluation.intervals``, which draws exactly n examples; with few (below
some twenty) they are a little wider. torchmetrics' own ``BootStrapper`` resamples tensors only, within a batch, and by
the state of the process, so that its result hangs on batches and processes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torchmetrics import Metric

from reset_pl.metrics.wrappers import MeanScore
from reset_pl.records import stable_hash

__all__ = ["Bootstrapped"]


class Bootstrapped(Metric):
    """A metric with the percentile interval of its resamples.

    Around ``PerDataset`` it gives an interval for each data set and for the macro average, resampled within each data
    set. A resample that draws none of the examples of a mean is left out of that mean's interval.

    Args:
        metric: What is computed; its own state is not used.
        resamples: Number of resamples.
        seed: Equal seeds, ids and scores give equal intervals.
        level: Share of the resampled means inside the interval, in (0, 1).
        kwargs: Arguments of ``torchmetrics.Metric``.

    Raises:
        ValueError: ``resamples`` or ``level`` is out of range.

    >>> from reset_pl.metrics.wrappers import Declines
    >>> metric = Bootstrapped(Declines(), seed=1)
    >>> metric.update([f"q{i}" for i in range(100)], ["Not stated.", "In 1931."] * 50)
    >>> {name: round(value.item(), 1) for name, value in metric.compute().items()}
    {'mean': 0.5, 'low': 0.4, 'high': 0.6}
    """

    is_differentiable = False
    full_state_update = False
    update_called = True  # no example yet is a state like any other, not a mistake to warn of

    total: torch.Tensor
    count: torch.Tensor

    def __init__(
        self, metric: MeanScore, resamples: int = 1000, seed: int = 0, level: float = 0.95, **kwargs: Any
    ) -> None:
        if not 0 < level < 1 or resamples < 1:
            raise ValueError(f"expected level in (0, 1) and resamples of at least 1, got {level} and {resamples}")
        super().__init__(**kwargs)
        self.metric = metric
        self.resamples = resamples
        self.seed = seed
        self.level = level
        for name in ("total", "count"):  # the first row is the metric itself, every other a resample
            zeros = torch.zeros(1 + resamples, *metric.total.shape, dtype=torch.float64)
            self.add_state(name, zeros, dist_reduce_fx="sum")

    @property
    def higher_is_better(self) -> bool | None:  # type: ignore[override]
        """As of the metric itself."""
        return self.metric.higher_is_better

    def update(self, ids: Sequence[str], *batch: Any) -> None:
        """Add a batch: the id of each example, unique over all data sets, then what the metric's ``update`` takes."""
        total, count = self.metric.shares(*batch)
        if len(ids) != len(total):
            raise ValueError(f"expected an id for each of {len(total)} examples, got {len(ids)}")
        weights = np.array([self._weights(example) for example in ids]).reshape(-1, 1 + self.resamples)
        for state, shares in ((self.total, total), (self.count, count)):
            state += torch.einsum("nr,n...->r...", torch.from_numpy(weights).to(shares), shares).to(state)

    def compute(self) -> dict[str, torch.Tensor]:
        """``mean``, ``low`` and ``high``, scalars; of ``PerDataset`` ``nq/mean``, … ``macro/high``."""
        means = self.metric.means(self.total, self.count)
        bounds = torch.tensor([(1 - self.level) / 2, (1 + self.level) / 2], dtype=means.dtype, device=means.device)
        low, high = torch.nanquantile(means[1:], bounds, dim=0)
        columns = {"mean": means[0], "low": low, "high": high}
        if not self.metric.labels:
            return columns
        return {
            f"{label}/{name}": column[i]
            for i, label in enumerate(self.metric.labels)
            for name, column in columns.items()
        }

    def _weights(self, example: str) -> np.ndarray[Any, Any]:
        drawn = np.random.default_rng(stable_hash(self.seed, example)).poisson(1.0, self.resamples)
        return np.concatenate([[1], drawn])
