"""An example and an encoder → the pieces that are shown, and what was cut to make the row fit."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any

from reset_pl.data.encoding import Encoder, NoTarget
from reset_pl.records import IGNORE_INDEX, Example
from reset_pl.visible import visible

_NO_LIMIT = sys.maxsize


@dataclass(frozen=True, kw_only=True)
class Piece:
    """A run of tokens of one kind."""

    text: str
    """What the tokens stand for, or the name of a special token; invisible characters are written as escapes."""
    in_loss: bool
    """Whether the model is trained to write it."""
    special: bool
    """Whether it is one special token."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One example as the model reads it."""

    id: str
    """The example's, invisible characters as escapes."""
    objective: str
    template: str
    """Name of the prompt template."""
    pieces: tuple[Piece, ...]
    prompt_tokens: int
    response_tokens: int
    """Tokens with a loss, the end of sequence included; 0 without a target."""
    notes: tuple[str, ...]
    """What was cut, and what else a reader should know."""

    @property
    def runs(self) -> list[tuple[bool, list[Piece]]]:
        """The pieces in order, those with and those without loss together."""
        return [(in_loss, list(run)) for in_loss, run in groupby(self.pieces, lambda piece: piece.in_loss)]


def row_of(example: Example, encoder: Encoder) -> Row:
    """Encode an example as training does. One without a response shows its prompt alone.

    Sampling shortens a prompt that fills ``max_length`` further, by its plan's ``max_new_tokens``.

    Raises:
        InputError: The prompt does not fit even without its context.
    """
    unlimited = replace(encoder, max_length=_NO_LIMIT, max_response_tokens=_NO_LIMIT)
    whole_prompt = unlimited.prompt_ids(example, 0)
    encoded = encoder.encode_batch([example])[0]
    if example.response is None:
        ids = encoder.prompt_ids(example, 0)
        in_loss = [False] * len(ids)
        notes = ["no target"]
    elif isinstance(encoded, NoTarget):
        ids, in_loss = whole_prompt, [False] * len(whole_prompt)
        notes = [f"left out of training: {encoded.reason}"]
    else:
        ids, in_loss = list(encoded.input_ids), [label != IGNORE_INDEX for label in encoded.labels]
        notes = _response_note(sum(in_loss), len(unlimited.response_ids(example.response)))
    prompt_tokens = len(ids) - sum(in_loss)
    if not example.answerable:
        notes.append("the passages do not answer it")
    if example.rejected is not None:
        notes.append(f"preferred to: {visible(example.rejected)}")
    if prompt_tokens < len(whole_prompt):
        notes.append(_context_note(example, unlimited, prompt_tokens, len(whole_prompt)))
    return Row(
        id=visible(example.id),
        objective=example.objective,
        template=encoder.template.name,
        pieces=tuple(_pieces(ids, in_loss, encoder.tokenizer)),
        prompt_tokens=prompt_tokens,
        response_tokens=sum(in_loss),
        notes=tuple(notes),
    )


def _response_note(kept: int, whole: int) -> list[str]:
    """Both counts are in tokens; the whole response ends in the end of sequence."""
    return [] if kept == whole else [f"response cut after {kept:,} of {whole - 1:,} tokens: no end of sequence"]


def _context_note(example: Example, unlimited: Encoder, kept: int, whole: int) -> str:
    """What is left of the context, found from the length of the prompt with its first 0, 1, 2, … passages."""
    lengths = [
        len(unlimited.prompt_ids(replace(example, passages=example.passages[:count]), 0))
        for count in range(len(example.passages) + 1)
    ]
    complete = max(count for count, length in enumerate(lengths) if length <= kept)
    shortened = int(lengths[complete] < kept)
    left_out = len(example.passages) - complete - shortened
    parts = [f"{left_out} left out"] * (left_out > 0) + ["1 shortened"] * shortened
    return f"context cut by {whole - kept:,} tokens: of {_passages(len(example.passages))} {', '.join(parts)}"


def _passages(count: int) -> str:
    return f"{count} passage{'s' if count > 1 else ''}"


def _pieces(ids: Sequence[int], in_loss: Sequence[bool], tokenizer: Any) -> Iterator[Piece]:
    """Cut where the loss begins and around special tokens."""
    special = set(tokenizer.all_special_ids)
    special |= {number for number, token in tokenizer.added_tokens_decoder.items() if token.special}

    def kind(position: int) -> tuple[bool, int | None]:
        return in_loss[position], position if ids[position] in special else None

    shown = ""
    for (loss, at), run in groupby(range(len(ids)), kind):
        # A tokenizer may drop the blank before a text's first word: a run's text is what it adds to the text so far.
        text = tokenizer.decode(ids[: max(run) + 1], clean_up_tokenization_spaces=False)
        added, shown = text[len(shown) :], text
        if at is not None:
            added = tokenizer.convert_ids_to_tokens(ids[at])
        yield Piece(text=visible(added), in_loss=loss, special=at is not None)
