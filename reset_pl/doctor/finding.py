"""What a check found."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Level = Literal["ok", "warning", "red"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """A line of the doctor's."""

    level: Level
    """``red``: the run would fail, or give wrong results."""
    subject: str
    """What was looked at."""
    text: str
    """What was found."""
    fix: str = ""
    """What to do about it, where it is not ok."""


def ok(subject: str, text: str) -> Finding:
    """All is well."""
    return Finding(level="ok", subject=subject, text=text)


def warning(subject: str, text: str, fix: str) -> Finding:
    """It may run, and may not be what is wanted."""
    return Finding(level="warning", subject=subject, text=text, fix=fix)


def red(subject: str, text: str, fix: str = "") -> Finding:
    """It will not run, or give wrong results; an ``InputError`` says itself how to mend it."""
    return Finding(level="red", subject=subject, text=text, fix=fix)
