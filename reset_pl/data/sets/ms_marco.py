"""MS MARCO v2.1: questions of a search engine, answered in well-formed sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from reset_pl.data.prompts import TASK_INSTRUCTIONS
from reset_pl.data.sets.base import Dropped, PublishedSource, Row
from reset_pl.data.sets.cutting import cut_fields
from reset_pl.data.sets.files import Origin
from reset_pl.data.sets.passages import MAX_PASSAGES, checked_max_passages, written
from reset_pl.records import NOT_IN_PASSAGES, Example, Objective

_NO_ANSWER = "No Answer Present."
"""What the annotators wrote where the passages do not answer the question."""


class MSMarco(PublishedSource):
    """Abstractive question answering; the references are the answers that annotators rewrote as sentences.

    "Gold answer mentioned" says nothing of a rewritten answer, so a passage that the annotator selected stands for it.
    The answers of the test split are hidden: the paper's test set is the validation split (12,467 well-formed rows).
    Its development set has no source; hold examples of the training split out for it.

    Args:
        max_passages: Passages to keep, at least 1, in their order; 10 reproduces Table 11. Where none of them was
            selected, the first selected one takes the last place.
        require_well_formed: Drop rows without a well-formed answer; otherwise the plain answers stand in, and a row
            without any has no target.
        require_selected: Drop rows none of whose passages was selected.
        keep_unanswerable: Keep the rows that the annotators found unanswerable, as unanswerable examples.
        **kwargs: Of ``PublishedSource``.
    """

    dataset = "ms_marco"
    origin = Origin(
        homepage="https://huggingface.co/datasets/microsoft/ms_marco",
        licence="MS MARCO terms: non-commercial research",
        folder="microsoft/ms_marco",
        files={split: f"v2.1/{split}-*.parquet" for split in ("train", "validation", "test")},
        format="parquet",
        revision="a47ee7aae8d7d466ba15f9f0bfac3b3681087b3a",
    )
    columns: Mapping[str, str] = {
        "query_id": "the question's number",
        "query": "the question, a text",
        "passages": "the passages: 'passage_text' and 'is_selected', lists of equal length",
        "answers": "the answers, a list of texts",
        "wellFormedAnswers": "the answers as sentences, a list of texts",
    }

    def __init__(
        self,
        *,
        max_passages: int = MAX_PASSAGES,
        require_well_formed: bool = True,
        require_selected: bool = True,
        keep_unanswerable: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_passages = checked_max_passages(max_passages, self.dataset)
        self.require_well_formed = require_well_formed
        self.require_selected = require_selected
        self.keep_unanswerable = keep_unanswerable

    def trim(self, table: pa.Table) -> pa.Table:
        """Without the addresses of the passages."""
        table = super().trim(table)
        passages = cut_fields(table["passages"], ("passage_text", "is_selected"))
        return table.set_column(table.column_names.index("passages"), "passages", passages)

    def convert(self, row: Row) -> Example | Dropped:
        """See the class; takes the hub's rows and those of the original files."""
        answers, well_formed = row["answers"] or (), row["wellFormedAnswers"]
        # An empty list is the text "[]" in the original files.
        references = () if isinstance(well_formed, str) else written(well_formed or ())
        if not references and _NO_ANSWER in answers:
            return self._unanswerable(row)
        if not references and self.require_well_formed:
            return Dropped("no_well_formed_answer")
        return self._example(row, references or written(answers), answerable=True)

    def _unanswerable(self, row: Row) -> Example | Dropped:
        if not self.keep_unanswerable:
            return Dropped("unanswerable")
        return self._example(row, (NOT_IN_PASSAGES,), answerable=False)

    def _example(self, row: Row, references: tuple[str, ...], *, answerable: bool) -> Example | Dropped:
        question = (row["query"] or "").strip()
        texts, selected = _columns_of(row["passages"])
        if answerable and self.require_selected and not any(selected):
            return Dropped("no_selected_passage")
        passages = written(_first(texts, selected, self.max_passages))
        if not question or not passages:
            return Dropped("no_passages" if question else "no_question")
        return Example(
            id=f"{self.name}/{row['query_id']}",
            dataset=self.name,
            objective=Objective.ABSTRACTIVE_QA,
            instruction=TASK_INSTRUCTIONS[Objective.ABSTRACTIVE_QA],
            question=question,
            passages=passages,
            response=references[0] if references else None,
            references=references,
            answerable=answerable,
        )


def _columns_of(passages: Mapping[str, Sequence[Any]] | Sequence[Row]) -> tuple[Sequence[str], Sequence[int]]:
    """Texts and marks of the selected ones; the hub has an object of lists, the original files a list of objects."""
    if isinstance(passages, Mapping):
        return passages["passage_text"], passages["is_selected"]
    return [passage["passage_text"] for passage in passages], [passage["is_selected"] for passage in passages]


def _first(texts: Sequence[str], selected: Sequence[int], count: int) -> Sequence[str]:
    """The first texts; where none of them is selected, the first selected one in the last place.

    >>> _first("abcd", [0, 0, 0, 1], 3), _first("abcd", [0, 1, 0, 1], 3), _first("ab", [0, 0], 3)
    (['a', 'b', 'd'], ['a', 'b', 'c'], ['a', 'b'])
    """
    first = list(texts[:count])
    if any(selected[count:]) and not any(selected[:count]):
        first[-1] = texts[list(map(bool, selected)).index(True)]
    return first
