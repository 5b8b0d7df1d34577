import random

from reset_pl.metrics.language import detect_language, known_languages
from tests.metrics.ifeval_pairs import LANGUAGES


def test_sentences_are_recognised() -> None:
    assert {code: detect_language(text) for code, text in LANGUAGES.items()} == {code: code for code in LANGUAGES}


def test_nothing_to_go_by_is_no_language() -> None:
    assert [detect_language(text) for text in ("", " ", "123: 4!", "???")] == [None] * 4


def test_an_ambiguous_text_has_the_same_language_each_time() -> None:
    """Without a seed, ``langdetect`` takes it for Finnish, Czech or Somali, from call to call."""
    assert len({detect_language("taxi hotel") for _ in range(30)}) == 1


def test_the_seed_is_nobody_elses() -> None:
    random.seed(0)
    state = random.getstate()
    detect_language(LANGUAGES["en"])
    assert random.getstate() == state


def test_languages_that_can_be_answered() -> None:
    assert set(LANGUAGES) | {"zh-cn", "zh-tw"} <= known_languages()
    assert len(known_languages()) == 55
