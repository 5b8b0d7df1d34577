"""At most five passages, the gold answer in one of them (paper, section 2.1; data preparation of the QA sets).

An answer occurs in a passage when its normalised tokens (appendix A.2) are a span of the passage's normalised tokens:
``us`` does not occur in ``because``. The supervised target is the answer as the passage writes it, since an extractive
answer is a span of the text in front of the model.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import cached_property, lru_cache

from reset_pl.data.prompts import TASK_INSTRUCTIONS
from reset_pl.data.sets.base import Dropped
from reset_pl.errors import InputError
from reset_pl.metrics.normalize import normalize_text
from reset_pl.records import Example, Objective

MAX_PASSAGES = 5
"""The paper's number of retrieved passages."""

# Where normalised tokens part: white space and em dashes that no hyphen, slash or possessive closes.
_GAP = re.compile(r"(?<![-/\s—])[\s—]+(?![-/\s—]|['’]s\b)", re.IGNORECASE)
# Text beside a literal hit that certainly parts it from its neighbours; anything else is looked at token by token.
_OPEN_LEFT = re.compile(r"""(?:\A|[^-/\s—][\s—])["“(\[]?\Z""")
_OPEN_RIGHT = re.compile(r"[^\w\s/—-]*(?:\Z|[\s—]+(?![-/\s—]|['’]s\b))", re.IGNORECASE)
_WORD = re.compile(r"\w")

_token = lru_cache(maxsize=65536)(normalize_text)  # the words of a language repeat; normalising is the costly part


def checked_max_passages(max_passages: int, dataset: str) -> int:
    """The number itself.

    Raises:
        InputError: It is below 1.
    """
    if max_passages < 1:
        raise InputError(f"expected max_passages of at least 1 for {dataset}, but got {max_passages}")
    return max_passages


def extractive_example(
    key: object,
    *,
    dataset: str,
    question: str | None,
    passages: Iterable[str | None],
    answers: Iterable[str | None],
    filter_answerless: bool,
) -> Example | Dropped:
    """A question to be answered by a span of its passages; the target is the first answer that occurs in them.

    Args:
        key: Second part of the example's id.
        dataset: Name of the data set.
        question: The question.
        passages: Texts in rank order, already cut to their number; blank ones are left out.
        answers: Acceptable answers, best first; blank ones are left out, all others are references.
        filter_answerless: Whether to drop a question none of whose answers occurs; otherwise its first answer is the
            target.

    Returns:
        The example, or ``Dropped`` with ``no_question``, ``no_answer``, ``no_passages`` or ``no_answer_in_passages``.
    """
    question = (question or "").strip()
    texts = written(passages)
    references = tuple(dict.fromkeys(written(answers)))
    for is_missing, reason in (
        (not question, "no_question"),
        (not references, "no_answer"),
        (not texts, "no_passages"),
    ):
        if is_missing:
            return Dropped(reason)
    span = find_answer(references, texts)
    if span is None and filter_answerless:
        return Dropped("no_answer_in_passages")
    return Example(
        id=f"{dataset}/{key}",
        dataset=dataset,
        objective=Objective.EXTRACTIVE_QA,
        instruction=TASK_INSTRUCTIONS[Objective.EXTRACTIVE_QA],
        question=question,
        passages=texts,
        response=references[0] if span is None else span,
        references=references,
    )


def written(texts: Iterable[str | None]) -> tuple[str, ...]:
    """The texts, stripped, without those that are missing or blank.

    Raises:
        TypeError: It is one text, which would be read letter by letter.
    """
    if isinstance(texts, str):
        raise TypeError(f"expected a list of texts, but got the text {texts[:40]!r}")
    return tuple(stripped for text in texts if text and (stripped := text.strip()))


def find_answer(answers: Sequence[str], passages: Sequence[str]) -> str | None:
    """The first answer that occurs in a passage, in the passage's own letters; none where none occurs.

    A passage that writes the answer out (but for capitals) is preferred to one that has only its normalised tokens.

    >>> find_answer(["Grace Hopper", "Ada Lovelace"], ["She met ada  lovelace.", "That was Ada-Lovelace (1840)."])
    'ada  lovelace'
    >>> find_answer(["us"], ["because"]) is None
    True
    """
    searched = [_Passage(passage) for passage in passages]
    for answer in answers:
        tokens = _token(answer).split()
        if not tokens:
            continue  # the empty span would be in every passage
        for search in (_Passage.find_literal, _Passage.find_tokens):
            for passage in searched:
                span = search(passage, answer, tokens)
                if span is not None:
                    return span
    return None


class _Passage:
    """A passage with the forms that a search needs; the costly ones are made when they are first asked for."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.lowered = text.lower()

    @cached_property
    def letters(self) -> str:
        """Letters and digits alone: every normalised token is somewhere in it."""
        return self.lowered.translate(_LETTERS)

    @cached_property
    def units(self) -> list[tuple[str, int, int]]:
        """The normalised tokens with their places in the text; what normalises to nothing is left out."""
        gaps = [match.span() for match in _GAP.finditer(self.text)]
        starts, ends = [0, *(end for _, end in gaps)], [*(start for start, _ in gaps), len(self.text)]
        spans = zip(starts, ends, strict=True)
        return [(token, start, end) for start, end in spans if (token := _token(self.text[start:end]))]

    def find_literal(self, answer: str, tokens: Sequence[str]) -> str | None:
        """The answer but for capitals, where what stands around it leaves no doubt that tokens begin and end there."""
        wanted = answer.lower()
        is_doubtful = not answer[0].isalnum() or answer[-1] in "-/—" or len(self.lowered) != len(self.text)
        start = -1 if is_doubtful else self.lowered.find(wanted)
        while start >= 0:
            end = start + len(wanted)
            if _OPEN_RIGHT.match(self.text, end) and _OPEN_LEFT.search(self.text, max(start - 3, 0), start):
                return self.text[start:end]
            start = self.lowered.find(wanted, start + 1)
        return None

    def find_tokens(self, answer: str, tokens: Sequence[str]) -> str | None:
        """The text from the first to the last of the answer's tokens, without punctuation that is not the answer's."""
        if max(tokens, key=len) not in self.letters:
            return None
        units, length = self.units, len(tokens)
        for i in range(len(units) - length + 1):
            if all(unit[0] == token for unit, token in zip(units[i : i + length], tokens, strict=True)):
                return _trim(self.text[units[i][1] : units[i + length - 1][2]], answer)
        return None


def _trim(span: str, answer: str) -> str:
    """Without the punctuation at the ends with which the answer does not begin or end itself."""
    start, end = 0, len(span)
    while not _WORD.match(span[start]) and span[start] != answer[0]:
        start += 1
    while not _WORD.match(span[end - 1]) and span[end - 1] != answer[-1]:
        end -= 1
    return span[start:end]


class _LetterTable(dict[int, int | None]):
    """For ``str.translate``: keeps letters and digits and drops every other character."""

    def __missing__(self, code: int) -> int | None:
        self[code] = code if chr(code).isalnum() else None
        return self[code]


_LETTERS = _LetterTable()
