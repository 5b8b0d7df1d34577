"""SummaC-ZS: does the document entail every sentence of the answer (Laban et al., TACL 2022; paper, section 2.2)?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

from reset_pl.errors import InputError
from reset_pl.metrics.nli import Dtype, NliClassifier
from reset_pl.metrics.sentences import split_sentences

__all__ = [
    "MAX_DOCUMENT_CHUNKS",
    "Granularity",
    "SummacZS",
    "Support",
    "mean_margin",
    "split_chunks",
    "supports_of",
    "zero_shot_score",
]

Granularity = Literal["document", "paragraph", "2sents", "sentence", "mixed"]
"""What a text is cut into. ``2sents`` are every two neighbouring sentences, and the last one alone; ``mixed`` is the
sentences and then the paragraphs."""

MAX_DOCUMENT_CHUNKS = 100
"""As in the ``summac`` package: later sentences (or paragraphs) of a document are not read."""


def split_chunks(text: str, granularity: Granularity, min_chars: int = 11) -> list[str]:
    """Cut a text as the ``summac`` package does.

    Paragraphs are parted by empty lines or, in a text without any, by line breaks. A whole document is one chunk,
    however short; a blank one is none (the package asks its model about the empty text).

    Args:
        text: A document or an answer.
        granularity: What to cut into.
        min_chars: Sentences and paragraphs with fewer characters are left out.

    >>> split_chunks("One came in. Two went out. Three stayed.", "2sents")
    ['One came in. Two went out.', 'Two went out. Three stayed.', 'Three stayed.']
    """

    def long_enough(chunks: list[str]) -> list[str]:
        return [chunk for chunk in chunks if len(chunk) >= min_chars]

    if granularity == "document":
        return [text] if text.strip() else []
    paragraphs = long_enough([block.strip() for block in text.split("\n\n" if "\n\n" in text else "\n")])
    if granularity == "paragraph":
        return paragraphs
    sentences = long_enough(split_sentences(text))
    if granularity == "2sents":
        return [" ".join(sentences[i : i + 2]) for i in range(len(sentences))]
    return sentences + paragraphs if granularity == "mixed" else sentences


@dataclass(frozen=True, kw_only=True)
class Support:
    """What the document says for one chunk of the answer, and what against it."""

    premise: int | None
    """Index of the document chunk that entails it most; none in an empty document."""
    entailment: float
    """P(entailment) by that chunk."""
    refuter: int | None
    """Index of the document chunk that contradicts it most; none where contradiction is left out."""
    contradiction: float
    """P(contradiction) by that one."""

    @property
    def margin(self) -> float:
        """What SummaC-ZS gives the chunk, in [-1, 1]."""
        return self.entailment - self.contradiction


def supports_of(entailment: Sequence[Sequence[float]], contradiction: Sequence[Sequence[float]]) -> list[Support]:
    """The support of each answer chunk, from the same tables as ``zero_shot_score``'s; of equals the first counts."""
    best = [_highest(row) for row in entailment]
    worst = [_highest(row) for row in contradiction] or [(None, 0.0)] * len(best)
    return [
        Support(premise=premise, entailment=supported, refuter=refuter, contradiction=refuted)
        for (premise, supported), (refuter, refuted) in zip(best, worst, strict=True)
    ]


def _highest(row: Sequence[float]) -> tuple[int | None, float]:
    """Index of the highest probability, and itself."""
    highest = max(row, default=None)
    return (None, 0.0) if highest is None else (row.index(highest), highest)


def mean_margin(supports: Sequence[Support]) -> float:
    """SummaC-ZS of an answer with these chunks; 0 without any, as in the ``summac`` package."""
    return sum(support.margin for support in supports) / len(supports) if supports else 0.0


