"""Dolly-15K: instructions and responses written by Databricks' employees."""

from __future__ import annotations

from typing import Any

from reset_pl.data.sets.base import Dropped, Origin, PublishedSource, Row
from reset_pl.data.sets.instruction import instruction_example
from reset_pl.records import Example


class Dolly(PublishedSource):
    """Dolly-15K without what comes with a context (paper, section 2.1.1).

    Args:
        keep_context: Keep rows with a context; it then stands below the instruction.
        drop_categories: Categories that are about a context, dropped even where the field is empty.
        **kwargs: Of ``PublishedSource``.
    """

    dataset = "dolly"
    origin = Origin(
        homepage="https://huggingface.co/datasets/databricks/databricks-dolly-15k",
        licence="CC BY-SA 3.0",
        folder="databricks/databricks-dolly-15k",
        files={"train": "databricks-dolly-15k.jsonl"},
        format="json",
        revision="bdd27f4d94b9c1f951818a7da7fd7aeea5dbff1a",
    )
    columns = {
        "instruction": "what to do, a text",
        "context": "the passage that the instruction is about, often empty",
        "response": "the answer, a text",
        "category": "one of eight, such as open_qa",
    }

    def __init__(
        self,
        *,
        keep_context: bool = False,
        drop_categories: tuple[str, ...] = ("closed_qa", "information_extraction", "summarization"),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.keep_context = keep_context
        self.drop_categories = tuple(drop_categories)

    def convert(self, row: Row) -> Example | Dropped:
        """Dropped: ``has_context``, ``category``, ``empty_instruction``, ``empty_response``."""
        context = row["context"] or ""
        if context.strip() and not self.keep_context:
            return Dropped("has_context")
        if row["category"] in self.drop_categories:
            return Dropped("category")
        return instruction_example(self.name, row["instruction"], row["response"] or "", given=context)
