import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rouge_score.rouge_scorer import RougeScorer

from reset_pl.metrics.rouge import rouge_l

SCORER = RougeScorer(["rougeL"])
texts = st.one_of(st.text(max_size=80), st.text(alphabet="ab cB-'1.é\nİ", max_size=80))


@given(texts, texts)
def test_equals_rouge_score(answer: str, reference: str) -> None:
    expected = SCORER.score(reference, answer)["rougeL"].fmeasure
    assert rouge_l(answer, reference) == pytest.approx(expected, abs=1e-9)


@given(texts, st.lists(texts, min_size=1, max_size=4))
def test_best_reference_equals_rouge_score(answer: str, references: list[str]) -> None:
    expected = SCORER.score_multi(references, answer)["rougeL"].fmeasure
    assert rouge_l(answer, *references) == pytest.approx(expected, abs=1e-9)


def test_long_texts_equal_rouge_score() -> None:
    """Beyond 64 tokens the library works in blocks of machine words."""
    rng = random.Random(0)
    vocabulary = [f"w{i}" for i in range(40)]
    for _ in range(30):
        answer, reference = (" ".join(rng.choices(vocabulary, k=rng.randrange(60, 300))) for _ in range(2))
        expected = SCORER.score(reference, answer)["rougeL"].fmeasure
        assert rouge_l(answer, reference) == pytest.approx(expected, abs=1e-9)
        assert 0 < expected < 1


@given(st.data())
def test_summaries_equal_rouge_score(data: st.DataObject) -> None:
    """Texts of 20 to 140 words that share words in their order, as a summary does with its reference."""
    word = st.sampled_from(["the", "a", "mill", "U.S.", "well-known", "1931", "river,", "Ada's", "Élan", "burned."])
    reference = data.draw(st.lists(word, min_size=20, max_size=140))
    kept = data.draw(st.lists(st.booleans(), min_size=len(reference), max_size=len(reference)))
    answer = [own for own, keep in zip(reference, kept, strict=True) if keep]
    answer += data.draw(st.lists(word, min_size=20, max_size=140 - min(len(answer), 120)))
    texts = " ".join(answer), " ".join(reference)
    expected = SCORER.score(texts[1], texts[0])["rougeL"].fmeasure
    assert rouge_l(*texts) == pytest.approx(expected, abs=1e-9)
    assert expected > 0 or not any(kept)


def test_no_reference_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one reference"):
        rouge_l("text")
