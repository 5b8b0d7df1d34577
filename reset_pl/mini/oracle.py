"""The oracle: it reads passages and answer with the world's grammar and knows which sentences are true.

It is for evaluation only and never selects: real data have no oracle.
"""

from __future__ import annotations

from collections.abc import Iterable

from reset_pl.mini.grammar import parse_question, parse_statement, split_sentences
from reset_pl.mini.world import Fact
from reset_pl.records import Aspect, Candidate, Example, Judge, Objective, Status, Verdict


def known_facts(example: Example) -> set[Fact]:
    """All facts that the passages of an example state."""
    parsed = (parse_statement(sentence) for passage in example.passages for sentence in split_sentences(passage))
    return {fact for fact in parsed if fact}


def is_supported(example: Example, sentence: str) -> bool:
    """Whether the passages support a sentence: its fact is among theirs, or it stands there word for word."""
    fact = parse_statement(sentence)
    if fact:
        return fact in known_facts(example)
    return any(sentence in split_sentences(passage) for passage in example.passages)


def faithfulness(example: Example, answer: str) -> float:
    """Share of an answer's sentences that the passages support; an empty answer has 0.

    An extracted span is judged with its question: the value of somebody else is unfaithful, wherever it stands.
    """
    if example.objective is Objective.EXTRACTIVE_QA:
        asked = parse_question(example.question or "")
        value = answer.strip().rstrip(".").strip()
        return float(asked is not None and Fact(*asked, value) in known_facts(example))
    sentences = split_sentences(answer)
    return sum(is_supported(example, sentence) for sentence in sentences) / len(sentences) if sentences else 0.0


class OracleJudge(Judge):
    """A judge of faithfulness that knows the truth. Evaluation only, and only for the miniature world's data."""

    name = "oracle"
    version = "1"
    aspect = Aspect.FAITHFULNESS

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        """Yield the share of supported sentences of every context-dependent candidate."""
        for example, candidate in pairs:
            if not example.objective.is_context_dependent:
                continue
            score = faithfulness(example, candidate.text)
            yield Verdict(
                candidate_id=candidate.id,
                judge=self.name,
                version=self.version,
                aspect=self.aspect,
                status=Status.SCORED,
                score=score,
                raw=score,
            )
