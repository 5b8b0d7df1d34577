"""Text → sentences, offline.

A sentence ends at ``.``, ``!``, ``?`` or an ellipsis (with the quotes or brackets that close after it) before white
space. The rules say where a full stop ends none. NLTK's punkt, which SummaC and IFEval use, downloads its model at run
time; this needs none, and splits the same plain prose the same way. It is for English: scripts that put no space
between sentences are not split.
"""

from __future__ import annotations

import re

__all__ = ["split_sentences"]

_TERMINATOR = re.compile(r"""([.!?…]+)(["'”’)\]»*_]*)(?=\s)""")
_NEXT_WORD = re.compile(r"""\s+["'“‘(\[«*_]*(\w*)""")
_DOTTED = re.compile(r"(?:\w\.)+\w")  # U.S, a.m; the last full stop is the terminator
_ENUMERATOR = re.compile(r"\W*\d{1,3}")


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_NEVER_LAST = _words(
    "mr mrs ms dr prof gen col sgt capt lt cmdr maj rev hon gov sen rep pres messrs mme mlle "
    "e.g i.e eg ie vs cf viz approx"
)
"""Abbreviations that a word always follows."""

_BEFORE_NUMBER = _words("no nos p pp vol vols fig figs ch sec art jan feb mar apr jun jul aug sep sept oct nov dec")
"""Abbreviations only where a number follows: ``No. 5``, ``Jan. 3``; else they are words (``He said no.``)."""

_MAYBE_LAST = _words("etc inc ltd co corp bros jr sr st ave blvd rd mt ft dept univ est al ph.d")
"""Abbreviations that can end a sentence; like initials and ``U.S.``, they do so before a usual first word."""

_OPENERS = _words(
    "A After All Also Although An And Another As At Because Before Both But By During Each Even For From Further He "
    "Her Here His How However I If In It Its Later Many Meanwhile More Most My No Not Now On Once One Only Other Our "
    "She Since So Some Still Such That The Their Then There These They This Those Though Through Thus To Today Under "
    "Until We What When Where Which While Who Why With Yet You Your"
)
"""Words that usually open a sentence when they are capitalised."""


def split_sentences(text: str, *, at_newlines: bool = True) -> list[str]:
    """Split a text into its sentences, stripped, none of them empty.

    Args:
        text: Any text.
        at_newlines: Whether a line break ends a sentence too. True suits contexts and answers, where a line is a
            title, a list item or a highlight; False is how punkt, and so IFEval's sentence count, sees it.

    >>> split_sentences("Dr. Lee left the U.S. in 1931. She paid $3.50! Why?")
    ['Dr. Lee left the U.S. in 1931.', 'She paid $3.50!', 'Why?']
    """
    blocks = text.splitlines() if at_newlines else [text]
    return [sentence for block in blocks for sentence in _split_block(block.strip())]


def _split_block(block: str) -> list[str]:
    sentences, start = [], 0
    for match in _TERMINATOR.finditer(block):
        if _ends_sentence(block[start : match.start()], match, block):
            sentences.append(block[start : match.end()].strip())
            start = match.end()
    rest = block[start:].strip()
    return [*sentences, rest] if rest else sentences


def _ends_sentence(before: str, match: re.Match[str], block: str) -> bool:
    """Whether the sentence so far, ``before``, ends at this terminator."""
    marks, closing = match.groups()
    following = _NEXT_WORD.match(block, match.end())
    next_word = following.group(1) if following else ""
    if next_word[:1].islower() and closing.strip("*_"):
        return False  # "Why?" he asked.
    if marks in {"...", "…", ".."}:
        return not next_word[:1].islower()
    return marks != "." or not _is_abbreviated(before, next_word)


def _is_abbreviated(before: str, next_word: str) -> bool:
    """Whether a full stop after ``before`` belongs to an abbreviation, an initial or an enumerator."""
    if _ENUMERATOR.fullmatch(before):
        return True  # "1. First"
    words = before.rsplit(maxsplit=1)
    word = words[-1].lstrip("\"'“‘([«*_") if words else ""
    lowered = word.lower()
    if lowered in _NEVER_LAST:
        return True
    if lowered in _BEFORE_NUMBER:
        return next_word[:1].isdigit()
    is_initial = len(word) == 1 and word.isupper()
    if is_initial or lowered in _MAYBE_LAST or _DOTTED.fullmatch(word):
        return next_word not in _OPENERS
    return False
