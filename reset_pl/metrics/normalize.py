"""Two normalisations: the paper's for grounding (appendix A.2), and SQuAD's for exact match.

They differ on purpose. A.2 joins what tokenizers of data sets pull apart (``well - known``, ``and / or``, ``Ada 's``),
because contexts and answers come from different tokenizers; SQuAD's official evaluation knows no such step, and exact
match is only comparable with published numbers when it is computed as published.
"""

from __future__ import annotations

import re
import string

__all__ = ["normalize_answer", "normalize_text"]

_SPACED_JOINER = re.compile(r"\s*([-/])\s*")
_SPACED_POSSESSIVE = re.compile(r"\s+(?=['’]s\b)", re.IGNORECASE)
_PUNCTUATION = re.compile(r"[^\w\s]|_")
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_SQUAD_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_text(text: str) -> str:
    """The paper's normalisation for coverage (A.2), as lower-case tokens with one space between them.

    Spaces around hyphens and slashes and before ``'s`` are closed, then punctuation and articles go. The paper names
    no punctuation marks: here everything that is neither a letter, a digit nor a space is one, curly quotes included.
    An em dash becomes a space, for it stands between two words and never inside one.

    Args:
        text: Any text.

    Returns:
        The tokens, joined by single spaces; empty when nothing is left.

    >>> normalize_text("The well - known  Ada 's and / or “Bob’s” House.")
    'wellknown adas andor bobs house'
    """
    text = _SPACED_POSSESSIVE.sub("", _SPACED_JOINER.sub(r"\1", text.lower().replace("—", " ")))
    return _squeeze(_ARTICLES.sub(" ", _PUNCTUATION.sub("", text)))


def normalize_answer(text: str) -> str:
    """SQuAD's official normalisation: lower-case, no ASCII punctuation, no articles, single spaces.

    >>> normalize_answer("The  Well-Known Ada 's.")
    'wellknown ada s'
    """
    return _squeeze(_ARTICLES.sub(" ", text.lower().translate(_SQUAD_PUNCTUATION)))


def _squeeze(text: str) -> str:
    return " ".join(text.split())
