"""A metric for each data set, and its macro average."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from reset_pl.metrics.wrappers import MeanScore, Shares

__all__ = ["PerDataset"]


class PerDataset(MeanScore):
    """A mean for each data set, and ``macro``: their mean, each with the same weight whatever its size.

    The names are given beforehand, so that processes that see different data sets still add up the same states.
    A data set without examples is NaN, and so is ``macro`` then: a missing score must not become part of a mean.

    Args:
        metric: What is computed of each; its own state is not used.
        datasets: Names of the data sets.
        kwargs: Arguments of ``torchmetrics.Metric``.

    Raises:
        ValueError: There is no name, one stands twice, or one is ``macro``.

    >>> from reset_pl.metrics.wrappers import ExactMatch
    >>> metric = PerDataset(ExactMatch(), ["nq", "bioasq"])
    >>> metric.update(["nq", "nq", "bioasq"], ["Nile", "Po", "p53"], [["Nile"], ["Rhine"], ["P53"]])
    >>> {name: value.item() for name, value in metric.compute().items()}
    {'nq': 0.5, 'bioasq': 1.0, 'macro': 0.75}
    """

    def __init__(self, metric: MeanScore, datasets: Sequence[str], **kwargs: Any) -> None:
        if not datasets or len({*datasets, "macro"}) != len(datasets) + 1:
            raise ValueError(f"expected names of data sets, each once and none of them macro, got {list(datasets)}")
        super().__init__((len(datasets),), **kwargs)
        self.metric = metric
        self.labels = (*datasets, "macro")

    @property
    def higher_is_better(self) -> bool | None:  # type: ignore[override]
        """As of the metric itself."""
        return self.metric.higher_is_better

    def update(self, datasets: Sequence[str], *batch: Any) -> None:
        """Add a batch: the name of each example's data set, then what the metric's ``update`` takes."""
        super().update(datasets, *batch)

    def shares(self, datasets: Sequence[str], *batch: Any) -> Shares:
        """What each example adds to its own data set, (examples, data sets).

        Raises:
            ValueError: A name that was not given beforehand, or not one for each example.
        """
        unknown = set(datasets) - set(self.labels[:-1])
        if unknown:
            raise ValueError(
                f"expected data sets among {', '.join(self.labels[:-1])}, got {', '.join(sorted(unknown))}"
            )
        total, count = self.metric.shares(*batch)
        if len(datasets) != len(total):
            raise ValueError(f"expected a data set for each of {len(total)} examples, got {len(datasets)}")
        columns = [self.labels.index(name) for name in datasets]
        own = torch.zeros(len(columns), len(self.labels) - 1, dtype=total.dtype, device=self.device)
        own[range(len(columns)), columns] = 1.0
        return own * total.to(self.device)[:, None], own * count.to(self.device)[:, None]

    def means(self, total: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """Those of the data sets and, behind them, the macro average."""
        means = total / count
        return torch.cat([means, means.mean(-1, keepdim=True)], dim=-1)

    def compute(self) -> dict[str, torch.Tensor]:
        """Name → mean over all examples of all processes; ``macro`` is the last."""
        return dict(zip(self.labels, super().compute(), strict=True))
