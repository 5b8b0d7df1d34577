"""Untrusted text as a reader sees it, wherever it is shown: a terminal, a table, a page."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections.abc import Iterable

__all__ = ["print_lines", "visible"]

_HIDDEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def visible(text: str) -> str:
    r"""Text with its control and format characters as escapes: they would drive a terminal or hide from a reader.

    >>> visible("a\x1b[2J\tb\u200b\n")
    'a\\x1b[2J\tb\\u200b\n'
    """
    return "".join(char if _shows(char) else char.encode("unicode_escape").decode() for char in text)


def print_lines(lines: Iterable[str]) -> None:
    """Print what the terminal's encoding can show, and stop quietly when the reader does (``| head``)."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        for line in lines:
            print(line.encode(encoding, "backslashreplace").decode(encoding))  # noqa: T201
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit


def _shows(char: str) -> bool:
    return char in "\n\t\u200d" or unicodedata.category(char) not in _HIDDEN
