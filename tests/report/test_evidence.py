from dataclasses import replace
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.judging.evidence import format_supports
from reset_pl.judging.grounding import grounding_document
from reset_pl.metrics.summac import Granularity, Support, split_chunks
from reset_pl.records import Aspect, Example, Objective, Status, Verdict
from reset_pl.report.evidence import grounding_of, is_supported, places_of, span_of

TEXT = "  One came in. Two went out!\n\nNo title here\nThree (stayed) there. Four."


def units(text: str, place: tuple[int, int]) -> str:
    """What a browser shows of a place: its strings are of UTF-16 units."""
    start, end = place
    return text.encode("utf-16-le", "surrogatepass")[2 * start : 2 * end].decode("utf-16-le", "surrogatepass")


@pytest.mark.parametrize("granularity", get_args(Granularity))
@pytest.mark.parametrize("text", [TEXT, TEXT.replace("One", "𝒪ne 🙂").replace("Three", "Dr. 🦊"), ""])
def test_the_places_are_those_of_the_metrics_own_sentences(text: str, granularity: Granularity) -> None:
    places = places_of(text, granularity)
    assert places is not None
    found = [" ".join(units(text, place).split()) for place in places]
    assert found == [" ".join(chunk.split()) for chunk in split_chunks(text, granularity)]


def test_two_sentences_with_a_short_one_between_them_are_one_place() -> None:
    text = "Two went out! No. Three stayed there."
    assert split_chunks(text, "2sents")[0] == "Two went out! Three stayed there."
    assert places_of(text, "2sents") == ((0, len(text)), (18, len(text)))


@given(st.text(alphabet="ab .!?\n🙂", max_size=120), st.sampled_from(["sentence", "paragraph", "document"]))
def test_any_text_s_sentences_are_found_again_in_order(text: str, granularity: Granularity) -> None:
    places = places_of(text, granularity)
    assert places is not None
    assert [units(text, place) for place in places] == split_chunks(text, granularity)
    assert list(places) == sorted(places)


EXAMPLE = Example(
    id="qa/1",
    dataset="qa",
    objective=Objective.ABSTRACTIVE_QA,
    instruction="Answer.",
    question="who built the mill?",
    passages=("🙂 Ada built the mill. It burnt down.", "Bob built another one."),
)
ANSWER = "Ada did it all. Nobody was hurt then."
SUPPORTS = [
    Support(premise=1, entailment=0.9, refuter=None, contradiction=0.0),
    Support(premise=3, entailment=0.7, refuter=2, contradiction=0.3),
]


def verdict(detail: str, score: float | None = 0.5, judge: str = "summac_zs") -> Verdict:
    return Verdict(
        candidate_id="c", judge=judge, version="1", aspect=Aspect.FAITHFULNESS, score=score, detail=detail,
        status=Status.SCORED if score is not None else Status.FAILED,
    )  # fmt: skip


def test_each_sentence_with_the_sentences_of_the_context() -> None:
    grounding = grounding_of(EXAMPLE, ANSWER, verdict(format_supports(SUPPORTS, "sentence", "sentence")))
    assert grounding is not None
    assert [units(ANSWER, place) for place in grounding.answer] == ["Ada did it all.", "Nobody was hurt then."]
    document = [units(grounding_document(EXAMPLE), place) for place in grounding.document]
    assert document == ["who built the mill?", "🙂 Ada built the mill.", "It burnt down.", "Bob built another one."]
    assert [support.premise for support in grounding.supports] == [1, 3]
    assert [is_supported(support) for support in grounding.supports] == [True, False]


@pytest.mark.parametrize(
    "detail",
    ["", "ValueError: no", "s1 d2 .90", "s1 d2 .90; s2 d9 .10", "s1 d2 .90; s2 d1 .10 d9 -.40", "word-word: s1 d1 .90"],
)
def test_what_does_not_fit_the_texts_is_no_evidence(detail: str) -> None:
    """Another version may have split them otherwise: then numbers of sentences would point to wrong ones."""
    assert grounding_of(EXAMPLE, ANSWER, verdict(detail)) is None


def test_a_failure_and_an_example_without_passages_have_none() -> None:
    detail = format_supports(SUPPORTS, "sentence", "sentence")
    assert grounding_of(EXAMPLE, ANSWER, verdict(detail, score=None)) is None
    assert grounding_of(replace(EXAMPLE, passages=()), ANSWER, verdict(detail)) is None


def test_an_answer_without_a_sentence() -> None:
    grounding = grounding_of(EXAMPLE, "Ada.", verdict(format_supports([], "sentence", "sentence"), 0.0))
    assert grounding is not None
    assert grounding.answer == ()


def test_spans() -> None:
    span = span_of(EXAMPLE, verdict("p1 2-5", 1.0, "span_coverage"))
    assert span is not None
    assert span.passage == 0
    assert units(EXAMPLE.passages[0], span.place) == "Ada"
    missing = span_of(EXAMPLE, verdict("", 0.0, "span_coverage"))
    assert missing is not None
    assert missing.passage is None
    assert span_of(EXAMPLE, verdict("", 1.0, "span_coverage")) is None  # a round from before places were kept
    assert span_of(EXAMPLE, verdict("p3 1-2", 1.0, "span_coverage")) is None
    assert span_of(EXAMPLE, verdict("", 0.0, "rated by a model")) is None
