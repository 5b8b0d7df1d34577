"""ROUGE-L, the task score of abstractive QA and summarization (paper, section 2.2).

The scores are those of the ``rouge-score`` package (no stemmer, the default); the longest common subsequence comes from
rapidfuzz's C++ because the package's own loop is quadratic Python.
"""

from __future__ import annotations

import re

from rapidfuzz.distance import LCSseq

__all__ = ["rouge_l"]

_TOKEN = re.compile("[a-z0-9]+")


def rouge_l(answer: str, *references: str) -> float:
    """ROUGE-L F1 to the best of the references.

    With ``lcs`` the length of the longest common subsequence of tokens, precision is lcs / |answer| and recall
    lcs / |reference|, so F1 = 2 lcs / (|answer| + |reference|). Tokens are runs of ASCII letters and digits in
    lower case, as in ``rouge-score``: a text in another script has none and scores 0.

    Args:
        answer: The answer to score.
        *references: Texts to compare with, at least one.

    Raises:
        ValueError: There is no reference.

    >>> rouge_l("the cat sat", "The cat sat down.", "no match")  # lcs 3, so 6 / 7
    0.8571428571428571
    """
    if not references:
        raise ValueError("expected at least one reference, got none")
    tokens = _TOKEN.findall(answer.lower())
    return max(_f_measure(tokens, _TOKEN.findall(reference.lower())) for reference in references)


def _f_measure(answer: list[str], reference: list[str]) -> float:
    if not answer or not reference:
        return 0.0
    return 2 * LCSseq.similarity(answer, reference) / (len(answer) + len(reference))
