"""torchmetrics over the scoring functions: each is a mean, kept as sum and count, exact across processes.

``update`` takes one entry an example; every process may see any number of examples, none included.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torchmetrics import Metric

from reset_pl.metrics.coverage import span_coverage
from reset_pl.metrics.exact_match import exact_match
from reset_pl.metrics.instructions import share_followed
from reset_pl.metrics.rouge import rouge_l
from reset_pl.metrics.summac import SummacZS
from reset_pl.records import Constraint

__all__ = ["ExactMatch", "InstructionFollowing", "MeanScore", "RougeL", "SpanCoverage", "SummacFaithfulness"]


class MeanScore(Metric):
    """Mean of per-example scores; NaN before the first example. Subclasses turn a batch into scores.

    The sum is in double precision, so that the order in which processes add up does not show in the result.
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = False

    total: torch.Tensor
    count: torch.Tensor

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.add_state("total", torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def compute(self) -> torch.Tensor:
        """The mean over all examples of all processes, a scalar."""
        return self.total / self.count

    def _add(self, scores: Sequence[float]) -> None:
        self.total += sum(scores)
        self.count += len(scores)


class ExactMatch(MeanScore):
    """Mean exact match to the best reference.

    >>> metric = ExactMatch()
    >>> metric.update(["The Nile", "Po"], [["nile"], ["Rhine", "Rhone"]])
    >>> metric.compute().item()
    0.5
    """

    def update(self, answers: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        """Add a batch: one answer and its accepted references for each example."""
        self._add([exact_match(answer, *refs) for answer, refs in zip(answers, references, strict=True)])


class RougeL(MeanScore):
    """Mean ROUGE-L F1 to the best reference."""

    def update(self, answers: Sequence[str], references: Sequence[Sequence[str]]) -> None:
        """Add a batch: one answer and its references for each example."""
        self._add([rouge_l(answer, *refs) for answer, refs in zip(answers, references, strict=True)])


class SpanCoverage(MeanScore):
    """Share of answers that are a span of one of their passages."""

    def update(self, answers: Sequence[str], passages: Sequence[Sequence[str]]) -> None:
        """Add a batch: one answer and its context passages for each example."""
        self._add([span_coverage(answer, *context) for answer, context in zip(answers, passages, strict=True)])


class SummacFaithfulness(MeanScore):
    """Mean SummaC-ZS, clipped at 0 unless told otherwise.

    Args:
        summac: The scorer, with its model and every option of its own.
        clip: Whether scores below 0 count as 0, as in ``SummacJudge``.
        kwargs: Arguments of ``torchmetrics.Metric``.
    """

    def __init__(self, summac: SummacZS, clip: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.summac = summac
        self.clip = clip

    def update(self, answers: Sequence[str], documents: Sequence[str]) -> None:
        """Add a batch: one answer and its document for each example (``grounding_document`` makes it)."""
        scores = self.summac.score(list(zip(documents, answers, strict=True)))
        self._add([max(score, 0.0) if self.clip else score for score in scores])


class InstructionFollowing(MeanScore):
    """Mean share of an example's constraints that its answer follows; examples without any are left out.

    Args:
        loose: Whether one of IFEval's loose variants of the answer may follow instead.
        kwargs: Arguments of ``torchmetrics.Metric``.
    """

    def __init__(self, loose: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.loose = loose

    def update(self, answers: Sequence[str], constraints: Sequence[Sequence[Constraint]]) -> None:
        """Add a batch: one answer and its constraints for each example."""
        batch = zip(answers, constraints, strict=True)
        self._add([share_followed(answer, checks, loose=self.loose) for answer, checks in batch if checks])
