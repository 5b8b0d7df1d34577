import re
import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.metrics.normalize import normalize_answer, normalize_text


def squad_reference(s: str) -> str:
    """The normaliser of SQuAD's evaluate-v1.1.py, written out from its four steps."""

    def remove_articles(text: str) -> str:
        return re.sub(r"\b(a|an|the)\b", " ", text)

    def white_space_fix(text: str) -> str:
        return " ".join(text.split())

    def remove_punc(text: str) -> str:
        exclude = set(string.punctuation)
        return "".join(ch for ch in text if ch not in exclude)

    return white_space_fix(remove_articles(remove_punc(s.lower())))


@given(st.one_of(st.text(), st.text(alphabet="aAnthe -'/.,\tTHE’é", max_size=60)))
def test_normalize_answer_is_squads(text: str) -> None:
    assert normalize_answer(text) == squad_reference(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("The cat, the hat!", "cat hat"),
        ("well - known", "wellknown"),
        ("well-known", "wellknown"),
        ("and / or", "andor"),
        ("Ada 's book", "adas book"),
        ("Ada ’s book", "adas book"),
        ("Ada's book", "adas book"),
        ("an apple a day", "apple day"),
        ("theatre banana", "theatre banana"),
        ("A.", ""),
        ("“quoted” — word", "quoted word"),
        ("king—the last", "king last"),
        ("snake_case", "snakecase"),
        ("$3.50", "350"),
        ("Café  Ünï\n7", "café ünï 7"),
        ("it ' s", "it s"),
        ("six 'six'", "six six"),
        ("", ""),
    ],
)
def test_normalize_text(text: str, expected: str) -> None:
    assert normalize_text(text) == expected


@given(st.text())
def test_normalize_text_leaves_clean_tokens(text: str) -> None:
    normalized = normalize_text(text)
    assert normalized == " ".join(normalized.split())
    assert not set(normalized) & set(string.punctuation)
    assert not {"a", "an", "the"} & set(normalized.split())
    assert normalize_text(normalized) == normalized
