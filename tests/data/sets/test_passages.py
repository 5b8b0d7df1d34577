from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.data.sets.base import Dropped
from reset_pl.data.sets.passages import extractive_example, find_answer
from reset_pl.metrics.coverage import span_coverage
from reset_pl.metrics.normalize import normalize_text
from reset_pl.records import Example

# Few characters, so that answers do occur; every kind that the normalisation treats in its own way.
WORDS = st.sampled_from(
    [
        "ada",
        "Ada",
        "a",
        "an",
        "the",
        "s",
        "'s",
        "’s",
        "x",
        "1840",
        "-",
        "/",
        "—",
        ".",
        "(",
        ")",
        "“",
        "_",
        "İ",
        "ß",
        ",",
    ]
)
SPACES = st.sampled_from(["", " ", " ", "  ", "\n", "\u00a0"])
TEXTS = st.lists(st.tuples(WORDS, SPACES), max_size=12).map(lambda parts: "".join(map("".join, parts)))


@pytest.mark.parametrize(
    ("answers", "passages", "found"),
    [
        (["us"], ["because of use"], None),  # token boundaries, not substrings
        (["US"], ["because of us."], "us"),
        (["Jim Thorpe"], ["the athlete Jim\nThorpe, born"], "Jim\nThorpe"),
        (["well-known"], ["a well - known name"], "well - known"),
        (["well"], ["a well - known name"], None),  # the joined word is one token
        (["Ada's house"], ["in Ada 's house today"], "Ada 's house"),
        (["Ada"], ["in Ada 's house today"], None),
        (["The Beatles"], ["by Beatles (1963)"], "Beatles"),
        (["the Beatles"], ["by The Beatles (1963)"], "The Beatles"),
        (["king of hill"], ["He is King of the Hill!"], "King of the Hill"),
        (["$5,000"], ["paid ($5000)."], "$5000"),
        (["U.S."], ["(the US), then"], "US"),
        (["the", "—", "Röntgen"], ["the — of RÖNTGEN"], "RÖNTGEN"),  # the first two normalise to nothing
        (["b", "a b c"], ["x y", "a b, c"], "b"),  # the order of the answers goes first
        (["ada lovelace"], ["ada-x ada, lovelace", "Ada Lovelace"], "Ada Lovelace"),  # written out goes first
        ([], ["x"], None),
        (["x"], [], None),
    ],
)
def test_answer_as_the_passage_writes_it(answers: list[str], passages: list[str], found: str | None) -> None:
    assert find_answer(answers, passages) == found


@given(st.lists(TEXTS.map(str.strip).filter(bool), max_size=3), st.lists(TEXTS, max_size=4))
def test_search_with_its_shortcuts_equals_the_plain_definition(answers: list[str], passages: list[str]) -> None:
    occurring = [answer for answer in answers if span_coverage(answer, *passages)]
    found = find_answer(answers, passages)
    if not occurring:
        assert found is None
        return
    assert found is not None
    assert any(found in passage for passage in passages)
    assert normalize_text(found) == normalize_text(occurring[0])


@given(TEXTS.map(str.strip).filter(bool), TEXTS, TEXTS)
def test_answer_inside_a_passage_is_judged_as_by_the_plain_definition(answer: str, left: str, right: str) -> None:
    passage = left + answer + right
    assert (find_answer([answer], [passage]) is not None) == bool(span_coverage(answer, passage))


def extractive(**changes: object) -> Example | Dropped:
    fields = {
        "dataset": "qa",
        "question": " Who? ",
        "passages": ["", " It was ADA. "],
        "answers": ["", "Bob", "Ada", "Bob"],
        "filter_answerless": True,
    }
    return extractive_example(7, **{**fields, **changes})  # type: ignore[arg-type]


def test_example_of_extractive_question() -> None:
    example = extractive()
    assert isinstance(example, Example)
    assert (example.id, example.question, example.passages) == ("qa/7", "Who?", ("It was ADA.",))
    assert (example.response, example.references) == ("ADA", ("Bob", "Ada"))
    assert example.objective == "extractive_qa"
    assert example.instruction.startswith("Answer to the question by extracting a specific text span")


def test_reasons_of_dropped_questions() -> None:
    assert extractive(question=" ") == Dropped("no_question")
    assert extractive(answers=["  "]) == Dropped("no_answer")
    assert extractive(passages=[" "]) == Dropped("no_passages")
    assert extractive(answers=["Eve"]) == Dropped("no_answer_in_passages")


def test_without_the_filter_an_answerless_question_keeps_its_first_answer() -> None:
    example = extractive(answers=["Eve", "Kim"], filter_answerless=False)
    assert isinstance(example, Example)
    assert (example.response, example.references) == ("Eve", ("Eve", "Kim"))
