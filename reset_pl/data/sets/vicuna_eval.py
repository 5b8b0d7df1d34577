"""Vicuna-eval: the 80 questions that Vicuna was compared on; prompts only."""

from __future__ import annotations

from reset_pl.data.sets.base import Dropped, Origin, PublishedSource, Row
from reset_pl.data.sets.instruction import instruction_example
from reset_pl.records import Example


class VicunaEval(PublishedSource):
    """Vicuna-eval, to evaluate on (paper, section 2.1.1)."""

    dataset = "vicuna_eval"
    origin = Origin(
        homepage="https://github.com/lm-sys/FastChat",
        licence="Apache-2.0",
        folder="lm-sys/FastChat",
        files={"test": "fastchat/llm_judge/data/vicuna_bench/question.jsonl"},
        format="json",
        url="https://raw.githubusercontent.com/lm-sys/FastChat/0e6d3e4beaab66f4d3f93db72541a4abab8af28d/",
    )
    columns = {"question_id": "the question's number", "turns": "the prompts of a conversation, a list of texts"}

    def convert(self, row: Row) -> Example | Dropped:
        """The first turn. Dropped: ``empty_instruction``."""
        turns = row["turns"] or [""]
        return instruction_example(self.name, turns[0], key=row["question_id"])
