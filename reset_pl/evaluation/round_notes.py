"""A round in words: why prompts were left out, what a score is out of, and where scores could not decide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reset_pl.evaluation import numbers
from reset_pl.evaluation.results import Round
from reset_pl.records import Aspect
from reset_pl.rounds.statistics import undecided

__all__ = ["gate_of", "out_of", "reason_of", "scale_of", "warning_of"]

_REASONS = {
    "all_declined": "answerable, but all candidates declined",
    "none_declined": "unanswerable, but no candidate said so",
    "one_text": "only one text, so none to reject",
    "gap_too_small": "best and worst too close",
}

_OUT = {
    "all_truncated": "cut off by the length limit",
    "judges_failed": "a judge failed on it",
    "not_judged": "no judge scored it",
    "all_declined": "says that the passages do not answer, and they do",
    "none_declined": "answers, but the passages do not",
}


def out_of(key: str) -> str:
    """Why a candidate could not be chosen: a reason of ``score_candidates``, of one candidate alone.

    >>> out_of("all_truncated"), out_of("")
    ('cut off by the length limit', '')
    """
    return _OUT.get(key, reason_of(key))


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


def gate_of(entry: Round) -> str:
    """What the held-out judges and sets said of the round; empty without a gate."""
    gate = entry.manifest.get("gate")
    if not isinstance(gate, Mapping):
        return ""
    gains = {**(gate.get("selection") or {}), **(gate.get("held_out") or {})}
    listed = ", ".join(f"{key} {numbers.signed(value)}" for key, value in gains.items())
    before = f"against {gate.get('before')}: {listed}"
    if gate.get("rolled_back"):
        return f"rolled back, the gain is not confirmed by {_listed(gate)} ({before})"
    if gate.get("confirmed") is False:
        return f"the gain is not confirmed by {_listed(gate)} ({before})"
    return f"confirmed ({before})" if gate.get("confirmed") else f"nothing to confirm ({before})"


def _listed(gate: Mapping[str, Any]) -> str:
    return " and ".join(gate.get("unconfirmed") or ())


def warning_of(entry: Round) -> str:
    """Where selection had nothing to go by; empty where it had."""
    return undecided(entry.numbers_by_dataset("mean_score_per_dataset"), entry.numbers_by_dataset("rates_per_dataset"))
