"""What every judge does around its score: skip foreign objectives, build verdicts, survive one bad candidate."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Protocol

from reset_pl.errors import InputError
from reset_pl.metrics.declines import declines
from reset_pl.records import Aspect, Candidate, Example, Judge, Objective, Status, Verdict

__all__ = ["ObjectiveJudge", "abstained", "declined", "failed", "is_declined", "judge_each", "scored"]


class ObjectiveJudge(Judge, Protocol):
    """A judge that names the objectives it is for."""

    objectives: frozenset[Objective]
    aspect: Aspect


def scored(judge: Judge, candidate: Candidate, score: float, *, raw: float | None = None, detail: str = "") -> Verdict:
    """A verdict with a score.

    Raises:
        ValueError: The score is not in [0, 1] (NaN included).
    """
    if not 0.0 <= score <= 1.0:
        raise ValueError(f"expected {judge.name} to score in [0, 1], got {score}")
    return _verdict(judge, candidate, Status.SCORED, score=score, raw=score if raw is None else raw, detail=detail)


def abstained(judge: Judge, candidate: Candidate, why: str) -> Verdict:
    """A verdict of a judge that has nothing to go by."""
    return _verdict(judge, candidate, Status.ABSTAINED, detail=why)


def failed(judge: Judge, candidate: Candidate, error: Exception) -> Verdict:
    """A verdict of a judge that should have scored and could not. Never a score of 0."""
    return _verdict(judge, candidate, Status.FAILED, detail=f"{type(error).__name__}: {error}")


def declined(judge: Judge, candidate: Candidate) -> Verdict:
    """A verdict on an answer that ``is_declined``: there is no claim in it that could be grounded."""
    return _verdict(judge, candidate, Status.DECLINED)


def is_declined(example: Example, answer: str) -> bool:
    """Whether an answer to a question says that the passages do not answer it; never so where no question is asked."""
    return example.objective.is_question and declines(answer)


def judge_each(
    judge: ObjectiveJudge,
    pairs: Iterable[tuple[Example, Candidate]],
    rate: Callable[[Example, Candidate], Verdict],
) -> Iterator[Verdict]:
    """Rate pair by pair as they come; an error on one candidate is its own verdict, and the rest go on.

    Args:
        judge: Whose verdicts these are; pairs of objectives that are not its own are skipped.
        pairs: Examples with their candidates; read lazily.
        rate: Judges one pair.

    Raises:
        InputError: The judge is set up wrongly, so that every candidate would fail alike.
    """
    for example, candidate in pairs:
        if example.objective not in judge.objectives:
            continue
        try:
            verdict = rate(example, candidate)
        except InputError:
            raise
        except Exception as error:
            verdict = failed(judge, candidate, error)
        yield verdict


def _verdict(
    judge: Judge,
    candidate: Candidate,
    status: Status,
    *,
    score: float | None = None,
    raw: float | None = None,
    detail: str = "",
) -> Verdict:
    return Verdict(
        candidate_id=candidate.id,
        judge=judge.name,
        version=judge.version,
        aspect=judge.aspect,
        status=status,
        score=score,
        raw=raw,
        detail=detail,
    )
