"""A round in words: why prompts were left out, what a score is out of, and where scores could not decide."""

from __future__ import annotations

from reset_pl.evaluation.results import Round
from reset_pl.records import Aspect
from reset_pl.rounds.statistics import undecided

__all__ = ["reason_of", "scale_of", "warning_of"]

_REASONS = {
    "all_declined": "answerable, but all candidates declined",
    "none_declined": "unanswerable, but no candidate said so",
}


def reason_of(key: str) -> str:
    """Why a prompt was left out.

    >>> reason_of("none_declined"), reason_of("all_truncated")
    ('unanswerable, but no candidate said so', 'all truncated')
    """
    return _REASONS.get(key, key.replace("_", " "))


def scale_of(entry: Round) -> str:
    """The highest weighted score that there is, with the weights that it is made of; empty where they are not known."""
    weights = entry.numbers("weights")
    task, instruction, faithfulness = (
        weights.get(key) for key in (Aspect.TASK, Aspect.INSTRUCTION, Aspect.FAITHFULNESS)
    )
    if task is None or instruction is None or faithfulness is None:
        return ""
    if instruction == faithfulness:
        return f"of {task + faithfulness:g} = {task:g} task + {faithfulness:g} faithfulness or instruction"
    return (
        f"of {task + faithfulness:g} = {task:g} task + {faithfulness:g} faithfulness, on instructions "
        f"of {task + instruction:g} = {task:g} task + {instruction:g} instruction"
    )


def warning_of(entry: Round) -> str:
    """Where selection had nothing to go by; empty where it had."""
    return undecided(entry.numbers_by_dataset("mean_score_per_dataset"), entry.numbers_by_dataset("rates_per_dataset"))
