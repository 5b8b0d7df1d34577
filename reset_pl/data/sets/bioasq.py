"""BioASQ: biomedical questions with short answers."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import pyarrow as pa

from reset_pl.data.sets.base import Dropped, PublishedSource, Row
from reset_pl.data.sets.bm25 import BM25
from reset_pl.data.sets.files import Origin, read_rows
from reset_pl.data.sets.passages import MAX_PASSAGES, checked_max_passages, extractive_example
from reset_pl.errors import InputError
from reset_pl.records import Example, stable_hash

MRQA_ORIGIN = Origin(
    homepage="https://huggingface.co/datasets/lucadiliello/bioasqqa",
    licence="CC BY 2.5",
    folder="lucadiliello/bioasqqa",
    files={"test": "data/test-*.parquet"},
    format="parquet",
    revision="main",  # no commit is known to us
)
GOLDEN_ORIGIN = Origin(
    homepage="http://participants-area.bioasq.org/datasets/",
    licence="CC BY 2.5",
    folder="bioasq",
    files={"test": "*B*_golden.json"},
    format="text",  # JSON whose exact answers are texts, lists or lists of lists
)


class BioASQ(PublishedSource):
    """Extractive question answering, held out; questions are lower-cased, as in RobustQA and Table 12.

    RobustQA takes the organisers' questions and retrieves from PubMed, for both of which one needs an account. Here a
    question comes with what its annotators found. ``mrqa``, from the MRQA shared task, has 1,504 questions with one
    context each; the other contexts that BM25 finds nearest stand beside it, in a drawn order. ``golden``, the
    organisers' files of task B (``2B1_golden.json`` …), has snippets. Say which it was beside every result.

    Args:
        bioasq_source: ``mrqa`` or ``golden``.
        max_passages: Passages of a question, at least 1, the gold context included.
        filter_answerless: Drop questions none of whose answers occurs in the passages.
        seed: Seed of the order of the passages.
        **kwargs: Of ``PublishedSource``.
    """

    dataset = "bioasq"
    origin = MRQA_ORIGIN
    columns = {
        "key": "the question's id",
        "question": "the question, a text",
        "context": "the gold context, a text",
        "answers": "the answers, a list of texts",
    }

    def __init__(
        self,
        *,
        bioasq_source: Literal["mrqa", "golden"] = "mrqa",
        max_passages: int = MAX_PASSAGES,
        filter_answerless: bool = True,
        seed: int = 0,
        **kwargs: Any,
    ) -> None:
        if bioasq_source == "golden":
            self.origin = GOLDEN_ORIGIN
            self.columns = {"text": "a file of task B"}
        super().__init__(**kwargs)
        self.bioasq_source = bioasq_source
        self.max_passages = checked_max_passages(max_passages, self.dataset)
        self.filter_answerless = filter_answerless
        self.seed = seed

    def rows(self) -> Any:
        """The rows, with ``distractors`` from all of the split; the golden files taken apart into their questions."""
        from datasets import Dataset

        rows = read_rows(self.origin, self.split, self.columns, data_dir=self.data_dir)
        if self.bioasq_source == "golden":
            rows = Dataset.from_list([question for text in rows["text"] for question in self._questions(text)])
        else:
            rows = rows.add_column(
                "distractors", _distractors(rows["question"], rows["context"], self.max_passages - 1)
            )
        return rows if self.limit is None else rows.select(range(min(self.limit, len(rows))))

    def trim(self, table: pa.Table) -> pa.Table:
        """The stated columns and what ``rows`` adds."""
        return table if self.bioasq_source == "golden" else table.select([*self.columns, "distractors"])

    def convert(self, row: Row) -> Example | Dropped:
        """See the class; takes the rows of the source chosen."""
        if self.bioasq_source == "golden":
            return self._convert_golden(row)
        passages = [row["context"], *row["distractors"]]
        random.Random(stable_hash(self.seed, row["key"])).shuffle(passages)
        return self._example(row["key"], row["question"], passages, row["answers"])

    def _convert_golden(self, row: Row) -> Example | Dropped:
        if row["type"] not in ("factoid", "list"):
            return Dropped("not_factoid_or_list")
        snippets = list(dict.fromkeys(snippet["text"] for snippet in row["snippets"]))
        return self._example(row["id"], row["body"], snippets[: self.max_passages], flattened(row["exact_answer"]))

    def _example(self, key: str, question: str, passages: Sequence[str], answers: Sequence[str]) -> Example | Dropped:
        return extractive_example(
            key,
            dataset=self.name,
            question=question.lower(),
            passages=passages,
            answers=answers,
            filter_answerless=self.filter_answerless,
        )

    def _questions(self, text: str) -> Iterator[dict[str, Any]]:
        """The questions of one golden file, answers flattened: one column has one type."""
        try:
            for row in json.loads(text)["questions"]:
                yield {
                    **{name: row[name] for name in ("id", "type", "body")},
                    "exact_answer": flattened(row.get("exact_answer")),
                    "snippets": [{"text": snippet["text"]} for snippet in row.get("snippets") or ()],
                }
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise InputError(
                f"expected an object with 'questions' (id, type, body, exact_answer, snippets) in each of "
                f"{self.data_dir}/{self.origin.folder}/{self.origin.files[self.split]}, but got {text[:60]!r} "
                f"({type(error).__name__}: {error}): download the files again from {self.origin.homepage}"
            ) from error


def flattened(exact_answer: Any) -> list[str]:
    """A text, a list of texts, or a list of lists of synonyms, as one list of texts.

    >>> flattened([["p53", "TP53"], "BRCA1"]), flattened("yes"), flattened(None)
    (['p53', 'TP53', 'BRCA1'], ['yes'], [])
    """
    if isinstance(exact_answer, str):
        return [exact_answer]
    return [text for item in exact_answer or () for text in flattened(item)]


def _distractors(questions: Sequence[str], contexts: Sequence[str], count: int) -> list[list[str]]:
    """For each question the best other contexts, best first."""
    texts = list(dict.fromkeys(contexts))
    index = BM25(texts)
    return [
        [texts[i] for i in index.ranking(question)[: count + 1] if texts[i] != gold][:count]
        for question, gold in zip(questions, contexts, strict=True)
    ]
