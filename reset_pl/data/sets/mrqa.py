"""The MRQA 2019 shared task: several extractive sets in one shape, each question with one context."""

from __future__ import annotations

import re
from typing import Any, Literal

import pyarrow as pa
import pyarrow.compute as pc

from reset_pl.data.sets.base import Dropped, PublishedSource, Row
from reset_pl.data.sets.files import Origin, read_rows
from reset_pl.data.sets.passages import MAX_PASSAGES, checked_max_passages, extractive_example
from reset_pl.errors import InputError
from reset_pl.records import Example

HUB_ORIGIN = Origin(
    homepage="https://huggingface.co/datasets/mrqa-workshop/mrqa",
    licence="unknown (card); each subset has its own",
    folder="mrqa-workshop/mrqa",
    files={split: f"plain_text/{split}-*.parquet" for split in ("train", "validation", "test")},
    format="parquet",
    revision="f3178d9888471dfb2b67c93de14f0ddf499a8d9f",
)

_PASSAGE_START = re.compile(r"\[DOC\]|(?=\[TLE\])")
_TITLE = re.compile(r"\A\s*\[TLE\].*?(?:\[PAR\]|\[SEP\])", re.DOTALL)
_MARK = re.compile(r"\s*\[(?:PAR|SEP|TLE)\]\s*")


class MRQA(PublishedSource):
    """Any subset of MRQA; ``SearchQA`` and ``NaturalQuestionsShort`` stand in where these sets are out of reach.

    The context is taken apart into the passages that its marks separate, without their titles.

    Args:
        subset: Name of the one subset to keep, such as ``SearchQA``; all when not given.
        shape: ``hub``, Parquet files of all subsets, or ``raw``, the task's own file of one subset (a header, then a
            context with its questions a line).
        max_passages: First passages to keep, at least 1.
        filter_answerless: Drop questions none of whose answers occurs in the passages kept.
        **kwargs: Of ``PublishedSource``.

    Raises:
        InputError: The raw shape is asked for without a subset.
    """

    dataset = "mrqa"
    origin = HUB_ORIGIN
    columns = {
        "subset": "name of the subset",
        "qid": "the question's id",
        "question": "the question, a text",
        "context": "the passages, with the marks [DOC], [TLE] and [PAR]",
        "answers": "the answers, a list of texts",
    }

    def __init__(
        self,
        *,
        subset: str | None = None,
        shape: Literal["hub", "raw"] = "hub",
        max_passages: int = MAX_PASSAGES,
        filter_answerless: bool = True,
        **kwargs: Any,
    ) -> None:
        if shape == "raw":
            if subset is None:
                raise InputError("expected a subset for the raw shape of mrqa, such as SearchQA, but got none")
            self.origin = _raw_origin(subset)
        super().__init__(**kwargs)
        self.subset = subset
        self.shape = shape
        self.max_passages = checked_max_passages(max_passages, self.dataset)
        self.filter_answerless = filter_answerless

    def rows(self) -> Any:
        """The rows in the hub's shape, one a question."""
        if self.shape == "hub":
            return super().rows()
        columns = {
            "context": self.columns["context"],
            "qas": "its questions, objects with 'qid', 'question', 'answers'",
        }
        contexts = read_rows(self.origin, self.split, columns, data_dir=self.data_dir).select_columns(list(columns))
        rows = contexts.with_format("arrow").map(
            one_question_a_row, batched=True, fn_kwargs={"subset": self.subset}, remove_columns=contexts.column_names
        )
        return rows if self.limit is None else rows.select(range(min(self.limit, len(rows))))

    def convert(self, row: Row) -> Example | Dropped:
        """See the class; takes the rows of the hub's shape."""
        if self.subset is not None and row["subset"] != self.subset:
            return Dropped("other_subset")
        return extractive_example(
            row["qid"],
            dataset=self.name,
            question=row["question"],
            passages=split_context(row["context"])[: self.max_passages],
            answers=row["answers"],
            filter_answerless=self.filter_answerless,
        )


def _raw_origin(subset: str) -> Origin:
    return Origin(
        homepage="https://github.com/mrqa/MRQA-Shared-Task-2019",
        licence=HUB_ORIGIN.licence,
        folder="mrqa",
        files={"train": f"train/{subset}.jsonl.gz", "validation": f"dev/{subset}.jsonl.gz"},
        format="json",
        url="https://s3.us-east-2.amazonaws.com/mrqa/release/v2/",
    )


def split_context(context: str) -> list[str]:
    """The passages of a context, without titles and marks; a new one begins at a document or at a title.

    >>> split_context("[DOC] [TLE] Lamps [PAR] They burn. [PAR] Oil. [DOC] [TLE] Hats [PAR] Worn. ")
    ['They burn. Oil.', 'Worn.']
    """
    parts = (_MARK.sub(" ", _TITLE.sub("", part)).strip() for part in _PASSAGE_START.split(context))
    return [part for part in parts if part]


def one_question_a_row(contexts: pa.Table, subset: str) -> pa.Table:
    """Contexts with their questions (``context``, ``qas``) in the hub's shape; a header has no questions."""
    questions = contexts["qas"].combine_chunks()
    parents = pc.list_parent_indices(questions)
    objects = pc.list_flatten(questions)
    return pa.table(
        {
            "subset": pa.repeat(subset, len(objects)),
            **{name: pc.struct_field(objects, name) for name in ("qid", "question", "answers")},
            "context": contexts["context"].take(parents),
        }
    )
