from collections.abc import Callable

import pytest

from reset_pl.errors import InputError
from reset_pl.judging.verifiable import VerifiableInstructionJudge
from reset_pl.records import Aspect, Candidate, Constraint, Example, Objective, Status

Make = Callable[..., tuple[Example, Candidate]]
COMMA = Constraint(id="punctuation:no_comma")
QUOTES = Constraint(id="startend:quotation")
WORDS = Constraint(id="length_constraints:number_words", kwargs={"num_words": 2, "relation": "at least"})


def test_score_is_the_share_followed(make_pair: Make) -> None:
    pair = make_pair(Objective.INSTRUCTION, "Hi, you", constraints=(COMMA, QUOTES, WORDS))
    (verdict,) = VerifiableInstructionJudge().judge([pair])
    assert (verdict.status, verdict.aspect) == (Status.SCORED, Aspect.INSTRUCTION)
    assert verdict.score == pytest.approx(1 / 3)
    assert verdict.detail == "not followed: punctuation:no_comma, startend:quotation"


def test_all_followed_has_no_detail(make_pair: Make) -> None:
    (verdict,) = VerifiableInstructionJudge().judge(
        [make_pair(Objective.INSTRUCTION, '"Hi you"', constraints=(COMMA, QUOTES, WORDS))]
    )
    assert (verdict.score, verdict.detail) == (1.0, "")


def test_an_empty_answer_follows_nothing(make_pair: Make) -> None:
    (verdict,) = VerifiableInstructionJudge().judge([make_pair(Objective.INSTRUCTION, "", constraints=(COMMA,))])
    assert (verdict.status, verdict.score) == (Status.SCORED, 0.0)


def test_abstains_fails_and_skips(make_pair: Make) -> None:
    unknown = Constraint(id="language:answer", kwargs={"language": "fr"})
    verdicts = list(
        VerifiableInstructionJudge().judge(
            [
                make_pair(Objective.INSTRUCTION, "Hi", name="free"),
                make_pair(Objective.INSTRUCTION, "Hi", name="french", constraints=(COMMA, unknown)),
                make_pair(Objective.SUMMARIZATION, "Hi", name="summary", constraints=(COMMA,)),
                make_pair(Objective.INSTRUCTION, "Hi", name="good", constraints=(COMMA,)),
            ]
        )
    )
    assert [verdict.status for verdict in verdicts] == [Status.ABSTAINED, Status.FAILED, Status.SCORED]
    assert verdicts[1].score is None
    assert "language:answer" in verdicts[1].detail


def test_loose_is_a_version_of_its_own(make_pair: Make) -> None:
    pair = make_pair(Objective.INSTRUCTION, 'Sure:\n"Hi"', constraints=(QUOTES,))
    strict, loose = VerifiableInstructionJudge(), VerifiableInstructionJudge(mode="loose")
    assert [next(judge.judge([pair])).score for judge in (strict, loose)] == [0.0, 1.0]
    assert strict.version != loose.version


def test_modes_are_strict_and_loose() -> None:
    assert VerifiableInstructionJudge(mode="strict").version == VerifiableInstructionJudge().version
    with pytest.raises(InputError, match="'strict' or 'loose', got 'lax'"):
        VerifiableInstructionJudge(mode="lax")
