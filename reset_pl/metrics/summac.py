"""SummaC-ZS: does the document entail every sentence of the answer (Laban et al., TACL 2022; paper, section 2.2)?"""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from reset_pl.errors import InputError
from reset_pl.metrics.sentences import split_sentences

__all__ = [
    "MAX_DOCUMENT_CHUNKS",
    "Dtype",
    "Granularity",
    "SummacZS",
    "nli_label_indices",
    "split_chunks",
    "zero_shot_score",
]

Granularity = Literal["document", "paragraph", "2sents", "sentence", "mixed"]
"""What a text is cut into. ``2sents`` are every two neighbouring sentences, and the last one alone; ``mixed`` is the
sentences and then the paragraphs."""

Dtype = Literal["float32", "float16", "bfloat16"]

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


class _Nli(NamedTuple):
    """A loaded model with what is needed to read it."""

    model: Any
    tokenizer: Any
    entailment: int
    contradiction: int | None
    max_tokens: int


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
    best = [max(row, default=0.0) for row in entailment]
    worst = [max(row, default=0.0) for row in contradiction] or [0.0] * len(best)
    margins = [supported - refuted for supported, refuted in zip(best, worst, strict=True)]
    return sum(margins) / len(margins) if margins else 0.0


def nli_label_indices(id2label: Mapping[int, str], *, need_contradiction: bool = True) -> tuple[int, int | None]:
    """Indices of entailment and contradiction, told by the label names of a model's config.

    Labels that begin with "entail" or "support", and with "contradict" or "refute", are recognised, in any case
    (VitaminC models say SUPPORTS and REFUTES).

    Raises:
        InputError: The names do not tell which label is which.

    >>> nli_label_indices({0: "CONTRADICTION", 1: "NEUTRAL", 2: "ENTAILMENT"})
    (2, 0)
    """

    def find(*beginnings: str) -> int | None:
        found = [int(index) for index, label in id2label.items() if label.lower().startswith(beginnings)]
        return found[0] if len(found) == 1 else None

    entailment, contradiction = find("entail", "support"), find("contradict", "refute")
    if entailment is None or (need_contradiction and contradiction is None):
        wanted = "one entailment and one contradiction label" if need_contradiction else "one entailment label"
        raise InputError(
            f"expected an NLI model with {wanted} in its config's id2label, got {dict(id2label)}: "
            "name the labels in the model's config.json, or choose an NLI model"
        )
    return entailment, contradiction


