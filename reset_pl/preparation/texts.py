"""When two prompts are the same: normalised text, its hash, and hashes of its runs of words."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reset_pl.records import Objective

GRAM = 13
"""Words of a gram."""
LONG = 20
"""Prompts of more words than this are compared by their grams."""

_ASCII = str.maketrans({code: chr(code).lower() if re.match(r"\w", chr(code)) else " " for code in range(128)})
_WORDS = re.compile(r"\w+")
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, so that multiplying loses nothing


def normalised(text: str) -> str:
    r"""NFKC, lower-case, every run of ``\W`` a space; a text without words stays as it is.

    >>> normalised("What's a  ﬁsh-and-chips shop?")
    'what s a fish and chips shop'
    """
    if text.isascii():  # most text is, and this is four times as fast as the expression
        words = text.translate(_ASCII).split()
    else:
        words = _WORDS.findall(unicodedata.normalize("NFKC", text).lower())
    return " ".join(words) or text


def take(table: pa.Table, rows: np.ndarray) -> pa.Table:
    """Some rows of a table, ascending. Arrow's own ``take`` joins all batches first, and fails above 2 GiB of text."""
    batches = table.to_batches()
    starts = np.cumsum([0, *(batch.num_rows for batch in batches)])
    edges = np.searchsorted(rows, starts)
    taken = [
        batch.take(pa.array(rows[edges[i] : edges[i + 1]] - starts[i])) if edges[i] < edges[i + 1] else batch[:0]
        for i, batch in enumerate(batches)
    ]
    return pa.Table.from_batches(taken, table.schema)


def prompts(table: pa.Table) -> list[str]:
    """What tells one prompt from another: the question of a QA row, a summary's article, else the instruction.

    Args:
        table: Rows with the columns of ``reset_pl.data.table.SCHEMA``.

    Returns:
        One text a row, not normalised.
    """
    texts: list[str] = pc.coalesce(table["question"], table["instruction"]).to_pylist()
    articles = np.flatnonzero(pc.equal(table["objective"], str(Objective.SUMMARIZATION)).to_numpy())
    for row, passages in zip(articles, take(table.select(["passages"]), articles)["passages"].to_pylist(), strict=True):
        texts[row] = "\n".join(passages)
    return texts


def key(text: str) -> int:
    """64-bit hash of a normalised text, the same in every process."""
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big")


def keys(texts: Sequence[str]) -> np.ndarray:
    """The normalised texts' hashes, ``uint64[len(texts)]``."""
    return np.fromiter((key(normalised(text)) for text in texts), dtype=np.uint64, count=len(texts))


def grams(texts: Sequence[str], more_than: int = GRAM - 1) -> tuple[np.ndarray, np.ndarray]:
    """Hashes of all runs of ``GRAM`` words of the normalised texts.

    Args:
        texts: Texts, not normalised.
        more_than: Texts of no more words than this have none.

    Returns:
        The hashes, ``uint64[g]``, and the index of the text that each is of, ``int64[g]``, ascending.
    """
    # A text of n words has n - 1 places between them: short ones are told without normalising.
    candidates = [i for i, text in enumerate(texts) if len(text) > 2 * more_than]
    words = pc.split_pattern(pa.array([normalised(texts[i]) for i in candidates], pa.large_string()), " ")
    counts = pc.list_value_length(words).to_numpy(zero_copy_only=False).astype(np.int64)
    vocabulary = words.flatten().dictionary_encode()
    hashed = np.fromiter(map(key, vocabulary.dictionary.to_pylist()), dtype=np.uint64, count=len(vocabulary.dictionary))
    tokens = hashed[vocabulary.indices.to_numpy()] if len(vocabulary) else np.empty(0, np.uint64)
    if len(tokens) < GRAM:
        return np.empty(0, np.uint64), np.empty(0, np.int64)
    rolled = np.zeros(len(tokens) - GRAM + 1, np.uint64)
    for offset in range(GRAM):
        rolled = rolled * _MULTIPLIER + tokens[offset : offset + len(rolled)]
    own = np.repeat(np.arange(len(counts)), counts)
    is_whole = (own[: len(rolled)] == own[GRAM - 1 :]) & (counts > more_than)[own[: len(rolled)]]
    return rolled[is_whole], np.array(candidates, np.int64)[own[: len(rolled)][is_whole]]
