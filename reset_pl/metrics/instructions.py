"""Rule-checkable instructions: one function for each IFEval type (Zhou et al., arXiv 2311.07911).

A checker takes the response and the constraint's own arguments. Meaning and thresholds are IFEval's; departures:

- keywords, forbidden words and section markers are matched literally (the reference takes them as regular expressions);
- ``letter_frequency`` counts any one character (the reference replaces a character that is no letter by a random one);
- sentences come from ``metrics.sentences`` (the reference downloads a model);
- ``english_capital`` and ``english_lowercase`` check the case and not the language, and
  ``language:response_language`` is absent: both need language detection;
- an argument that is missing is an error (the reference draws a random one).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Sequence

from reset_pl.metrics.sentences import split_sentences
from reset_pl.records import Constraint

__all__ = ["CHECKERS", "broken", "follows", "loose_variants", "share_followed"]

Checker = Callable[..., bool]


def follows(response: str, constraint: Constraint, *, loose: bool = False) -> bool:
    """Whether a response follows one constraint. An empty response follows none.

    Args:
        response: The response to check.
        constraint: The IFEval type and its arguments; arguments that are ``None`` count as not given.
        loose: Whether it is enough that one of IFEval's eight loose variants follows it.

    Raises:
        ValueError: The type is unknown, or an argument is missing, unknown or has a value without meaning.

    >>> follows("Hello there.", Constraint(id="punctuation:no_comma"))
    True
    """
    if constraint.id not in CHECKERS:
        raise ValueError(f"unknown constraint type {constraint.id!r}: expected one of {', '.join(sorted(CHECKERS))}")
    arguments = {name: value for name, value in constraint.kwargs.items() if value is not None}
    variants = loose_variants(response) if loose else [response]
    try:
        return any(CHECKERS[constraint.id](variant, **arguments) for variant in variants if variant.strip())
    except TypeError as error:
        raise ValueError(f"bad arguments {arguments} for {constraint.id}: {error}") from error


def broken(response: str, constraints: Sequence[Constraint], *, loose: bool = False) -> list[Constraint]:
    """The constraints that a response does not follow, in their order."""
    return [constraint for constraint in constraints if not follows(response, constraint, loose=loose)]


def share_followed(response: str, constraints: Sequence[Constraint], *, loose: bool = False) -> float:
    """Share of the constraints that a response follows; there must be one at least.

    >>> comma, capital = Constraint(id="punctuation:no_comma"), Constraint(id="change_case:english_capital")
    >>> share_followed("No comma here.", [comma, capital])
    0.5
    """
    return 1 - len(broken(response, constraints, loose=loose)) / len(constraints)


def loose_variants(response: str) -> list[str]:
    r"""IFEval's eight variants: without the first line, the last line, both, neither; each with and without ``*``.

    >>> loose_variants("Sure!\n*Yes*")[:4]
    ['Sure!\n*Yes*', '*Yes*', 'Sure!', '']
    """
    lines = response.split("\n")
    cut = [response, *("\n".join(part).strip() for part in (lines[1:], lines[:-1], lines[1:-1]))]
    return cut + [variant.replace("*", "") for variant in cut]


def _compare(count: int, relation: str, threshold: int) -> bool:
    if relation == "at least":
        return count >= threshold
    if relation == "less than":
        return count < threshold
    raise ValueError(f"expected the relation 'at least' or 'less than', got {relation!r}")


def _count_literal(text: str, literal: str) -> int:
    return len(re.findall(re.escape(literal), text, re.IGNORECASE))


def _keywords(response: str, *, keywords: Sequence[str]) -> bool:
    return all(_count_literal(response, keyword) for keyword in keywords)


def _keyword_frequency(response: str, *, keyword: str, frequency: int, relation: str) -> bool:
    return _compare(_count_literal(response, keyword.strip()), relation, frequency)


def _forbidden_words(response: str, *, forbidden_words: Sequence[str]) -> bool:
    # Look-arounds and not \b: a word may end in a mark ("C++"), where \b would demand a letter after it.
    return not any(re.search(rf"(?<!\w){re.escape(w)}(?!\w)", response, re.IGNORECASE) for w in forbidden_words)


def _letter_frequency(response: str, *, letter: str, let_frequency: int, let_relation: str) -> bool:
    if len(letter.strip()) != 1:
        raise ValueError(f"expected letter to be one character, got {letter!r}")
    return _compare(response.lower().count(letter.strip().lower()), let_relation, let_frequency)


def _number_sentences(response: str, *, num_sentences: int, relation: str) -> bool:
    return _compare(len(split_sentences(response, at_newlines=False)), relation, num_sentences)


def _number_words(response: str, *, num_words: int, relation: str) -> bool:
    return _compare(len(re.findall(r"\w+", response)), relation, num_words)


def _inner_parts(parts: Iterable[str]) -> list[str] | None:
    """The parts, an empty first or last one left out; none when an empty part stands between others."""
    stripped = [part.strip() for part in parts]
    if not all(stripped[1:-1]):
        return None
    return [part for part in stripped if part]


def _number_paragraphs(response: str, *, num_paragraphs: int) -> bool:
    parts = _inner_parts(response.split("***"))
    return parts is not None and len(parts) == num_paragraphs


def _nth_paragraph_first_word(response: str, *, num_paragraphs: int, nth_paragraph: int, first_word: str) -> bool:
    if not 1 <= nth_paragraph <= num_paragraphs:
        raise ValueError(f"expected nth_paragraph between 1 and {num_paragraphs}, got {nth_paragraph}")
    blocks = response.split("\n\n")
    if sum(bool(block.strip()) for block in blocks) != num_paragraphs:
        return False
    # As in the reference, empty blocks are not counted, yet take a place when the nth is looked up.
    words = blocks[nth_paragraph - 1].split()
    if not words:
        return False
    return re.split(r"[.,?!'\"]", words[0].lstrip("'").lstrip('"'))[0].lower() == first_word.lower()


def _number_placeholders(response: str, *, num_placeholders: int) -> bool:
    return len(re.findall(r"\[.*?\]", response)) >= num_placeholders


def _postscript(response: str, *, postscript_marker: str) -> bool:
    marker = postscript_marker.strip().lower()
    patterns = {"p.s.": r"p\.\s?s\.", "p.p.s": r"p\.\s?p\.\s?s"}
    return re.search(patterns.get(marker, re.escape(marker)), response.lower()) is not None


def _number_bullets(response: str, *, num_bullets: int) -> bool:
    stars = re.findall(r"^\s*\*[^*].*$", response, re.MULTILINE)
    dashes = re.findall(r"^\s*-.*$", response, re.MULTILINE)
    return len(stars) + len(dashes) == num_bullets


def _constrained_response(response: str) -> bool:
    return any(f"My answer is {word}." in response for word in ("yes", "no", "maybe"))


def _number_highlights(response: str, *, num_highlights: int) -> bool:
    marked = re.findall(r"\*[^\n*]*\*", response) + re.findall(r"\*\*[^\n*]*\*\*", response)
    return sum(bool(part.strip("*").strip()) for part in marked) >= num_highlights


def _multiple_sections(response: str, *, section_spliter: str, num_sections: int) -> bool:
    return len(re.findall(rf"{re.escape(section_spliter.strip())}\s?\d+", response)) >= num_sections


def _json_format(response: str) -> bool:
    body = re.sub(r"\A```(?:json|Json|JSON)?", "", response.strip()).removesuffix("```")
    try:
        json.loads(body.strip())
    except ValueError:
        return False
    return True


def _title(response: str) -> bool:
    return any(title.lstrip("<").rstrip(">").strip() for title in re.findall(r"<<[^\n]+>>", response))


def _two_responses(response: str) -> bool:
    parts = _inner_parts(response.split("******"))
    return parts is not None and len(parts) == 2 and parts[0] != parts[1]


def _repeat_prompt(response: str, *, prompt_to_repeat: str) -> bool:
    return response.strip().lower().startswith(prompt_to_repeat.strip().lower())


def _end_checker(response: str, *, end_phrase: str) -> bool:
    return response.strip().strip('"').lower().endswith(end_phrase.strip().lower())


def _quotation(response: str) -> bool:
    text = response.strip()
    return len(text) > 1 and text.startswith('"') and text.endswith('"')


def _capital_word_frequency(response: str, *, capital_frequency: int, capital_relation: str) -> bool:
    from nltk.tokenize import NLTKWordTokenizer  # rules only, no download; imported here because nltk is slow to import

    words = NLTKWordTokenizer().tokenize(response)
    return _compare(sum(word.isupper() for word in words), capital_relation, capital_frequency)


def _no_comma(response: str) -> bool:
    return "," not in response


CHECKERS: dict[str, Checker] = {
    "keywords:existence": _keywords,
    "keywords:frequency": _keyword_frequency,
    "keywords:forbidden_words": _forbidden_words,
    "keywords:letter_frequency": _letter_frequency,
    "length_constraints:number_sentences": _number_sentences,
    "length_constraints:number_words": _number_words,
    "length_constraints:number_paragraphs": _number_paragraphs,
    "length_constraints:nth_paragraph_first_word": _nth_paragraph_first_word,
    "detectable_content:number_placeholders": _number_placeholders,
    "detectable_content:postscript": _postscript,
    "detectable_format:number_bullet_lists": _number_bullets,
    "detectable_format:constrained_response": _constrained_response,
    "detectable_format:number_highlighted_sections": _number_highlights,
    "detectable_format:multiple_sections": _multiple_sections,
    "detectable_format:json_format": _json_format,
    "detectable_format:title": _title,
    "combination:two_responses": _two_responses,
    "combination:repeat_prompt": _repeat_prompt,
    "startend:end_checker": _end_checker,
    "startend:quotation": _quotation,
    "change_case:capital_word_frequency": _capital_word_frequency,
    "change_case:english_capital": str.isupper,
    "change_case:english_lowercase": str.islower,
    "punctuation:no_comma": _no_comma,
}
"""IFEval type → its check, called with the response and the constraint's arguments."""