class SummacZS:
    """Scores answers against documents with a zero-shot NLI model, chunk by chunk.

    The model is loaded on first use. Within one call every (document chunk, answer chunk) pair is classified once,
    however many candidates share it; pairs are batched by length, so little padding is computed. How a pair is
    batched moves its score by float rounding only (about 1e-6). One thread at a time uses the model.

    Args:
        model: Folder or hub name of a sequence classification model with its tokenizer and named NLI labels.
        batch_size: Pairs in a forward pass.
        use_contradiction: Whether contradiction is subtracted (SummaC's default); else the range is [0, 1].
        max_tokens: Longest pair, in tokens; of a longer one the longer side is cut, as in the ``summac`` package. A
            model that can read less sets the limit itself.
        min_sentence_chars: Sentences and paragraphs with fewer characters are left out; the package keeps those of
            more than 10. An answer that consists of shorter ones only scores 0.
        device: Where to run, e.g. ``cpu`` or ``cuda:1``; by default the GPU where there is one.
        document_granularity: What documents are cut into, e.g. ``paragraph``.
        answer_granularity: What answers are cut into.
        dtype: Precision of the model on a GPU; ``float16`` is the package's there. On the CPU it is always float32.

    Raises:
        InputError: An argument out of its range.
    """

    def __init__(
        self,
        model: str,
        batch_size: int = 128,
        use_contradiction: bool = True,
        max_tokens: int = 500,
        min_sentence_chars: int = 11,
        device: str | None = None,
        document_granularity: Granularity = "sentence",
        answer_granularity: Granularity = "sentence",
        dtype: Dtype = "float32",
    ) -> None:
        if batch_size < 1:
            raise InputError(f"expected batch_size to be at least 1 sentence pair, got {batch_size}")
        for name, value, kind in (
            ("document_granularity", document_granularity, Granularity),
            ("answer_granularity", answer_granularity, Granularity),
            ("dtype", dtype, Dtype),
        ):
            if value not in get_args(kind):
                raise InputError(f"expected {name} to be one of {', '.join(get_args(kind))}, got {value!r}")
        self.model = model
        self.batch_size = batch_size
        self.use_contradiction = use_contradiction
        self.max_tokens = max_tokens
        self.min_sentence_chars = min_sentence_chars
        self.device = device
        self.document_granularity: Granularity = document_granularity
        self.answer_granularity: Granularity = answer_granularity
        self.dtype: Dtype = dtype
        self._nli: _Nli | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Only the settings travel: the receiving process loads the model itself."""
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the settings; the model is loaded on first use again."""
        self.__init__(**state)  # type: ignore[misc]

    def score(self, pairs: Sequence[tuple[str, str]]) -> list[float]:
        """Scores of (document, answer) pairs, in their order, in [-1, 1].

        An empty answer is entailed by nothing and scores 0, and so does any answer to an empty document.

        Raises:
            InputError: The model cannot be loaded or does not name its labels.
        """
        premises, hypotheses = lru_cache(maxsize=None)(self._premises), lru_cache(maxsize=None)(self._hypotheses)
        chunk_pairs = {
            (premise, hypothesis)
            for document, answer in set(pairs)
            for premise in premises(document)
            for hypothesis in hypotheses(answer)
        }
        probabilities = self._classify(chunk_pairs)

        def table(document: str, answer: str, column: int) -> list[list[float]]:
            return [
                [probabilities[premise, hypothesis][column] for premise in premises(document)]
                for hypothesis in hypotheses(answer)
            ]

        unique = {
            pair: zero_shot_score(table(*pair, 0), table(*pair, 1) if self.use_contradiction else [])
            for pair in set(pairs)
        }
        return [unique[pair] for pair in pairs]

    def _premises(self, document: str) -> list[str]:
        return split_chunks(document, self.document_granularity, self.min_sentence_chars)[:MAX_DOCUMENT_CHUNKS]

    def _hypotheses(self, answer: str) -> list[str]:
        return split_chunks(answer, self.answer_granularity, self.min_sentence_chars)

    def _classify(self, chunk_pairs: set[tuple[str, str]]) -> dict[tuple[str, str], tuple[float, float]]:
        """P(entailment) and P(contradiction) of every pair."""
        # Characters stand in for tokens: near enough to sort by, and nothing has to be tokenized twice. The texts
        # themselves break ties, so that equal sets make equal batches.
        ordered = sorted(chunk_pairs, key=lambda pair: (len(pair[0]) + len(pair[1]), pair))
        found: dict[tuple[str, str], tuple[float, float]] = {}
        with self._lock:
            for start in range(0, len(ordered), self.batch_size):
                batch = ordered[start : start + self.batch_size]
                found.update(zip(batch, self._classify_batch(batch), strict=True))
        return found

    def _classify_batch(self, batch: list[tuple[str, str]]) -> list[tuple[float, float]]:
        import torch

        nli = self._nli = self._nli or self._load()
        premises, hypotheses = map(list, zip(*batch, strict=True))
        encoded = nli.tokenizer(
            premises, hypotheses, padding=True, truncation=True, max_length=nli.max_tokens, return_tensors="pt"
        )
        with torch.inference_mode():
            logits = nli.model(**encoded.to(nli.model.device)).logits
        probabilities = logits.float().softmax(dim=-1).cpu()  # (pairs, labels)
        entailment = probabilities[:, nli.entailment].tolist()
        if nli.contradiction is None:
            return [(value, 0.0) for value in entailment]
        return list(zip(entailment, probabilities[:, nli.contradiction].tolist(), strict=True))

    def _load(self) -> _Nli:
        import torch
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        place = f"a folder, as seen from {Path.cwd()}, or a hub name"
        wanted = f"expected model to name an NLI model with its tokenizer ({place})"
        try:
            tokenizer = AutoTokenizer.from_pretrained(self.model)
            model = AutoModelForSequenceClassification.from_pretrained(self.model)
        except (OSError, ValueError) as error:
            first_line = str(error).partition("\n")[0]
            raise InputError(f"{wanted}, got {self.model!r}: {first_line}") from error
        # transformers 5 makes up a tokenizer without words for a folder that has none, and says nothing.
        if len(tokenizer) <= len(tokenizer.all_special_tokens):
            raise InputError(f"{wanted}, got {self.model!r}: its tokenizer files are missing")
        entailment, contradiction = nli_label_indices(model.config.id2label, need_contradiction=self.use_contradiction)
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.float32 if torch.device(device).type == "cpu" else getattr(torch, self.dtype)
        return _Nli(
            model=model.eval().to(device, dtype),
            tokenizer=tokenizer,
            entailment=entailment,
            contradiction=contradiction,
            max_tokens=min(self.max_tokens, tokenizer.model_max_length, _longest_input(model)),
        )


def _longest_input(model: Any) -> float:
    """Tokens that a model has positions for; infinite where its config names no limit."""
    positions = model.config.to_dict().get("max_position_embeddings") or math.inf
    for name, module in model.named_modules():
        # RoBERTa and its relatives count positions from behind the padding's: 514 of them hold 512 tokens.
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            positions -= module.padding_idx + 1
    return positions
