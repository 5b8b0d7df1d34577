import pytest
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.metrics.coverage import bigram_coverage, find_span, span_coverage, unigram_coverage
from reset_pl.metrics.normalize import normalize_text

words = st.lists(st.sampled_from(["ada", "bob", "river", "mill", "1931", "runs"]), min_size=1, max_size=12)


@pytest.mark.parametrize(
    ("answer", "passages", "expected"),
    [
        ("1931", ["It was built in 1931."], 1.0),
        ("193", ["It was built in 1931."], 0.0),
        ("The Mill", ["a mill stood there"], 1.0),
        ("mill stood", ["a mill , stood there"], 1.0),
        ("mill there", ["a mill stood there"], 0.0),
        ("Ada's", ["Ada 's mill"], 1.0),
        ("two", ["one", "two"], 1.0),
        ("one two", ["one", "two"], 0.0),  # not across passages
        ("", ["one"], 0.0),
        ("the", ["the"], 0.0),
        ("...", ["one ..."], 0.0),
        ("one", [""], 0.0),
        ("one", [], 0.0),
    ],
)
def test_span_coverage(answer: str, passages: list[str], expected: float) -> None:
    assert span_coverage(answer, *passages) == expected


@given(words, st.data())
def test_every_span_of_tokens_is_covered(context: list[str], data: st.DataObject) -> None:
    start = data.draw(st.integers(0, len(context) - 1))
    end = data.draw(st.integers(start + 1, len(context)))
    assert span_coverage(" ".join(context[start:end]), " ".join(context)) == 1.0


@given(words, words)
def test_span_coverage_against_a_slow_search(answer: list[str], context: list[str]) -> None:
    found = any(context[i : i + len(answer)] == answer for i in range(len(context)))
    assert span_coverage(" ".join(answer), " ".join(context)) == float(found)


@given(words, words)
def test_ngram_coverage_against_slow_counts(answer: list[str], context: list[str]) -> None:
    unigrams = sum(token in context for token in answer) / len(answer)
    assert unigram_coverage(" ".join(answer), " ".join(context)) == pytest.approx(unigrams)
    pairs = [answer[i : i + 2] for i in range(len(answer) - 1)]
    known = [context[i : i + 2] for i in range(len(context) - 1)]
    bigrams = sum(pair in known for pair in pairs) / len(pairs) if pairs else unigrams
    assert bigram_coverage(" ".join(answer), " ".join(context)) == pytest.approx(bigrams)


def test_bigrams_do_not_cross_passages() -> None:
    assert bigram_coverage("one two", "one", "two") == 0.0
    assert unigram_coverage("one two", "one", "two") == 1.0


def test_empty_answers_are_not_covered() -> None:
    assert unigram_coverage("", "one") == bigram_coverage("the", "the") == 0.0


@pytest.mark.parametrize(
    ("answer", "passages", "span", "unigram", "bigram"),
    [
        # A.2: spaces around hyphens and slashes and before "'s" are closed, articles and punctuation go, case too.
        ("a well-known mill", ["The well - known mill ."], 1.0, 1.0, 1.0),  # wellknown mill
        ("well known mill", ["The well-known mill."], 0.0, 1 / 3, 0.0),  # a space is not a hyphen
        ("km/h", ["120 km / h"], 1.0, 1.0, 1.0),  # kmh
        ("the Miller's Daughter", ["Miller 's daughter sang"], 1.0, 1.0, 1.0),  # millers daughter
        ("Miller’s daughter", ["the miller 's daughter"], 1.0, 1.0, 1.0),  # the curly apostrophe too
        ("millers daughter", ["the miller's daughter"], 1.0, 1.0, 1.0),
        ("miller daughter", ["the miller's daughter"], 0.0, 1 / 2, 0.0),
        ("U.S. Army", ["the US army"], 1.0, 1.0, 1.0),
        ("bank of a river", ["bank of the river"], 1.0, 1.0, 1.0),  # articles stand for nothing
        ("theatre", ["the atre"], 0.0, 0.0, 0.0),  # no article inside a word
        ("ÉCOLE «Łódź»", ["école Łódź, Poland"], 1.0, 1.0, 1.0),
        ("東京", ["首都 東京 です"], 1.0, 1.0, 1.0),
        ("東京", ["首都東京です"], 0.0, 0.0, 0.0),  # tokens are what white space parts
        ("river 😀 mill", ["river mill"], 1.0, 1.0, 1.0),  # a sign is punctuation
        ("mill mill river", ["mill river"], 0.0, 1.0, 1 / 2),  # repeats count each time
        ("river", ["", "  ", "A river."], 1.0, 1.0, 1.0),
        ("river", ["", "the ..."], 0.0, 0.0, 0.0),  # nothing is left of the context
        (" \n", ["river"], 0.0, 0.0, 0.0),
    ],
)
def test_all_three_by_hand(answer: str, passages: list[str], span: float, unigram: float, bigram: float) -> None:
    assert span_coverage(answer, *passages) == span
    assert unigram_coverage(answer, *passages) == pytest.approx(unigram)
    assert bigram_coverage(answer, *passages) == pytest.approx(bigram)


@pytest.mark.parametrize(
    ("answer", "passages", "marked"),
    [
        ("1931", ["Ada ran.", "It was built in 1931."], "1931"),
        ("Ada's", ["(Ada 's) mill"], "Ada 's"),
        ("the well-known mill", ["A “well - known” Mill."], "well - known” Mill"),
        ("Ada of the Mill", ["Ada of Mill, and Ada of a mill"], "Ada of Mill"),
        ("help", ["self - help is no help"], "help"),
        ("ada", ["The mill—Ada's no, Ada—ran"], "Ada"),
        ("Straße", ["In İzmir, die STRASSE: Straße."], "Straße"),
    ],
)
def test_the_place_of_a_span(answer: str, passages: list[str], marked: str) -> None:
    found = find_span(answer, *passages)
    assert found is not None
    index, start, end = found
    assert passages[index][start:end] == marked
    assert normalize_text(marked) == normalize_text(answer)


def test_the_place_is_that_of_the_whole_token() -> None:
    assert find_span("help", "self - help is no help") == (0, 18, 22)
    assert find_span("art", "a party, art") == (0, 9, 12)
    assert find_span("nothing", "a party") is None
    assert find_span("the", "the party") is None


@given(words, st.data())
def test_every_covered_span_has_a_place_that_reads_like_it(context: list[str], data: st.DataObject) -> None:
    joints = data.draw(st.lists(st.sampled_from([" ", ", ", " - ", "\n", "—", " the "]), min_size=12, max_size=12))
    passage = "".join(word + joint for word, joint in zip(context, joints, strict=False))
    tokens = normalize_text(passage).split()
    start = data.draw(st.integers(0, len(tokens) - 1))
    end = data.draw(st.integers(start + 1, len(tokens)))
    answer = " ".join(tokens[start:end])
    assert span_coverage(answer, passage) == 1.0
    place = find_span(answer, passage)
    assert place is not None
    assert normalize_text(passage[place[1] : place[2]]) == answer


def test_a_long_passage_is_searched_in_one_go() -> None:
    passage = "mill ran, " * 20_000 + "river"  # every word but one begins like the span
    place = find_span("mill ran river", passage)
    assert place is not None
    assert passage[place[1] :] == "mill ran, river"
