"""Where a judge of faithfulness found an answer in its context, as the few characters kept in ``Verdict.detail``.

Two forms, both meant to be read by people too (``docs/artifacts.md``):

``s1 d3 .98; s2 d1 .12 d5 -.41``
    SummaC: sentence 1 of the answer is entailed most by sentence 3 of the document, with probability .98; sentence 2
    by sentence 1, with .12, and sentence 5 contradicts it with .41. A contradiction that rounds to .00 is left out.
``p2 14-31``
    Span coverage: the answer is the span of characters 14 to 31 (end excluded, from 0) of passage 2.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from reset_pl.metrics.summac import Granularity, Support

__all__ = ["format_span", "format_supports", "parse_span", "parse_supports"]

_NO_CHUNK = "no sentence long enough to judge"
_SENTENCES = "sentence-sentence"
_SUPPORT = re.compile(r"s(\d+) d(\d+) (1?\.\d\d)(?: d(\d+) -(1?\.\d\d))?")
_SPAN = re.compile(r"p(\d+) (\d+)-(\d+)")


def format_supports(supports: Sequence[Support], document: Granularity, answer: Granularity) -> str:
    """What ``SummacZS.supports`` said of an answer; chunks are counted from 1, ``d0`` is none.

    Args:
        supports: One a chunk of the answer.
        document: What the document was cut into; both are named at the beginning unless they are sentences.
        answer: What the answer was cut into.
    """
    chunks = "; ".join(f"s{number} {_words(support)}" for number, support in enumerate(supports, 1)) or _NO_CHUNK
    granularity = f"{document}-{answer}"
    return chunks if granularity == _SENTENCES else f"{granularity}: {chunks}"


def parse_supports(detail: str) -> tuple[list[Support], str, str] | None:
    """The supports that ``format_supports`` wrote, to two decimals, with both granularities; none in other words."""
    prefix, _, chunks = detail.rpartition(": ")
    document, _, answer = (prefix or _SENTENCES).partition("-")
    if chunks == _NO_CHUNK:
        return [], document, answer
    matches = [_SUPPORT.fullmatch(chunk) for chunk in chunks.split("; ")]
    supports = [_support(match) for match in matches if match]
    return (supports, document, answer) if len(supports) == len(matches) else None


def format_span(passage: int, start: int, end: int) -> str:
    """What ``find_span`` found."""
    return f"p{passage + 1} {start}-{end}"


def parse_span(detail: str) -> tuple[int, int, int] | None:
    """Passage (from 0), start and end that ``format_span`` wrote; none in other words."""
    match = _SPAN.fullmatch(detail)
    return (int(match[1]) - 1, int(match[2]), int(match[3])) if match else None


def _words(support: Support) -> str:
    words = f"d{_number(support.premise)} {_probability(support.entailment)}"
    against = _probability(support.contradiction)
    return words if against == ".00" else f"{words} d{_number(support.refuter)} -{against}"


def _number(index: int | None) -> int:
    return 0 if index is None else index + 1


def _probability(value: float) -> str:
    return f"{value:.2f}".removeprefix("0")


def _support(match: re.Match[str]) -> Support:
    _, premise, entailment, refuter, contradiction = match.groups(default="0")
    return Support(
        premise=int(premise) - 1 if int(premise) else None,
        entailment=float(entailment),
        refuter=int(refuter) - 1 if int(refuter) else None,
        contradiction=float(contradiction),
    )
