import pytest

from reset_pl.mini.oracle import OracleJudge, faithfulness, is_supported
from reset_pl.records import Aspect, Candidate, Decoding, Example, Objective, Status


def example(objective, question=None):
    return Example(
        id="d/1",
        dataset="d",
        objective=objective,
        instruction="Answer.",
        question=question,
        passages=("Potter Bolu has figs as food. Potter Bolu wears red.", "The food of Baker Tano is plums."),
    )


SUMMARY = example(Objective.SUMMARIZATION)
QUESTION = example(Objective.EXTRACTIVE_QA, "What does Potter Bolu eat?")


@pytest.mark.parametrize(
    ("sentence", "supported"),
    [
        ("Potter Bolu eats figs.", True),
        ("The colour of Potter Bolu is red.", True),
        ("Potter Bolu eats plums.", False),
        ("Potter Tano eats plums.", False),
        ("Baker Bolu eats figs.", False),
        ("Potter Bolu keeps dogs.", False),
        ("Potter Bolu figs.", False),
        ("Potter Bolu has figs as food.", True),
    ],
)
def test_support(sentence, supported):
    assert is_supported(SUMMARY, sentence) is supported


@pytest.mark.parametrize(
    ("answer", "share"),
    [
        ("Potter Bolu eats figs. Potter Bolu wears red.", 1.0),
        ("Potter Bolu eats figs. Potter Bolu wears blue.", 0.5),
        ("Potter Bolu eats figs. Potter Bolu", 0.5),
        ("", 0.0),
    ],
)
def test_share_of_supported_sentences(answer, share):
    assert faithfulness(SUMMARY, answer) == share


@pytest.mark.parametrize(("answer", "share"), [("figs", 1.0), (" figs. ", 1.0), ("plums", 0.0), ("", 0.0)])
def test_an_extracted_span_is_judged_with_its_question(answer, share):
    assert faithfulness(QUESTION, answer) == share


def test_a_sentence_outside_the_grammar_is_supported_if_it_stands_in_the_passage():
    odd = Example(
        id="d/2", dataset="d", objective=Objective.SUMMARIZATION, instruction="", passages=("It rains. It pours.",)
    )
    assert faithfulness(odd, "It pours. It snows.") == 0.5


def test_the_judge_rates_grounded_examples_only():
    def candidate(text):
        return Candidate(
            id=f"c/{text}",
            example_id="d/1",
            round=0,
            procedure="temperature",
            decoding=Decoding(temperature=0.1),
            text=text,
            token_ids=(),
            finish_reason="stop",
            seed=0,
        )

    open_ended = Example(id="d/3", dataset="d", objective=Objective.INSTRUCTION, instruction="Say something.")
    pairs = [(QUESTION, candidate("figs")), (open_ended, candidate("figs")), (QUESTION, candidate("plums"))]
    verdicts = list(OracleJudge().judge(pairs))
    assert [(v.candidate_id, v.score) for v in verdicts] == [("c/figs", 1.0), ("c/plums", 0.0)]
    assert {(v.judge, v.aspect, v.status) for v in verdicts} == {("oracle", Aspect.FAITHFULNESS, Status.SCORED)}
