"""The preview on a terminal: dim prompt, underlined target; without colour, marks that say the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from reset_pl.preview.rows import Piece, Row

_BOLD, _DIM, _REVERSE, _TARGET, _WARNING = "1", "2", "2;7", "1;4;32", "33"
_TARGET_REVERSE = "1;4;32;7"


def text_of(
    sets: Mapping[str, Sequence[Row]], sizes: Mapping[str, int], warnings: Sequence[str], *, colour: bool
) -> Iterator[str]:
    """Lines to print.

    Args:
        sets: Data set → the rows to show.
        sizes: Data set → number of its examples.
        warnings: What the lint says.
        colour: Use ANSI escapes; else the target stands between ⟦ and ⟧, a special token between « and ».
    """
    yield _legend(colour)
    for name, rows in sets.items():
        yield ""
        yield _styled(f"━━ {name}: {sizes[name]:,} examples ━━", _BOLD, colour)
        for row in rows:
            yield ""
            yield _styled(f"{row.id} · {row.objective} · {row.template}", _BOLD, colour)
            yield _counts(row)
            yield from (_styled(f"! {note}", _WARNING, colour) for note in row.notes)
            yield _tokens(row, colour)
    for warning in warnings:
        yield ""
        yield _styled(f"warning: {warning}", _WARNING, colour)


def _legend(colour: bool) -> str:
    if not colour:
        return "⟦target: the loss is on it⟧ · the rest is prompt, without loss · «special token» · ↵ line break"
    parts = [("prompt, without loss", _DIM), ("target: the loss is on it", _TARGET), ("special token", _REVERSE)]
    return " · ".join([*(_styled(*part, colour) for part in parts), "↵ line break"])


def _counts(row: Row) -> str:
    return f"prompt {row.prompt_tokens:,} tokens · response {row.response_tokens:,} tokens"


def _tokens(row: Row, colour: bool) -> str:
    text = ""
    for in_loss, run in row.runs:
        part = "".join(_piece(piece, colour) for piece in run)
        text += part if colour or not in_loss else f"⟦{part}⟧"
    return text


def _piece(piece: Piece, colour: bool) -> str:
    text = piece.text.replace("\n", "↵\n")
    if piece.special:
        return _styled(text, _TARGET_REVERSE if piece.in_loss else _REVERSE, colour) if colour else f"«{text}»"
    return _styled(text, _TARGET if piece.in_loss else _DIM, colour)


def _styled(text: str, style: str, colour: bool) -> str:
    """Style line by line: a pager forgets the style at the end of a line."""
    if not colour:
        return text
    return "\n".join(f"\x1b[{style}m{line}\x1b[0m" if line else "" for line in text.split("\n"))
