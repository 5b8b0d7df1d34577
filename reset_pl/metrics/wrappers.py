"""torchmetrics over the scoring functions: each is a mean, kept as sum and count, exact across processes.

``update`` takes one entry an example; every process may see any number of examples, none included. An example that two
processes see counts twice: share them out without repeats.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, Literal, TypeAlias

import torch
from torchmetrics import Metric

from reset_pl.metrics.coverage import bigram_coverage, span_coverage, unigram_coverage
from reset_pl.metrics.declines import declines
from reset_pl.metrics.exact_match import exact_match
from reset_pl.metrics.instructions import broken, share_followed
from reset_pl.metrics.rouge import rouge_l
from reset_pl.metrics.summac import SummacZS
from reset_pl.records import Constraint

__all__ = [
    "BigramCoverage",
    "Declines",
    "ExactMatch",
    "InstructionFollowing",
    "MeanScore",
    "RougeL",
    "SpanCoverage",
    "SummacFaithfulness",
    "UnigramCoverage",
]

Shares: TypeAlias = tuple[torch.Tensor, torch.Tensor]
"""What each example adds to the sum and to the count: two float64 tensors, (examples, *shape of the state)."""

Texts: TypeAlias = Sequence[Sequence[str]]


class MeanScore(Metric):
    """Mean of scores; NaN before the first example. Subclasses say what each example of a batch adds.

    Sums are in double precision, so that the order in which processes add up does not show in the result.

    Args:
        shape: Shape of the sum and of the count; a scalar unless there are several means.
        kwargs: Arguments of ``torchmetrics.Metric``.
    """

    is_differentiable = False
    higher_is_better: bool | None = True
    full_state_update = False
    update_called = True  # no example yet is a state like any other, not a mistake to warn of

    labels: tuple[str, ...] = ()
    """Names of the means along the last dimension of ``means``; none where there is one mean."""

    total: torch.Tensor
    count: torch.Tensor

    def __init__(self, shape: tuple[int, ...] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("total", "count"):
            self.add_state(name, torch.zeros(shape, dtype=torch.float64), dist_reduce_fx="sum")

    @abstractmethod
    def shares(self, *batch: Any) -> Shares:
        """What each example of a batch adds; the arguments are those of ``update``."""

    def means(self, total: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        """The means out of sums and counts of any number of leading dimensions."""
        return total / count

    def update(self, *batch: Any) -> None:
        """Add a batch."""
        total, count = self.shares(*batch)
        self.total += total.sum(0)
        self.count += count.sum(0)

    def compute(self) -> Any:
        """The mean over all examples of all processes, a scalar."""
        return self.means(self.total, self.count)

    def _mean_of(self, scores: Sequence[float]) -> Shares:
        """Every example counts once."""
        return self._sums(scores, [1.0] * len(scores))

    def _sums(self, totals: Sequence[float], counts: Sequence[float]) -> Shares:
        total, count = (torch.tensor(column, dtype=torch.float64, device=self.device) for column in (totals, counts))
        return total, count


class _Compared(MeanScore):
    """Mean of a score of an answer against texts."""

    function: Callable[..., float]

    def update(self, answers: Sequence[str], texts: Texts) -> None:
        """Add a batch: one answer and its references, or its context passages, for each example."""
        super().update(answers, texts)

    def shares(self, answers: Sequence[str], texts: Texts) -> Shares:
        """The score of each example."""
        return self._mean_of([type(self).function(answer, *own) for answer, own in zip(answers, texts, strict=True)])


class ExactMatch(_Compared):
    """Mean exact match to the best reference.

    >>> metric = ExactMatch()
    >>> metric.update(["The Nile", "Po"], [["nile"], ["Rhine", "Rhone"]])
    >>> metric.compute().item()
    0.5
    """

    function = staticmethod(exact_match)


class RougeL(_Compared):
    """Mean ROUGE-L F1 to the best reference.

    >>> metric = RougeL()
    >>> metric.update(["the cat sat", "a dog"], [["no match", "The cat sat down."], ["a cat"]])
    >>> round(metric.compute().item(), 4)  # (6 / 7 + 2 / 4) / 2
    0.6786
    """

    function = staticmethod(rouge_l)


class SpanCoverage(_Compared):
    """Share of answers that are a span of one of their passages.

    >>> metric = SpanCoverage()
    >>> metric.update(["The Mill", "a mill there"], [["A mill stood there."], ["A mill stood there."]])
    >>> metric.compute().item()
    0.5
    """

    function = staticmethod(span_coverage)


class UnigramCoverage(_Compared):
    """Mean share of an answer's tokens that occur in its passages.

    >>> metric = UnigramCoverage()
    >>> metric.update(["The Mill", "one mill"], [["A mill stood there."], ["A mill stood there."]])
    >>> metric.compute().item()
    0.75
    """

    function = staticmethod(unigram_coverage)


class BigramCoverage(_Compared):
    """Mean share of an answer's pairs of neighbouring tokens that occur in one of its passages.

    >>> metric = BigramCoverage()
    >>> metric.update(["mill stood", "mill stood here"], [["A mill stood there."], ["A mill stood there."]])
    >>> metric.compute().item()
    0.75
    """

    function = staticmethod(bigram_coverage)


class SummacFaithfulness(MeanScore):
    """Mean SummaC-ZS, clipped at 0 unless told otherwise.

    Args:
        summac: The scorer, with its model and every option of its own.
        clip: Whether scores below 0 count as 0, as in ``SummacJudge``.
        kwargs: Arguments of ``torchmetrics.Metric``.

    >>> metric = SummacFaithfulness(SummacZS("reset_pl/mini/models/nli", device="cpu"))
    >>> metric.update(["Doctor Foba eats honey.", "Doctor Foba eats plums."], ["Doctor Foba eats honey."] * 2)
    >>> round(metric.compute().item(), 1)
    0.5
    """

    def __init__(self, summac: SummacZS, clip: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.summac = summac
        self.clip = clip

    def update(self, answers: Sequence[str], documents: Sequence[str]) -> None:
        """Add a batch: one answer and its document for each example (``grounding_document`` makes it)."""
        super().update(answers, documents)

    def shares(self, answers: Sequence[str], documents: Sequence[str]) -> Shares:
        """The score of each example."""
        scores = self.summac.score(list(zip(documents, answers, strict=True)))
        return self._mean_of([max(score, 0.0) if self.clip else score for score in scores])


class InstructionFollowing(MeanScore):
    """How well answers follow their constraints; examples without any are left out.

    Args:
        level: ``share`` is the mean share of an example's constraints that is followed, as the judge scores it.
            ``prompt`` and ``instruction`` are IFEval's accuracies: the share of examples all of whose constraints are
            followed, and the share of all constraints.
        loose: Whether one of IFEval's loose variants of the answer may follow instead.
        kwargs: Arguments of ``torchmetrics.Metric``.

    >>> comma, capital = Constraint(id="punctuation:no_comma"), Constraint(id="change_case:english_capital")
    >>> metric = InstructionFollowing("instruction")
    >>> metric.update(["No comma here.", "None."], [[comma, capital], [comma]])
    >>> metric.compute().item()
    0.6666666666666666
    """

    def __init__(
        self, level: Literal["share", "prompt", "instruction"] = "share", loose: bool = False, **kwargs: Any
    ) -> None:
        if level not in ("share", "prompt", "instruction"):
            raise ValueError(f"expected level to be share, prompt or instruction, got {level!r}")
        super().__init__(**kwargs)
        self.level = level
        self.loose = loose

    def update(self, answers: Sequence[str], constraints: Sequence[Sequence[Constraint]]) -> None:
        """Add a batch: one answer and its constraints for each example."""
        super().update(answers, constraints)

    def shares(self, answers: Sequence[str], constraints: Sequence[Sequence[Constraint]]) -> Shares:
        """Sum and count of each example; both are 0 where it has no constraint."""
        pairs = [self._share(answer, checks) for answer, checks in zip(answers, constraints, strict=True)]
        return self._sums([total for total, _ in pairs], [count for _, count in pairs])

    def _share(self, answer: str, checks: Sequence[Constraint]) -> tuple[float, int]:
        if not checks:
            return 0.0, 0
        if self.level == "share":
            return share_followed(answer, checks, loose=self.loose), 1
        failed = len(broken(answer, checks, loose=self.loose))
        return (float(not failed), 1) if self.level == "prompt" else (len(checks) - failed, len(checks))


class Declines(MeanScore):
    """Share of answers that say that the passages do not answer the question, and nothing else.

    >>> metric = Declines()
    >>> metric.update(["The passages do not answer the question.", "In 1931."])
    >>> metric.compute().item()
    0.5
    """

    higher_is_better = None  # right where the passages do not answer, wrong elsewhere

    def update(self, answers: Sequence[str]) -> None:
        """Add a batch of answers."""
        super().update(answers)

    def shares(self, answers: Sequence[str]) -> Shares:
        """1 or 0 for each example."""
        return self._mean_of([float(declines(answer)) for answer in answers])
