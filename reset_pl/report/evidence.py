"""Where the judges found an answer in its context, as places in the two texts that a page can mark.

The sentences are those of the metric (``split_chunks``), found again in the texts; places are counted in UTF-16 units,
as browsers count them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import get_args

from reset_pl.judging.evidence import parse_span, parse_supports
from reset_pl.judging.grounding import SpanCoverageJudge, grounding_document
from reset_pl.metrics.summac import MAX_DOCUMENT_CHUNKS, Granularity, Support, split_chunks
from reset_pl.records import Example, Status, Verdict

__all__ = ["SUPPORTED", "Grounding", "Span", "grounding_of", "is_supported", "places_of", "span_of"]

SUPPORTED = 0.5
"""A sentence is called supported from this margin on: P(entailment) less P(contradiction). Ours, for display only."""

Place = tuple[int, int]
"""Start and end in a text, in UTF-16 units, end excluded."""


@dataclass(frozen=True, kw_only=True)
class Grounding:
    """An answer's sentences, each with what supports it."""

    document: tuple[Place, ...]
    """Places of the context's sentences in ``grounding_document``."""
    answer: tuple[Place, ...]
    """Places of the answer's sentences."""
    supports: list[Support]
    """One a sentence of the answer; their numbers are indices into ``document``."""


@dataclass(frozen=True, kw_only=True)
class Span:
    """An extractive answer in its context."""

    passage: int | None
    """Index of the passage that holds it; none where none does."""
    place: Place
    """Where in that passage."""


def is_supported(support: Support) -> bool:
    """Whether a sentence counts as supported."""
    return support.margin >= SUPPORTED


def grounding_of(example: Example, answer: str, verdict: Verdict) -> Grounding | None:
    """The sentences that a verdict's ``detail`` speaks of.

    Returns:
        None where it names none, or names sentences that these texts do not have (another version split them).
    """
    parsed = parse_supports(verdict.detail) if verdict.status is Status.SCORED else None
    if parsed is None or not {*parsed[1:]} <= {*get_args(Granularity)} or not any(map(str.strip, example.passages)):
        return None
    supports, document_cut, answer_cut = parsed
    document, found = places_of(grounding_document(example), document_cut), places_of(answer, answer_cut)
    named = [index for support in supports for index in (support.premise, support.refuter) if index is not None]
    if document is None or found is None or len(found) != len(supports) or max(named, default=-1) >= len(document):
        return None
    return Grounding(document=document[:MAX_DOCUMENT_CHUNKS], answer=found, supports=supports)


def span_of(example: Example, verdict: Verdict) -> Span | None:
    """Where an extractive answer is; None where the verdict does not tell."""
    found = parse_span(verdict.detail)
    if found and found[0] < len(example.passages):
        index, start, end = found
        return Span(passage=index, place=_in_units(example.passages[index], [(start, end)])[0])
    is_none = verdict.judge == SpanCoverageJudge.name and verdict.score == 0
    return Span(passage=None, place=(0, 0)) if is_none else None


@lru_cache(maxsize=256)  # the candidates of a prompt share its document
def places_of(text: str, granularity: Granularity) -> tuple[Place, ...] | None:
    """Places of a text's chunks in it; None where one cannot be found again."""
    if granularity == "2sents":
        sentences = places_of(text, "sentence") or ()
        return tuple((start, sentences[min(i + 1, len(sentences) - 1)][1]) for i, (start, _) in enumerate(sentences))
    places, end = [], 0
    for chunk in split_chunks(text, granularity):
        start = text.find(chunk, end)
        if start < 0:
            start = text.find(chunk)  # of mixed chunks the paragraphs begin anew
        if start < 0:
            return None
        end = start + len(chunk)
        places.append((start, end))
    return tuple(_in_units(text, places))


def _in_units(text: str, places: Sequence[Place]) -> list[Place]:
    """Places in characters as places in UTF-16 units: a character beyond U+FFFF is two."""
    if text.isascii() or max(text, default="") <= "\uffff":
        return list(places)

    def units(index: int) -> int:
        return index + sum(char > "\uffff" for char in text[:index])

    return [(units(start), units(end)) for start, end in places]
