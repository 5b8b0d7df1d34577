"""Faithfulness: is the answer grounded in the context (paper, section 2.2, A.2)?

An answer to a question that only says that the passages do not answer it is neither: its verdict is ``declined``, with
no score, even where the passages happen to hold the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice

from reset_pl.errors import InputError
from reset_pl.judging.evidence import format_span, format_supports
from reset_pl.judging.forecast import Forecast
from reset_pl.judging.verdicts import declined, failed, is_declined, judge_each, scored
from reset_pl.metrics.coverage import find_span, span_coverage
from reset_pl.metrics.nli import Dtype
from reset_pl.metrics.summac import MAX_DOCUMENT_CHUNKS, Granularity, SummacZS, Support, mean_margin, split_chunks
from reset_pl.records import Aspect, Candidate, Example, Judge, Objective, Verdict

__all__ = ["SpanCoverageJudge", "SummacJudge", "grounding_document"]


def _require_passages(example: Example) -> None:
    if not any(passage.strip() for passage in example.passages):
        raise ValueError(f"expected {example.id} to have passages, got none: nothing can be grounded in them")


def grounding_document(example: Example) -> str:
    """What an answer must be entailed by: the passages, in QA with the question as a sentence of its own before them.

    Raises:
        ValueError: The example has no passage.
    """
    _require_passages(example)
    is_summary = example.objective is Objective.SUMMARIZATION
    question = [example.question] if example.question and not is_summary else []
    return "\n".join([*question, *example.passages])  # a line break ends a sentence, a missing "?" or not


class SpanCoverageJudge(Judge):
    """1 if the answer is a span of one of the passages, else 0, for extractive QA; ``detail`` tells where it is."""

    name = "span_coverage"
    version = "2"
    aspect = Aspect.FAITHFULNESS
    objectives = frozenset({Objective.EXTRACTIVE_QA})

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        """One verdict for each extractive QA pair, as they come."""
        return judge_each(self, pairs, self._rate)

    def _rate(self, example: Example, candidate: Candidate) -> Verdict:
        if is_declined(example, candidate.text):
            return declined(self, candidate)
        _require_passages(example)
        place = find_span(candidate.text, *example.passages)
        detail = format_span(*place) if place else ""
        return scored(self, candidate, span_coverage(candidate.text, *example.passages), detail=detail)


class SummacJudge(Judge):
    """SummaC-ZS for abstractive QA and summarization: ``score`` is clipped at 0, ``raw`` is not.

    ``detail`` tells for each sentence of the answer which sentence of ``grounding_document`` supports it best.

    Args:
        model: Folder or hub name of an NLI model that names its labels; loaded on first use.
        batch_tokens: Tokens in a forward pass; by default 1,024 on a CPU and 16,384 on a GPU.
        use_contradiction: Whether contradiction is subtracted, as SummaC-ZS does.
        group_size: Candidates scored in one go; within a group no sentence pair is classified twice, so it should
            hold at least the candidates of one prompt.
        document_granularity: What the context is cut into (``Granularity``).
        answer_granularity: What the candidate is cut into.
        dtype: Precision of the model on a GPU; float32 on the CPU.
    """

    name = "summac_zs"
    version = "2"
    aspect = Aspect.FAITHFULNESS
    objectives = frozenset({Objective.ABSTRACTIVE_QA, Objective.SUMMARIZATION})

    def __init__(
        self,
        model: str,
        batch_tokens: int | None = None,
        use_contradiction: bool = True,
        group_size: int = 256,
        document_granularity: Granularity = "sentence",
        answer_granularity: Granularity = "sentence",
        dtype: Dtype = "float32",
    ) -> None:
        if group_size < 1:
            raise InputError(f"expected group_size to be at least 1 candidate, got {group_size}")
        self.group_size = group_size
        self.document_granularity: Granularity = document_granularity
        self.answer_granularity: Granularity = answer_granularity
        self.summac = SummacZS(
            model,
            batch_tokens=batch_tokens,
            use_contradiction=use_contradiction,
            document_granularity=document_granularity,
            answer_granularity=answer_granularity,
            dtype=dtype,
        )
        granularity = f"{document_granularity}-{answer_granularity}"
        self.version += f" {model}"
        self.version += "" if use_contradiction else " entailment only"
        self.version += "" if granularity == "sentence-sentence" else f" {granularity}"
        self.version += "" if dtype == "float32" else f" {dtype}"

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        """One verdict for each abstractive QA or summarization pair, group by group."""
        own = (pair for pair in pairs if pair[0].objective in self.objectives)
        while group := list(islice(own, self.group_size)):
            claims = []
            for example, candidate in group:
                if is_declined(example, candidate.text):
                    yield declined(self, candidate)
                else:
                    claims.append((example, candidate))
            yield from self._rate_group(claims)

    def forecast(self, pairs: Iterable[tuple[Example, Candidate]], times: int = 1) -> Forecast:
        """The sentence pairs (or pairs of other chunks) that would be classified if no two were equal."""
        calls = sum(self._count(example, candidate) for example, candidate in pairs)
        return Forecast(judge=self.name, calls=times * calls, unit="sentence pairs")

    def _count(self, example: Example, candidate: Candidate) -> int:
        if example.objective not in self.objectives or not any(passage.strip() for passage in example.passages):
            return 0
        document = split_chunks(grounding_document(example), self.document_granularity)[:MAX_DOCUMENT_CHUNKS]
        return len(document) * len(split_chunks(candidate.text, self.answer_granularity))

    def _rate_group(self, group: list[tuple[Example, Candidate]]) -> list[Verdict]:
        try:
            documents = [grounding_document(example) for example, _ in group]
            answers = [candidate.text for _, candidate in group]
            supports = self.summac.supports(list(zip(documents, answers, strict=True)))
            return [self._rated(candidate, own) for (_, candidate), own in zip(group, supports, strict=True)]
        except InputError:
            raise
        except Exception as error:
            # Halve the group until the candidate at fault stands alone: it fails, and the rest are scored.
            if len(group) == 1:
                return [failed(self, group[0][1], error)]
            half = len(group) // 2
            return self._rate_group(group[:half]) + self._rate_group(group[half:])

    def _rated(self, candidate: Candidate, supports: list[Support]) -> Verdict:
        raw = mean_margin(supports)
        detail = format_supports(supports, self.document_granularity, self.answer_granularity)
        return scored(self, candidate, max(raw, 0.0), raw=raw, detail=detail)
