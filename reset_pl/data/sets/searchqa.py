"""SearchQA: questions of Jeopardy! with the snippets that a search engine found."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from reset_pl.data.sets.base import Dropped, PublishedSource, Row
from reset_pl.data.sets.files import Origin
from reset_pl.data.sets.passages import MAX_PASSAGES, checked_max_passages, extractive_example
from reset_pl.errors import InputError
from reset_pl.records import Example, stable_hash


class SearchQA(PublishedSource):
    """Extractive question answering, held out: its split is ``test`` unless another is asked for.

    The passages are the question's own search results in their rank order (Table 13 looks so), not RobustQA's retrieval
    from the pooled chunks; the question is lower-cased, as there. Results without a title or a snippet do not count.
    The repository is a script over zip archives with a file for each question; the archives are read without it.
    ``MRQA`` with ``subset="SearchQA"`` is the same set from plain files.

    Args:
        max_passages: Best results to keep, at least 1.
        require_positive: Drop questions whose answer is in no snippet of all results (RobustQA's rule, letters as they
            are but for capitals).
        filter_answerless: Drop questions whose answer does not occur in the passages kept.
        **kwargs: Of ``PublishedSource``.
    """

    dataset = "searchqa"
    origin = Origin(
        homepage="https://huggingface.co/datasets/kyunghyuncho/search_qa",
        licence="BSD-3-Clause (code); terms of the data unknown",
        folder="kyunghyuncho/search_qa",
        files={
            "test": "data/train_test_val/test.zip",
            "train": "data/train_test_val/train.zip",
            "validation": "data/train_test_val/val.zip",
        },
        format="text",  # as JSON, a null in the first of many small files would decide a column's type
        revision="main",  # no commit is known to us
    )
    columns: Mapping[str, str] = {"text": "a file of the archive"}

    def __init__(
        self,
        *,
        max_passages: int = MAX_PASSAGES,
        require_positive: bool = True,
        filter_answerless: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.max_passages = checked_max_passages(max_passages, self.dataset)
        self.require_positive = require_positive
        self.filter_answerless = filter_answerless

    def convert(self, row: Row) -> Example | Dropped:
        """See the class; takes the text of a file, or the object that it holds.

        Raises:
            InputError: The text is no JSON object with a question and its answer.
        """
        parsed = self._parsed(row["text"]) if "text" in row else row
        results = [
            result for result in parsed.get("search_results") or () if result.get("title") and result.get("snippet")
        ]
        if not results:
            return Dropped("no_search_results")
        question, answer = _unquoted(parsed["question"]).lower(), _unquoted(parsed["answer"])
        if self.require_positive and not any(answer.lower() in result["snippet"].lower() for result in results):
            return Dropped("no_positive_result")
        return extractive_example(
            f"{stable_hash(parsed['question'], parsed['answer'], parsed.get('show_number')):016x}",
            dataset=self.name,
            question=question,
            passages=[result["snippet"] for result in results[: self.max_passages]],
            answers=[answer],
            filter_answerless=self.filter_answerless,
        )

    def _parsed(self, text: str) -> dict[str, Any]:
        try:
            row = json.loads(text)
        except json.JSONDecodeError:
            row = None
        missing = [name for name in ("question", "answer") if not isinstance(row, dict) or name not in row]
        if missing:
            raise InputError(
                f"expected JSON objects with 'question', 'answer' and 'search_results' in the files of "
                f"{self.origin.files[self.split]}, but got one without {missing[0]!r}: {text[:80]!r}; "
                f"download the archive again from {self.origin.homepage}"
            )
        return row


def _unquoted(text: str | None) -> str:
    r"""Without the quotes around the questions, and the backslashes before quotes, that the crawl left.

    >>> _unquoted("'It\\'s lit'")
    "It's lit"
    """
    text = (text or "").strip()
    inner = text[1:-1] if len(text) > 1 and text[0] == text[-1] == "'" else text
    return inner.replace("\\'", "'").replace('\\"', '"')
