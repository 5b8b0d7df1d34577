"""Koala-eval: 180 prompts of real users; its authors ask not to train on it."""

from __future__ import annotations

from reset_pl.data.sets.base import Dropped, Origin, PublishedSource, Row
from reset_pl.data.sets.instruction import instruction_example
from reset_pl.records import Example


class KoalaEval(PublishedSource):
    """Koala-eval, to evaluate on (paper, section 2.1.1)."""

    dataset = "koala_eval"
    origin = Origin(
        homepage="https://github.com/arnav-gudibande/koala-test-set",
        licence="Apache-2.0",
        folder="arnav-gudibande/koala-test-set",
        files={"test": "koala_test_set.jsonl"},
        format="json",
        url="https://raw.githubusercontent.com/arnav-gudibande/koala-test-set/b7f0c2e476212566123570f9c776f0eabf53670a/",
    )
    columns = {"id": "the prompt's id", "prompt": "what a user asked, a text"}

    def convert(self, row: Row) -> Example | Dropped:
        """Dropped: ``empty_instruction``."""
        return instruction_example(self.name, row["prompt"], key=row["id"])