def zero_shot_score(entailment: Sequence[Sequence[float]], contradiction: Sequence[Sequence[float]]) -> float:
    """SummaC-ZS of one answer from its pairs of chunks (sentences, unless told otherwise).

    For each answer chunk, the highest entailment over the document's chunks minus the highest contradiction; then the
    mean over the answer's chunks. The paper states the maximum and not the mean: that is SummaC's.

    Args:
        entailment: P(entailment), a row for each answer chunk, a column for each document chunk.
        contradiction: P(contradiction) in the same shape; empty to leave contradiction out.

    Returns:
        A number in [-1, 1]; 0 where the answer or the document has no chunk, as in the ``summac`` package.

    >>> zero_shot_score([[0.9, 0.1], [0.2, 0.3]], [[0.0, 0.5], [0.1, 0.1]])  # ((0.9 - 0.5) + (0.3 - 0.1)) / 2
    0.3
    """
    return mean_margin(supports_of(entailment, contradiction))


class SummacZS:
    """Scores answers against documents with a zero-shot NLI model, chunk by chunk.

    Within one call every (document chunk, answer chunk) pair is classified once, however many candidates share it.

    Args:
        model: Folder or hub name of an NLI model that names its labels; loaded on first use.
        batch_tokens: Tokens in a forward pass (``NliClassifier`` has the defaults).
        use_contradiction: Whether contradiction is subtracted (SummaC's default); else the range is [0, 1].
        max_tokens: Longest pair of chunks, in tokens; longer ones are cut (``NliClassifier``).
        min_sentence_chars: Sentences and paragraphs with fewer characters are left out; the package keeps those of
            more than 10. An answer that consists of shorter ones only scores 0.
        device: Where to run, e.g. ``cpu`` or ``cuda:1``; by default the GPU where there is one.
        document_granularity: What documents are cut into, e.g. ``paragraph``.
        answer_granularity: What answers are cut into.
        dtype: Precision of the model on a GPU; ``float16`` is the package's there. On a CPU it is always float32.

    Raises:
        InputError: An argument out of its range.
    """

    def __init__(
        self,
        model: str,
        batch_tokens: int | None = None,
        use_contradiction: bool = True,
        max_tokens: int = 500,
        min_sentence_chars: int = 11,
        device: str | None = None,
        document_granularity: Granularity = "sentence",
        answer_granularity: Granularity = "sentence",
        dtype: Dtype = "float32",
    ) -> None:
        for name, value in (("document_granularity", document_granularity), ("answer_granularity", answer_granularity)):
            if value not in get_args(Granularity):
                raise InputError(f"expected {name} to be one of {', '.join(get_args(Granularity))}, got {value!r}")
        self.nli = NliClassifier(
            model, batch_tokens, max_tokens, device=device, dtype=dtype, need_contradiction=use_contradiction
        )
        self.use_contradiction = use_contradiction
        self.min_sentence_chars = min_sentence_chars
        self.document_granularity: Granularity = document_granularity
        self.answer_granularity: Granularity = answer_granularity

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Scores of (document, answer) pairs, in their order, in [-1, 1].

        An empty answer is entailed by nothing and scores 0, and so does any answer to an empty document.

        Raises:
            InputError: The model cannot be loaded or does not name its labels.
        """
        return [mean_margin(supports) for supports in self.supports(pairs)]

    def supports(self, pairs: Sequence[tuple[str, str]]) -> list[list[Support]]:
        """For each (document, answer) pair the support of every chunk of the answer, of which ``score`` is the mean.

        Raises:
            InputError: As ``score``.
        """
        premises, hypotheses = lru_cache(maxsize=None)(self._premises), lru_cache(maxsize=None)(self._hypotheses)
        probabilities = self.nli.classify(
            (premise, hypothesis)
            for document, answer in set(pairs)
            for premise in premises(document)
            for hypothesis in hypotheses(answer)
        )

        def table(document: str, answer: str, column: int) -> list[list[float]]:
            return [
                [probabilities[premise, hypothesis][column] for premise in premises(document)]
                for hypothesis in hypotheses(answer)
            ]

        unique = {
            pair: supports_of(table(*pair, 0), table(*pair, 1) if self.use_contradiction else []) for pair in set(pairs)
        }
        return [unique[pair] for pair in pairs]

    def _premises(self, document: str) -> list[str]:
        return split_chunks(document, self.document_granularity, self.min_sentence_chars)[:MAX_DOCUMENT_CHUNKS]

    def _hypotheses(self, answer: str) -> list[str]:
        return split_chunks(answer, self.answer_granularity, self.min_sentence_chars)
