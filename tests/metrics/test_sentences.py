import pytest
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.metrics.sentences import split_sentences


@pytest.mark.parametrize(
    "sentences",
    [
        ["One.", "Two!", "Three?", "Four"],
        ["Dr. Lee met Mrs. Poe at 10 a.m. on Jan. 3, in St. Louis.", "It rained."],
        ["J. R. R. Tolkien wrote it.", "He lived in the U.K. for years."],
        ["He moved to the U.S.", "The move was hard."],
        ["He works at Acme Inc.", "It is big."],
        ["Acme Inc. Berlin is smaller."],
        ["It cost $3.50.", "That was 5% of 1.2 million."],
        ["Use tools, e.g. Ruff, i.e. a linter, etc. and go."],
        ["He said no.", "Bob left."],
        ["See No. 5 and fig. 3, vol. 2."],
        ["1. First comes this.", "2. Then that."],
        ["It was built in 1931.", "Later it fell."],
        ["He waited...", "Nothing came.", "He thought ... and left."],
        ['"Why?" he asked.', "She smiled."],
        ['He said "go."', "They went."],
        ["all of it is lower.", "like this.", "really?", "yes."],
        ["Is it (maybe?) so!", "Yes (it is.)", "Fine."],
        ["Wait!?", "No!!!", "Ok."],
        ["Visit example.com now.", "Bye."],
        ["She holds a Ph.D. from Kent.", "We met Smith et al. there."],
    ],
)
def test_splits(sentences: list[str]) -> None:
    assert split_sentences(" ".join(sentences)) == sentences


def test_line_breaks_end_sentences_unless_told_otherwise() -> None:
    assert split_sentences("Title\n\none two\nthree.") == ["Title", "one two", "three."]
    assert split_sentences("Title\n\none two\nthree. Four", at_newlines=False) == ["Title\n\none two\nthree.", "Four"]


@pytest.mark.parametrize("text", ["", "  \n\t "])
def test_nothing_has_no_sentence(text: str) -> None:
    assert split_sentences(text) == []


@given(st.text(alphabet="abA .!?…\"'\n)1Dr", max_size=60), st.booleans())
def test_no_character_is_lost(text: str, at_newlines: bool) -> None:
    sentences = split_sentences(text, at_newlines=at_newlines)
    assert "".join("".join(sentences).split()) == "".join(text.split())
    assert all(sentence and sentence == sentence.strip() for sentence in sentences)
