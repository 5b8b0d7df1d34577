"""Untrusted text is shown whole and does nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from reset_pl.visible import visible


@given(st.text())
def test_visible_text_drives_no_terminal_and_encodes(text: str) -> None:
    shown = visible(text)
    shown.encode("utf-8")
    assert not any(ord(char) < 32 or 127 <= ord(char) < 160 for char in shown if char not in "\n\t")
    assert not {"\u202e", "\u200b", "\u2028", "\ufeff"} & set(shown)
    if text.isascii() and text.isprintable():
        assert shown == text


def test_half_a_character_is_shown_as_its_escape() -> None:
    assert visible("Why \ud800?") == r"Why \ud800?"  # a source of the user's own may hold one; files are refused
