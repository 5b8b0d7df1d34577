"""Natural Questions with the passages that DPR retrieved."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from reset_pl.data.sets.base import Dropped, PublishedSource, Row
from reset_pl.data.sets.cutting import cut_objects
from reset_pl.data.sets.files import Origin
from reset_pl.data.sets.passages import MAX_PASSAGES, checked_max_passages, extractive_example
from reset_pl.records import Example, stable_hash


class NaturalQuestions(PublishedSource):
    """Real search queries with short answers; the passages are DPR's best, 100 words of Wikipedia each, without titles.

    The files' own flag of passages that hold an answer (``has_answer``, ``hasanswer`` in copies) is computed again: it
    comes from another tokenizer. Where it says yes and the normalised tokens say no, the row is dropped under a reason
    of its own. The paper filters the training split (Table 1: 69,639 of 79,168 rows); its text says the same of
    evaluation, the sizes in its table do not.

    Args:
        max_passages: Best passages to keep, at least 1.
        filter_answerless: Drop questions none of whose answers occurs in the passages kept.
        filter_eval: Whether this filter holds for the validation and test splits too; false reproduces the sizes of
            Table 1.
        **kwargs: Of ``PublishedSource``.
    """

    dataset = "nq"
    origin = Origin(
        homepage="https://github.com/facebookresearch/DPR",
        licence="CC BY-SA 3.0 (questions), CC BY-NC 4.0 (retrieval)",
        folder="dpr",
        files={"train": "nq-train.json.gz", "validation": "nq-dev.json.gz", "test": "nq-test.json.gz"},
        format="json",
        url="https://dl.fbaipublicfiles.com/dpr/data/retriever_results/single/",
    )
    columns: Mapping[str, str] = {
        "question": "the question, a text",
        "answers": "the short answers, a list of texts",
        "ctxs": "the retrieved passages, best first, a list of objects with 'text' and 'has_answer'",
    }

    def __init__(
        self,
        *,
        max_passages: int = MAX_PASSAGES,
        filter_answerless: bool = True,
        filter_eval: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_passages = checked_max_passages(max_passages, self.dataset)
        self.filter_answerless = filter_answerless and (filter_eval or self.split == "train")

    def trim(self, table: pa.Table) -> pa.Table:
        """The first passages, their texts and flags alone: the files hold a hundred, with titles and scores."""
        table = super().trim(table)
        ctxs = cut_objects(table["ctxs"], ("text", "has_answer", "hasanswer"), self.max_passages)
        return table.set_column(table.column_names.index("ctxs"), "ctxs", ctxs)

    def convert(self, row: Row) -> Example | Dropped:
        """See the class."""
        ctxs = row["ctxs"][: self.max_passages]
        example = extractive_example(
            f"{stable_hash(row['question'], *row['answers']):016x}",  # the rows have no ids
            dataset=self.name,
            question=row["question"],
            passages=[ctx["text"] for ctx in ctxs],
            answers=row["answers"],
            filter_answerless=self.filter_answerless,
        )
        if example == Dropped("no_answer_in_passages") and any(map(_is_flagged, ctxs)):
            return Dropped("flagged_answer_not_in_passages")
        return example


def _is_flagged(ctx: Row) -> bool:
    return bool(ctx.get("has_answer") or ctx.get("hasanswer"))
