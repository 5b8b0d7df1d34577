"""Is the answer taken from the context? Span, unigram and bigram coverage (paper, section 2.2, A.2, Figures 9, 10)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import chain, pairwise

from reset_pl.metrics.normalize import normalize_text

__all__ = ["bigram_coverage", "find_span", "span_coverage", "unigram_coverage"]

_WORD = re.compile(r"[^\s—]+")  # normalisation parts tokens at these, and nowhere else
_MARK = "\ua66e"
"""A letter that no text has: a token of its own shows whether a span begins and ends at those of the passage."""
_AROUND = 40
"""Characters beside a span in which a hyphen or ``'s`` can join it to the next word."""

# The candidates of one prompt share its passages, so each passage is normalised once and not fourteen times.
_normalize_passage = lru_cache(maxsize=512)(normalize_text)


def span_coverage(answer: str, *passages: str) -> float:
    """1.0 if the normalised answer is a span of tokens of one normalised passage, else 0.0.

    Spans begin and end at token boundaries: ``art`` is no span of ``party``. A span never runs from one passage into
    the next. An answer that normalises to nothing scores 0: the empty span would be in every context (the paper does
    not say; without this the emptiest answer wins the selection).

    Args:
        answer: The answer to check.
        *passages: The context.

    >>> span_coverage("The Art.", "Modern art is fun."), span_coverage("art", "a party"), span_coverage("the", "the")
    (1.0, 0.0, 0.0)
    """
    span = normalize_text(answer)
    return float(bool(span) and any(f" {span} " in f" {_normalize_passage(passage)} " for passage in passages))


@lru_cache(maxsize=512)
def find_span(answer: str, *passages: str) -> tuple[int, int, int] | None:
    """Where the span is that ``span_coverage`` found: the first place of it.

    Args:
        answer: The answer.
        *passages: The context.

    Returns:
        Index of the passage, and the span's start and end in it, in characters, without the punctuation around it; none
        where there is no span.

    >>> find_span("the well-known mill", "He ran.", "A (well - known) Mill, by a river.")
    (1, 3, 21)
    """
    span = normalize_text(answer)
    for index, passage in enumerate(passages):
        if span and f" {span} " in f" {_normalize_passage(passage)} ":
            place = _place_in(passage, span)
            return (index, *place) if place else None
    return None


def _place_in(passage: str, span: str) -> tuple[int, int] | None:
    """The first stretch of words that normalises to a span."""
    words = [match.span() for match in _WORD.finditer(passage)]
    for first, (start, _) in enumerate(words):
        for last in range(first, len(words)):
            end = words[last][1]
            found = normalize_text(passage[start:end])
            if found == span and _is_whole(passage, start, end, span):
                return _trimmed(passage, start, end)
            if not found or not span.startswith(found):
                break
    return None


def _is_whole(passage: str, start: int, end: int, span: str) -> bool:
    """Whether the span's tokens are the passage's: ``help`` in ``self - help`` is not."""
    before, after = passage[max(start - _AROUND, 0) : start], passage[end : end + _AROUND]
    marked = f"{before} {_MARK} {passage[start:end]} {_MARK} {after}"
    return f" {_MARK} {span} {_MARK} " in f" {normalize_text(marked)} "


def _trimmed(passage: str, start: int, end: int) -> tuple[int, int]:
    """The stretch without what is neither letter nor digit at its ends."""
    while not passage[start].isalnum():
        start += 1
    while not passage[end - 1].isalnum():
        end -= 1
    return start, end


def unigram_coverage(answer: str, *passages: str) -> float:
    """Share of the answer's normalised tokens that occur in the context.

    >>> unigram_coverage("Ada wrote code", "Ada wrote a letter.", "Bob slept.")
    0.6666666666666666
    """
    return _share_covered(normalize_text(answer).split(), chain.from_iterable(map(_tokens, passages)))


def bigram_coverage(answer: str, *passages: str) -> float:
    """Share of the answer's pairs of neighbouring tokens that occur in a passage.

    An answer of one token has no bigram: its unigram coverage stands in, so that short answers are not marked down.

    >>> bigram_coverage("Ada wrote code", "Ada wrote a letter.")
    0.5
    """
    tokens = normalize_text(answer).split()
    if len(tokens) < 2:
        return unigram_coverage(answer, *passages)
    return _share_covered(pairwise(tokens), chain.from_iterable(pairwise(_tokens(passage)) for passage in passages))


def _tokens(passage: str) -> list[str]:
    return _normalize_passage(passage).split()


def _share_covered(wanted: Iterable[object], known: Iterable[object]) -> float:
    """Share of ``wanted`` that is in ``known``; 0 when nothing is wanted."""
    vocabulary = set(known)
    hits = [item in vocabulary for item in wanted]
    return sum(hits) / len(hits) if hits else 0.0
