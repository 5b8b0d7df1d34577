"""SummaC-ZS: does the document entail every sentence of the answer (Laban et al., TACL 2022; paper, section 2.2)?"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from reset_pl.errors import InputError
from reset_pl.metrics.sentences import split_sentences

__all__ = ["MAX_DOCUMENT_SENTENCES", "SummacZS", "nli_label_indices", "zero_shot_score"]

MAX_DOCUMENT_SENTENCES = 100
"""As in the ``summac`` package: later sentences of a document are not read."""


class _Nli(NamedTuple):
    """A loaded model with what is needed to read it."""

    model: Any
    tokenizer: Any
    entailment: int
    contradiction: int | None
    max_tokens: int


def zero_shot_score(entailment: Sequence[Sequence[float]], contradiction: Sequence[Sequence[float]]) -> float:
    """SummaC-ZS of one answer from its sentence pairs.

    For each answer sentence, the highest entailment over the document's sentences minus the highest contradiction;
    then the mean over the answer's sentences. The paper states the maximum and not the mean: that is SummaC's.

    Args:
        entailment: P(entailment), a row for each answer sentence, a column for each document sentence.
        contradiction: P(contradiction) in the same shape; empty to leave contradiction out.

    Returns:
        A number in [-1, 1]; 0 where the answer or the document has no sentence, as in the ``summac`` package.

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
    """Scores answers against documents with a zero-shot NLI model, sentence by sentence.

    The model is loaded on first use. Within one call every (document sentence, answer sentence) pair is classified
    once, however many candidates share it; pairs are batched by length, so little padding is computed. How a pair is
    batched moves its score by float rounding only (about 1e-6). One thread at a time uses the model.

    Args:
        model: Folder or hub name of a sequence classification model with its tokenizer and named NLI labels.
        batch_size: Sentence pairs in a forward pass.
        use_contradiction: Whether contradiction is subtracted (SummaC's default); else the range is [0, 1].
        max_tokens: Longest sentence pair, in tokens; longer ones are cut, as in the ``summac`` package. A model that
            can read less sets the limit itself.
        min_sentence_chars: Sentences with fewer characters are left out; the package keeps those of more than 10.
            An answer that consists of shorter ones only scores 0.
        device: Where to run, e.g. ``cpu`` or ``cuda:1``; by default the GPU where there is one.
    """

    def __init__(
        self,
        model: str,
        batch_size: int = 128,
        use_contradiction: bool = True,
        max_tokens: int = 500,
        min_sentence_chars: int = 11,
        device: str | None = None,
    ) -> None:
        if batch_size < 1:
            raise InputError(f"expected batch_size to be at least 1 sentence pair, got {batch_size}")
        self.model = model
        self.batch_size = batch_size
        self.use_contradiction = use_contradiction
        self.max_tokens = max_tokens
        self.min_sentence_chars = min_sentence_chars
        self.device = device
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
        split = lru_cache(maxsize=None)(self._sentences)
        sentence_pairs = {
            (premise, hypothesis)
            for document, answer in set(pairs)
            for premise in split(document)[:MAX_DOCUMENT_SENTENCES]
            for hypothesis in split(answer)
        }
        probabilities = self._classify(sentence_pairs)

        def table(document: str, answer: str, column: int) -> list[list[float]]:
            premises = split(document)[:MAX_DOCUMENT_SENTENCES]
            return [[probabilities[premise, sentence][column] for premise in premises] for sentence in split(answer)]

        unique = {
            pair: zero_shot_score(table(*pair, 0), table(*pair, 1) if self.use_contradiction else []) for pair in pairs
        }
        return [unique[pair] for pair in pairs]

    def _sentences(self, text: str) -> list[str]:
        return [sentence for sentence in split_sentences(text) if len(sentence) >= self.min_sentence_chars]

    def _classify(self, sentence_pairs: set[tuple[str, str]]) -> dict[tuple[str, str], tuple[float, float]]:
        """P(entailment) and P(contradiction) of every pair."""
        # Characters stand in for tokens: near enough to sort by, and nothing has to be tokenized twice. The texts
        # themselves break ties, so that equal sets make equal batches.
        ordered = sorted(sentence_pairs, key=lambda pair: (len(pair[0]) + len(pair[1]), pair))
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
        limits = [self.max_tokens, tokenizer.model_max_length, model.config.to_dict().get("max_position_embeddings")]
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        return _Nli(
            model=model.eval().to(device),
            tokenizer=tokenizer,
            entailment=entailment,
            contradiction=contradiction,
            max_tokens=min(limit for limit in limits if limit),
        )
