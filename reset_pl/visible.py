"""Untrusted text as a reader sees it, wherever it is shown: a terminal, a table, a page."""

from __future__ import annotations

import unicodedata

__all__ = ["visible"]

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def visible(text: str) -> str:
    r"""Text with its control and format characters as escapes: they would drive a terminal or hide from a reader.

    >>> visible("a\x1b[2J\tb\u200b\n")
    'a\\x1b[2J\tb\\u200b\n'
    """
    return "".join(char if _shows(char) else char.encode("unicode_escape").decode() for char in text)


def _shows(char: str) -> bool:
    return char in "\n\t\u200d" or unicodedata.category(char) not in _HIDDEN
