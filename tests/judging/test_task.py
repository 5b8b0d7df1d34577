from collections.abc import Callable

import pytest

from reset_pl.judging.task import ExactMatchJudge, RougeJudge
from reset_pl.records import NOT_IN_PASSAGES, Aspect, Candidate, Example, Objective, Status

Make = Callable[..., tuple[Example, Candidate]]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"references": ("Po", "the Nile")}, 1.0),
        ({"references": ("Po",)}, 0.0),
        ({"references": ("Po",), "response": "Nile"}, 0.0),  # the references win over the target
        ({"response": "Nile"}, 1.0),
    ],
)
def test_exact_match_judge(make_pair: Make, fields: dict[str, object], expected: float) -> None:
    (verdict,) = ExactMatchJudge().judge([make_pair(Objective.EXTRACTIVE_QA, "nile", **fields)])
    assert (verdict.status, verdict.score, verdict.aspect) == (Status.SCORED, expected, Aspect.TASK)


@pytest.mark.parametrize("objective", [Objective.ABSTRACTIVE_QA, Objective.SUMMARIZATION])
def test_rouge_judge(make_pair: Make, objective: Objective) -> None:
    pair = make_pair(objective, "the cat sat", references=("a dog", "the cat sat down"))
    (verdict,) = RougeJudge().judge([pair])
    assert verdict.score == pytest.approx(6 / 7)


def test_without_reference_they_abstain(make_pair: Make) -> None:
    (exact,) = ExactMatchJudge().judge([make_pair(Objective.EXTRACTIVE_QA, "nile")])
    (rouge,) = RougeJudge().judge([make_pair(Objective.SUMMARIZATION, "nile")])
    assert (exact.status, exact.score) == (rouge.status, rouge.score) == (Status.ABSTAINED, None)


@pytest.mark.parametrize(
    ("judge", "objective"),
    [(ExactMatchJudge(), Objective.EXTRACTIVE_QA), (RougeJudge(), Objective.ABSTRACTIVE_QA)],
)
def test_of_an_open_question_only_a_decline_is_right(
    make_pair: Make, judge: ExactMatchJudge | RougeJudge, objective: Objective
) -> None:
    texts = [NOT_IN_PASSAGES, "unanswerable", "The passages do answer the question.", "nile", "No."]
    for references in ((NOT_IN_PASSAGES,), ()):
        fields = {"answerable": False, "references": references}
        verdicts = list(judge.judge([make_pair(objective, text, **fields) for text in texts]))
        assert [(verdict.status, verdict.score) for verdict in verdicts] == [
            (Status.SCORED, score) for score in (1.0, 1.0, 0.0, 0.0, 0.0)
        ]


def test_a_decline_of_an_answerable_question_is_compared_as_any_answer(make_pair: Make) -> None:
    (exact,) = ExactMatchJudge().judge([make_pair(Objective.EXTRACTIVE_QA, "no answer", references=("Nile",))])
    (rouge,) = RougeJudge().judge(
        [make_pair(Objective.ABSTRACTIVE_QA, "The passages do not say.", references=("the Nile does not flood",))]
    )
    assert exact.score == 0.0
    assert rouge.score == pytest.approx(2 * 2 / (5 + 5))  # LCS "the … not": 2 of 5 words on either side


def test_only_questions_can_be_open(make_pair: Make) -> None:
    pair = make_pair(Objective.SUMMARIZATION, "a mill", references=("a mill",), answerable=False)
    (verdict,) = RougeJudge().judge([pair])
    assert verdict.score == 1.0


def test_other_objectives_are_skipped(make_pair: Make) -> None:
    pairs = [make_pair(objective, "x", name=objective, references=("x",)) for objective in Objective]
    judged = {
        type(judge).__name__: [verdict.candidate_id.split("/")[2] for verdict in judge.judge(pairs)]
        for judge in (ExactMatchJudge(), RougeJudge())
    }
    assert judged == {"ExactMatchJudge": ["extractive_qa"], "RougeJudge": ["abstractive_qa", "summarization"]}


def test_rouge_on_instructions_is_a_choice(make_pair: Make) -> None:
    pair = make_pair(Objective.INSTRUCTION, "a pale blue", references=("a deep blue",))
    assert list(RougeJudge().judge([pair])) == []
    (verdict,) = RougeJudge(on_instructions=True).judge([pair])
    assert verdict.score == pytest.approx(2 / 3)  # LCS "a blue": precision and recall 2/3
