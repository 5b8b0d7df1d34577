"""Alpaca: 52,002 instructions answered by text-davinci-003; an evaluation set here."""

from __future__ import annotations

from typing import Any

from reset_pl.data.sets.base import Dropped, Origin, PublishedSource, Row
from reset_pl.data.sets.instruction import instruction_example
from reset_pl.records import Example


class Alpaca(PublishedSource):
    """The paper's "Alpaca-15K": by its count, the rows of Alpaca without an input (Table 1).

    Args:
        keep_input: Keep rows with an input; it then stands below the instruction.
        **kwargs: Of ``PublishedSource``.
    """

    dataset = "alpaca"
    origin = Origin(
        homepage="https://huggingface.co/datasets/tatsu-lab/alpaca",
        licence="CC BY-NC 4.0",
        folder="tatsu-lab/alpaca",
        files={"train": "data/train-*.parquet"},
        format="parquet",
        revision="dce01c9b08f87459cf36a430d809084718273017",
    )
    columns = {
        "instruction": "what to do, a text",
        "input": "what the instruction is about, often empty",
        "output": "the answer, a text",
    }

    def __init__(self, *, keep_input: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.keep_input = keep_input

    def convert(self, row: Row) -> Example | Dropped:
        """Dropped: ``has_input``, ``empty_instruction``. A prompt without an answer is a prompt all the same."""
        given = row["input"] or ""
        if given.strip() and not self.keep_input:
            return Dropped("has_input")
        output = (row["output"] or "").strip()
        return instruction_example(self.name, row["instruction"], output or None, given=given)
