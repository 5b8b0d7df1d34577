"""Okapi BM25 (Robertson et al. 1994): the texts of a collection that share the rare words of a query."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np

from reset_pl.metrics.normalize import normalize_text


class BM25:
    """A collection of texts, indexed by their normalised tokens.

    A query token that ``n`` of ``N`` texts have weighs ``log(1 + (N − n + ½) / (n + ½))`` (Lucene's form, never
    negative) times ``f (k1 + 1) / (f + k1 (1 − b + b L / mean L))`` in a text of ``L`` tokens with ``f`` of it.

    Args:
        texts: The collection.
        k1: How soon further occurrences stop to count.
        b: How much long texts are held back, in [0, 1].
    """

    def __init__(self, texts: Sequence[str], k1: float = 1.2, b: float = 0.75) -> None:
        counts = [Counter(normalize_text(text).split()) for text in texts]
        lengths = np.array([sum(count.values()) for count in counts])
        penalties = k1 * (1 - b + b * lengths / max(lengths.mean(), 1)) if len(texts) else lengths
        postings: dict[str, list[tuple[int, int]]] = {}
        for i, count in enumerate(counts):
            for token, frequency in count.items():
                postings.setdefault(token, []).append((i, frequency))
        self.size = len(texts)
        self._postings: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        for token, entries in postings.items():
            where, frequencies = np.array(entries).T
            weight = math.log(1 + (self.size - len(entries) + 0.5) / (len(entries) + 0.5))
            self._postings[token] = where, weight * frequencies * (k1 + 1) / (frequencies + penalties[where])

    def scores(self, query: str) -> np.ndarray:
        """Score of each text, shape ``(N,)``; a token that the query repeats counts as often."""
        scores = np.zeros(self.size)
        for token in normalize_text(query).split():
            if token in self._postings:
                where, weights = self._postings[token]
                scores[where] += weights
        return scores

    def ranking(self, query: str) -> list[int]:
        """Indices of the texts, best first; of equals the earlier."""
        return np.argsort(-self.scores(query), kind="stable").tolist()
