"""Example → token ids and labels, with the loss on the response only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch.utils.data import Dataset

from reset_pl.data.prompts import Template
from reset_pl.errors import InputError
from reset_pl.records import IGNORE_INDEX, Example


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """One training row."""

    input_ids: list[int]
    """Prompt, response and end-of-sequence token."""
    labels: list[int]
    """``input_ids`` with the prompt replaced by ``IGNORE_INDEX``."""
    dataset: str
    """The data set, for the loss of each."""


def load_tokenizer(path: str) -> Any:
    """The tokenizer of a model folder or hub id, able to pad.

    Raises:
        InputError: There is no such tokenizer, or it cannot end an answer.
    """
    from transformers import AutoTokenizer

    folder = Path(path)
    if folder.is_dir() and not any((folder / name).exists() for name in _TOKENIZER_FILES):
        raise InputError(
            f"expected a tokenizer in the model folder {path} ({' or '.join(_TOKENIZER_FILES)}), but there is none: "
            "copy the tokenizer's files there or set --data.tokenizer to a folder that has them"
        )
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
    except (OSError, ValueError) as error:
        raise InputError(f"expected a tokenizer at {path!r} (a folder or a hub id): {_first_line(error)}") from error
    if tokenizer.eos_token_id is None:
        raise InputError(
            f"expected a tokenizer with an end-of-sequence token, but {path} has none: set eos_token in its "
            "tokenizer_config.json, or no model could learn to end an answer"
        )
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.unk_token or tokenizer.eos_token
    return tokenizer


# Files with a vocabulary. From a tokenizer_config.json alone transformers makes a tokenizer that knows no words.
_TOKENIZER_FILES = ("tokenizer.json", "tokenizer.model", "vocab.json", "vocab.txt", "spiece.model", "tekken.json")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True, kw_only=True)
class Encoder:
    """Turns examples into tokens with one tokenizer and one template."""

    tokenizer: Any
    """A transformers tokenizer."""
    template: Template
    """Renders the prompt."""
    max_length: int
    """Longest row, in tokens: prompt, response and end of sequence together."""
    max_response_tokens: int
    """Longer targets are cut here (method: 480), without an end of sequence: the model did not end there."""

    def prompt_ids(self, example: Example, reserve: int) -> list[int]:
        """Token ids of the prompt, its context shortened from the end until ``reserve`` tokens are free behind it.

        Question and instruction are always kept.

        Raises:
            InputError: Even without any context the prompt is too long.
        """
        budget = self.max_length - reserve
        ids = self.template.prompt_ids(example, self.tokenizer)
        while len(ids) > budget and example.passages:
            example = self._shorten(example, len(ids) - budget)
            ids = self.template.prompt_ids(example, self.tokenizer)
        if len(ids) > budget:
            raise InputError(
                f"{example.id}: the prompt without its context has {len(ids)} tokens, but only {budget} are left "
                f"beside {reserve} for the response: raise --data.max_length (now {self.max_length}) or shorten the row"
            )
        return ids

    def _shorten(self, example: Example, excess: int) -> Example:
        """Take at least one and about ``excess`` tokens off the end of the last passage; drop it when it is used up."""
        *kept, last = example.passages
        offsets = self.tokenizer(last, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
        if excess < len(offsets):
            text = last[: offsets[len(offsets) - excess][0]].rstrip()
            if text and len(text) < len(last):
                kept.append(text)
        return replace(example, passages=tuple(kept))

    def response_ids(self, text: str) -> list[int]:
        """Token ids of an answer and the end of sequence; a longer answer is cut and does not end."""
        ids = self.tokenizer(self.template.response_prefix + text, add_special_tokens=False)["input_ids"]
        if len(ids) >= self.max_response_tokens:
            return ids[: self.max_response_tokens]
        return [*ids, self.tokenizer.eos_token_id]

    def encode(self, example: Example) -> Encoded:
        """One supervised row.

        Raises:
            InputError: The example has no response, or its prompt does not fit.
        """
        if example.response is None:
            raise InputError(
                f"{example.id}: expected a 'response' to train on, but the row has none: "
                "rows without answers can be sampled from in a round, not tuned on"
            )
        response = self.response_ids(example.response)
        prompt = self.prompt_ids(example, len(response))
        labels = [IGNORE_INDEX] * len(prompt) + response
        return Encoded(input_ids=prompt + response, labels=labels, dataset=example.dataset)


class EncodedRows(Dataset[Encoded]):
    """Examples as training rows, encoded all together at first use.

    The first use is the first batch: bad rows show before a step is taken, and a loader that is replaced before it is
    read (the one that a round supersedes) costs nothing and needs no responses.
    """

    def __init__(self, examples: Sequence[Example], encoder: Encoder) -> None:
        self._examples = examples
        self._encoder = encoder
        self._rows: list[Encoded] | None = None

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._examples)

    def __getitem__(self, index: int) -> Encoded:
        """One row."""
        if self._rows is None:
            unique = {id(example): example for example in self._examples}
            encoded = {key: self._encoder.encode(example) for key, example in unique.items()}
            self._rows = [encoded[id(example)] for example in self._examples]
        return self._rows[index]
