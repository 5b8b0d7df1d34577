"""Natural language inference: P(entailment) and P(contradiction) of pairs of texts, by any NLI model."""

from __future__ import annotations

import math
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeAlias, get_args

from reset_pl.errors import InputError

__all__ = ["Dtype", "NliClassifier", "TextPair", "nli_label_indices"]

Dtype = Literal["float32", "float16", "bfloat16"]

TextPair: TypeAlias = tuple[str, str]
"""A premise and a hypothesis."""


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


class _Loaded(NamedTuple):
    """A model with what is needed to read it."""

    model: Any
    tokenizer: Any
    special_tokens: int
    """Tokens that stand around a pair's own."""
    entailment: int
    contradiction: int | None
    max_tokens: int


class NliClassifier:
    """An NLI model as a function from pairs of texts to probabilities; loaded on first use, one thread at a time.

    A text is tokenized once, in however many pairs it stands. A batch holds pairs of like length, so next to nothing is
    padded; the longest come first, so what does not fit in memory fails at once.

    Args:
        model: Folder or hub name of a sequence classification model with its tokenizer and named NLI labels.
        batch_tokens: Tokens in a forward pass (a longer pair has one to itself); by default 1,024 on a CPU, which fit
            in its caches, and 16,384 on a GPU, to keep it busy.
        max_tokens: Longest pair, in tokens; of a longer one the longer side is cut, as in the ``summac`` package. A
            model that can read less sets the limit itself.
        device: Where to run, e.g. ``cpu`` or ``cuda:1``; by default the GPU where there is one.
        dtype: Precision of the model on a GPU. On a CPU it is always float32.
        need_contradiction: Whether the model must have a contradiction label.

    Raises:
        InputError: An argument out of its range.
    """

    def __init__(
        self,
        model: str,
        batch_tokens: int | None = None,
        max_tokens: int = 500,
        device: str | None = None,
        dtype: Dtype = "float32",
        need_contradiction: bool = True,
    ) -> None:
        if batch_tokens is not None and batch_tokens < 1:
            raise InputError(f"expected batch_tokens to be at least 1 token, got {batch_tokens}")
        if dtype not in get_args(Dtype):
            raise InputError(f"expected dtype to be one of {', '.join(get_args(Dtype))}, got {dtype!r}")
        self.model = model
        self.batch_tokens = batch_tokens
        self.max_tokens = max_tokens
        self.device = device
        self.dtype: Dtype = dtype
        self.need_contradiction = need_contradiction
        self._loaded: _Loaded | None = None
        self._lock = threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        """Only the settings travel: the receiving process loads the model itself."""
        return {name: value for name, value in self.__dict__.items() if not name.startswith("_")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the settings; the model is loaded on first use again."""
        self.__init__(**state)  # type: ignore[misc]

    def classify(self, pairs: Iterable[TextPair]) -> dict[TextPair, tuple[float, float]]:
        """P(entailment) and P(contradiction) of every pair; the latter is 0 of a model without such a label.

        Each pair is classified once. Equal sets of pairs make equal batches; other company moves a pair's probabilities
        by float rounding only (about 1e-6).

        Raises:
            InputError: The model cannot be loaded or does not name its labels.
        """
        unique = set(pairs)
        if not unique:
            return {}
        with self._lock:
            nli = self._loaded = self._loaded or self._load()
            encodings = _encode_texts(nli, {text for pair in unique for text in pair})
            budget = self.batch_tokens or (1024 if nli.model.device.type == "cpu" else 16384)
            found: dict[TextPair, tuple[float, float]] = {}
            for batch in _batches(nli, unique, encodings, budget):
                found.update(zip(batch, _classify_batch(nli, batch, encodings), strict=True))
            return found

    def _load(self) -> _Loaded:
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
        if tokenizer.pad_token is None:
            raise InputError(f"{wanted}, got {self.model!r}: its tokenizer names no padding token")
        entailment, contradiction = nli_label_indices(model.config.id2label, need_contradiction=self.need_contradiction)
        device = self.device or ("cuda" if torch.cuda.is_available() else "cpu")
        dtype = torch.float32 if torch.device(device).type == "cpu" else getattr(torch, self.dtype)
        return _Loaded(
            model=model.eval().to(device, dtype),
            tokenizer=tokenizer,
            special_tokens=tokenizer.num_special_tokens_to_add(pair=True),
            entailment=entailment,
            contradiction=contradiction,
            max_tokens=int(min(self.max_tokens, tokenizer.model_max_length, _longest_input(model))),
        )


def _encode_texts(nli: _Loaded, texts: set[str]) -> dict[str, Any]:
    """The tokens of each text, whole and without special ones."""
    backend, ordered = nli.tokenizer.backend_tokenizer, list(texts)
    backend.no_padding()
    backend.no_truncation()
    return dict(zip(ordered, backend.encode_batch(ordered, add_special_tokens=False), strict=True))


def _batches(nli: _Loaded, pairs: set[TextPair], encodings: Mapping[str, Any], budget: int) -> Iterator[list[TextPair]]:
    """The pairs, longest first, in batches that hold at most ``budget`` tokens with their padding."""

    def length(pair: TextPair) -> int:
        own = len(encodings[pair[0]]) + len(encodings[pair[1]])
        return max(min(own + nli.special_tokens, nli.max_tokens), 1)

    ordered = sorted(pairs, key=lambda pair: (-length(pair), pair))
    start = 0
    while start < len(ordered):
        end = start + max(budget // length(ordered[start]), 1)
        yield ordered[start:end]
        start = end


def _classify_batch(nli: _Loaded, batch: list[TextPair], encodings: Mapping[str, Any]) -> list[tuple[float, float]]:
    import torch

    tokenizer = nli.tokenizer
    tokenizer.backend_tokenizer.enable_truncation(nli.max_tokens)
    rows = [tokenizer.backend_tokenizer.post_process(encodings[first], encodings[second]) for first, second in batch]
    longest = max(map(len, rows))
    for row in rows:
        row.pad(
            longest,
            direction=tokenizer.padding_side,
            pad_id=tokenizer.pad_token_id,
            pad_type_id=tokenizer.pad_token_type_id,
            pad_token=tokenizer.pad_token,
        )
    columns = {"input_ids": "ids", "attention_mask": "attention_mask", "token_type_ids": "type_ids"}
    inputs = {
        name: torch.tensor([getattr(row, columns[name]) for row in rows], device=nli.model.device)
        for name in tokenizer.model_input_names
    }
    with torch.inference_mode():
        probabilities = nli.model(**inputs).logits.float().softmax(dim=-1).cpu()  # (pairs, labels)
    entailment = probabilities[:, nli.entailment].tolist()
    if nli.contradiction is None:
        return [(value, 0.0) for value in entailment]
    return list(zip(entailment, probabilities[:, nli.contradiction].tolist(), strict=True))


def _longest_input(model: Any) -> float:
    """Tokens that a model has positions for; infinite where its config names no limit."""
    positions = model.config.to_dict().get("max_position_embeddings") or math.inf
    for name, module in model.named_modules():
        # RoBERTa and its relatives count positions from behind the padding's: 514 of them hold 512 tokens.
        if name.endswith("position_embeddings") and getattr(module, "padding_idx", None) is not None:
            positions -= module.padding_idx + 1
    return positions
