from collections.abc import Callable, Iterator

import pytest

from reset_pl.errors import InputError
from reset_pl.judging.task import ExactMatchJudge
from reset_pl.judging.verdicts import abstained, judge_each, scored
from reset_pl.records import Aspect, Candidate, Example, Objective, Status, Verdict


def test_one_error_is_one_failed_verdict(make_pair: Callable[..., tuple[Example, Candidate]]) -> None:
    judge = ExactMatchJudge()
    pairs = [make_pair(Objective.EXTRACTIVE_QA, text, name=text) for text in ("a", "bad", "c")]

    def rate(example: Example, candidate: Candidate) -> Verdict:
        if candidate.text == "bad":
            raise RuntimeError("out of paper")
        return scored(judge, candidate, 0.5, raw=-1.0, detail="so so")

    verdicts = list(judge_each(judge, pairs, rate))
    assert [verdict.status for verdict in verdicts] == [Status.SCORED, Status.FAILED, Status.SCORED]
    assert verdicts[1] == Verdict(
        candidate_id=pairs[1][1].id,
        judge="exact_match",
        version="2",
        aspect=Aspect.TASK,
        status=Status.FAILED,
        detail="RuntimeError: out of paper",
    )
    assert (verdicts[0].score, verdicts[0].raw, verdicts[0].detail) == (0.5, -1.0, "so so")


def test_a_judge_set_up_wrongly_stops(make_pair: Callable[..., tuple[Example, Candidate]]) -> None:
    def rate(example: Example, candidate: Candidate) -> Verdict:
        raise InputError("no such model")

    with pytest.raises(InputError, match="no such model"):
        list(judge_each(ExactMatchJudge(), [make_pair(Objective.EXTRACTIVE_QA, "a")], rate))


def test_verdicts_stream(make_pair: Callable[..., tuple[Example, Candidate]]) -> None:
    read = []

    def pairs() -> Iterator[tuple[Example, Candidate]]:
        for name in "abc":
            read.append(name)
            yield make_pair(Objective.EXTRACTIVE_QA, name, references=("a",))

    verdicts = iter(ExactMatchJudge().judge(pairs()))
    next(verdicts)
    assert read == ["a"]


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_scores_outside_the_range_are_errors(make_pair: Callable[..., tuple[Example, Candidate]], score: float) -> None:
    with pytest.raises(ValueError, match=r"\[0, 1\]"):
        scored(ExactMatchJudge(), make_pair(Objective.EXTRACTIVE_QA, "a")[1], score)


def test_abstained_has_no_score(make_pair: Callable[..., tuple[Example, Candidate]]) -> None:
    verdict = abstained(ExactMatchJudge(), make_pair(Objective.EXTRACTIVE_QA, "a")[1], "no reference")
    assert (verdict.status, verdict.score, verdict.raw, verdict.detail) == (
        Status.ABSTAINED,
        None,
        None,
        "no reference",
    )
