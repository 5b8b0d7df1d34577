import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.metrics.declines import declines
from reset_pl.records import NOT_IN_PASSAGES

DECLINES = [
    NOT_IN_PASSAGES,
    "The passages do not contain the answer.",
    "The passage does not mention the answer",
    "The passages don't provide the answer.",
    "The passages don’t provide the answer.",
    "The document does n't say .",
    "The passages do not say when he died.",
    "The given context does not specify when the U.S. entered the war.",
    "The passages do not mention when and where Ada was born.",
    "The context does not provide enough information to answer the question.",
    "The provided passages contain no information about the mill.",
    "None of the passages mentions who built it.",
    "Not in the passages.",
    "Not mentioned",
    "The answer is not in the passages.",
    "This information is not found in the given passages.",
    "UNANSWERABLE",
    "This question is unanswerable.",
    "No answer",
    "No Answer Present.",
    "There is no answer in the passages.",
    "There is no information about the mill in the passages.",
    "Cannot be answered from the given passages.",
    "The question can't be answered based on the passages.",
    "The answer cannot be determined from the context.",
    "I cannot answer the question based on the passages.",
    "I am unable to find the answer in the text.",
    "Sorry, the passages do not answer the question.",
    "I'm sorry, but the passages do not say.",
    "Unfortunately, the context does not mention it.",
    "Based on the passages, the question cannot be answered.",
    "“The passages do not answer the question.”",
    "No answer. The passages do not mention it.",
]
ANSWERS = [
    "",
    "…",
    "No.",
    "none",
    "Unknown",
    "Not found",
    "I don't know.",
    "Ada",
    "The passages answer the question.",
    "The passages mention the mill.",
    "The passages do not mention that he died, but in 1990 he moved to Ulm.",
    "The passages do not mention that he died.",
    "The passages do not say when he died, but in 1990 he moved to Ulm.",
    "The passages do not say when he died but in 1990 he moved to Ulm.",
    "The passages do not say who built it and Ada owned it.",
    "The passages do not say who built it - Ada owned it.",
    "The passages do not say who built it (Ada owned it).",
    "The passages do not say who built it; Ada owned it.",
    "The passages do not answer the question. It was Ada.",
    "The passages do not answer the question.\nAda",
    "Ada. The passages do not say more.",
    "No, the passages do not mention it.",
    "The book says that the passages do not answer the question.",
    "The law does not specify a limit.",
    "The text does not contain vowels.",
    "There is no answer to grief.",
    "No answer was given by the king.",
    "It cannot be answered by telephone.",
    "The mill is not in the text museum.",
]


@pytest.mark.parametrize("text", DECLINES)
def test_a_statement_that_the_passages_do_not_answer_is_a_decline(text: str) -> None:
    assert declines(text)


@pytest.mark.parametrize("text", ANSWERS)
def test_a_near_miss_is_an_answer(text: str) -> None:
    assert not declines(text)


@given(st.sampled_from(DECLINES), st.sampled_from([str.upper, str.lower, str.strip]), st.sampled_from(["", ".", " !"]))
def test_case_and_final_punctuation_do_not_count(text: str, case: object, end: str) -> None:
    assert declines(case(text).rstrip(" .") + end)  # type: ignore[operator]


@given(st.sampled_from(DECLINES), st.sampled_from([text for text in ANSWERS if text.strip(" .…")]), st.booleans())
def test_a_decline_with_an_answer_beside_it_is_an_answer(decline: str, answer: str, first: bool) -> None:
    assert not declines("\n".join((decline, answer) if first else (answer, decline)))


def test_an_endless_statement_is_no_decline() -> None:
    assert declines("The passages do not say " + "who " * 50)
    assert not declines("The passages do not say " + "who " * 500)


def test_no_answer_of_the_miniature_models_declines() -> None:
    lines = (Path(__file__).parents[1] / "mini" / "model_written.jsonl").read_text().splitlines()
    answers = [json.loads(line)["text"] for line in lines]
    assert len(answers) > 500
    assert not [answer for answer in answers if declines(answer)]
