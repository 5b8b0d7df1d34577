"""Task performance against references (paper, section 2.2): exact match and ROUGE-L.

Instruction examples get no verdict here by default: the paper defines no task metric for them, and their task score is
0. ``RougeJudge(on_instructions=True)`` compares them with their reference all the same.

A question that its passages do not answer has one right answer, that they do not, in whatever words: saying so scores 1
and anything else 0, by either metric and without a reference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial

from reset_pl.judging.verdicts import abstained, is_declined, judge_each, scored
from reset_pl.metrics.exact_match import exact_match
from reset_pl.metrics.rouge import rouge_l
from reset_pl.records import Aspect, Candidate, Example, Judge, Objective, Verdict

__all__ = ["ExactMatchJudge", "RougeJudge", "references_of"]


def references_of(example: Example) -> tuple[str, ...]:
    """What answers are compared with: the references, or the supervised target where there are none."""
    if example.references or example.response is None:
        return example.references
    return (example.response,)


def _compare(judge: Judge, metric: Callable[..., float], example: Example, candidate: Candidate) -> Verdict:
    """The metric's score against the references; an abstention where there are none."""
    if example.objective.is_question and not example.answerable:
        return scored(judge, candidate, float(is_declined(example, candidate.text)), detail="not in the passages")
    references = references_of(example)
    if not references:
        return abstained(judge, candidate, "no reference")
    return scored(judge, candidate, metric(candidate.text, *references))


class ExactMatchJudge(Judge):
    """Exact match to the best reference, for extractive QA; abstains without a reference."""

    name = "exact_match"
    version = "2"
    aspect = Aspect.TASK
    objectives = frozenset({Objective.EXTRACTIVE_QA})

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        """One verdict for each extractive QA pair, as they come."""
        return judge_each(self, pairs, partial(_compare, self, exact_match))


class RougeJudge(Judge):
    """ROUGE-L F1 to the best reference, for abstractive QA and summarization; abstains without a reference.

    Args:
        on_instructions: Whether instruction examples are compared with their reference too.
    """

    name = "rouge_l"
    version = "2"
    aspect = Aspect.TASK

    def __init__(self, on_instructions: bool = False) -> None:
        own = {Objective.ABSTRACTIVE_QA, Objective.SUMMARIZATION}
        self.objectives = frozenset(own | {Objective.INSTRUCTION} if on_instructions else own)

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        """One verdict for each abstractive QA or summarization pair, as they come."""
        return judge_each(self, pairs, partial(_compare, self, rouge_l))
