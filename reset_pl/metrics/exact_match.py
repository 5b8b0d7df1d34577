"""Exact match, the task score of extractive QA (paper, section 2.2)."""

from __future__ import annotations

from reset_pl.metrics.normalize import normalize_answer

__all__ = ["exact_match"]


def exact_match(answer: str, *references: str) -> float:
    """1.0 if the answer equals one of the references after SQuAD's normalisation, else 0.0.

    Args:
        answer: The answer to score.
        *references: Accepted answers, at least one.

    Raises:
        ValueError: There is no reference.

    >>> exact_match("The Nile.", "Amazon", "nile"), exact_match("Nile river", "nile")
    (1.0, 0.0)
    """
    if not references:
        raise ValueError("expected at least one reference, got none")
    normalized = normalize_answer(answer)
    return float(any(normalized == normalize_answer(reference) for reference in references))
