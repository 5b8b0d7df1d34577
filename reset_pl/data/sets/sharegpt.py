"""ShareGPT: what users asked ChatGPT and what it answered, one pair of turns a row."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reset_pl.data.sets.base import Dropped, Origin, PublishedSource, Row
from reset_pl.data.sets.instruction import instruction_example
from reset_pl.errors import InputError
from reset_pl.records import Example

HUB = Origin(
    homepage="https://huggingface.co/datasets/LLMs/Alpaca-ShareGPT",
    licence="Apache-2.0 by its card (the content: users' chats with ChatGPT)",
    folder="LLMs/Alpaca-ShareGPT",
    files={"train": "alpaca_sharedgpt_data.json"},
    format="json",
    revision="main",
)
RAW = Origin(
    homepage="https://huggingface.co/datasets/anon8231489123/ShareGPT_Vicuna_unfiltered",
    licence="Apache-2.0 by its card (the content: users' chats with ChatGPT)",
    folder="anon8231489123/ShareGPT_Vicuna_unfiltered",
    files={"train": "ShareGPT_V3_unfiltered_cleaned_split.json"},
    format="json",
    revision="main",
)


class ShareGPT(PublishedSource):
    """ShareGPT, every pair of turns on its own, the history lost (paper, section 2.1.1, footnote 2).

    Args:
        shape: ``hub``, the paper's file of pairs, or ``raw``, the conversations that it was made from.
        min_response_words: Keep responses of more than this many words, split by white space.
        min_instruction_words: Keep instructions of at least this many words; a turn like "continue" has few.
        first_turn_only: Keep only the first pair of a conversation; needs the raw shape, which alone tells turns apart.
        **kwargs: Of ``PublishedSource``.

    Raises:
        InputError: First turns are asked of the shape that does not tell them.
    """

    dataset = "sharegpt"
    origin = HUB
    columns = {"instruction": "the user's turn, a text", "output": "the assistant's turn, a text"}

    def __init__(
        self,
        *,
        shape: Literal["hub", "raw"] = "hub",
        min_response_words: int = 10,
        min_instruction_words: int = 0,
        first_turn_only: bool = False,
        **kwargs: Any,
    ) -> None:
        if first_turn_only and shape == "hub":
            raise InputError(
                "expected shape 'raw' for first_turn_only, but got 'hub': rows of Alpaca-ShareGPT do not say which "
                "turn of a conversation they are"
            )
        if shape == "raw":
            self.origin = RAW
            self.columns = {"conversations": "the turns, a list of {from: human or gpt, value: text}"}
        super().__init__(**kwargs)
        self.shape = shape
        self.min_response_words = min_response_words
        self.min_instruction_words = min_instruction_words
        self.first_turn_only = first_turn_only

    def rows(self) -> Any:
        """The pairs of turns; see ``PublishedSource.rows``."""
        rows = super().rows()
        if self.shape == "hub":
            return rows
        from datasets import Dataset
        from datasets.table import InMemoryTable

        return Dataset(InMemoryTable(turn_pairs(rows.with_format("arrow")[:])))

    def trim(self, table: pa.Table) -> pa.Table:
        """The two texts, and which pair it is where that is known."""
        return table.select([name for name in ("instruction", "output", "is_first") if name in table.column_names])

    def convert(self, row: Row) -> Example | Dropped:
        """Dropped: ``later_turn``, ``short_response``, ``short_instruction``, ``empty_instruction``."""
        if self.first_turn_only and not row["is_first"]:
            return Dropped("later_turn")
        instruction, output = row["instruction"] or "", row["output"] or ""
        if len(output.split()) <= self.min_response_words:
            return Dropped("short_response")
        if instruction.strip() and len(instruction.split()) < self.min_instruction_words:
            return Dropped("short_instruction")
        return instruction_example(self.name, instruction, output)


def turn_pairs(table: pa.Table) -> pa.Table:
    """Conversations as pairs: each turn of the user that the assistant answers, with the answer.

    Args:
        table: Rows with ``conversations`` and perhaps ``id``; the raw file cuts long conversations and numbers the
            parts at the end of the id, so that the first pair of ``x_1`` is not the first of its conversation.

    Returns:
        Rows with ``instruction``, ``output`` and ``is_first``, in order.
    """
    lists = table["conversations"].combine_chunks()
    turns, owner = pc.list_flatten(lists), pc.list_parent_indices(lists).to_numpy(zero_copy_only=False)
    if not len(turns):
        return pa.table({"instruction": [], "output": [], "is_first": []}, schema=_PAIRS)
    role, text = pc.struct_field(turns, "from"), pc.struct_field(turns, "value")
    is_user = pc.fill_null(pc.equal(role, "human"), False).to_numpy(zero_copy_only=False)
    is_reply = pc.fill_null(pc.equal(role, "gpt"), False).to_numpy(zero_copy_only=False)
    asked = np.flatnonzero(is_user[:-1] & is_reply[1:] & (owner[:-1] == owner[1:]))
    opens = np.concatenate([[True], owner[1:] != owner[:-1]])[asked]
    if "id" in table.column_names:
        later = pc.match_substring_regex(table["id"].cast(pa.string()), r"_[1-9][0-9]*$")
        opens &= ~pc.fill_null(later, False).to_numpy()[owner[asked]]
    return pa.table([text.take(pa.array(asked)), text.take(pa.array(asked + 1)), pa.array(opens)], schema=_PAIRS)


_PAIRS = pa.schema({"instruction": pa.string(), "output": pa.string(), "is_first": pa.bool_()})
