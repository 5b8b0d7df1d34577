import pytest

from reset_pl.judging.evidence import format_span, format_supports, parse_span, parse_supports
from reset_pl.metrics.summac import Support

FIRM = Support(premise=2, entailment=0.981, refuter=4, contradiction=0.004)
SHAKY = Support(premise=0, entailment=0.1249, refuter=6, contradiction=0.996)
BARE = Support(premise=None, entailment=0.0, refuter=None, contradiction=0.0)


def test_written_by_hand() -> None:
    detail = format_supports([FIRM, SHAKY, BARE], "sentence", "sentence")
    assert detail == "s1 d3 .98; s2 d1 .12 d7 -1.00; s3 d0 .00"
    assert len(detail) <= 20 * 3
    assert parse_supports(detail) == (
        [
            Support(premise=2, entailment=0.98, refuter=None, contradiction=0.0),
            Support(premise=0, entailment=0.12, refuter=6, contradiction=1.0),
            BARE,
        ],
        "sentence",
        "sentence",
    )


def test_other_chunks_are_named() -> None:
    detail = format_supports([FIRM], "document", "2sents")
    assert detail == "document-2sents: s1 d3 .98"
    parsed = parse_supports(detail)
    assert parsed is not None
    assert parsed[1:] == ("document", "2sents")


def test_an_answer_without_a_sentence_is_not_one_without_evidence() -> None:
    assert parse_supports(format_supports([], "sentence", "sentence")) == ([], "sentence", "sentence")
    assert parse_supports(format_supports([], "sentence", "mixed")) == ([], "sentence", "mixed")


@pytest.mark.parametrize(
    "detail",
    ["", "ValueError: no passages", "s1 d1 .98; and more", "s1 d1 1.98x", "p1 3-4", "The rating is 7; s1 d1 .5"],
)
def test_other_words_are_no_evidence(detail: str) -> None:
    assert parse_supports(detail) is None


def test_spans() -> None:
    assert format_span(1, 14, 31) == "p2 14-31"
    assert parse_span("p2 14-31") == (1, 14, 31)
    assert parse_span("") is parse_span("s1 d1 .98") is parse_span("p2 14-31, or so") is None
