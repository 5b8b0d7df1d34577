import pytest

from reset_pl.metrics.exact_match import exact_match


@pytest.mark.parametrize(
    ("answer", "references", "expected"),
    [
        ("the Nile", ["Nile."], 1.0),
        ("Nile", ["Amazon", "nile"], 1.0),
        ("the Nile river", ["Nile"], 0.0),
        ("well-known", ["well known"], 0.0),  # SQuAD deletes the hyphen
        ("well - known", ["wellknown"], 0.0),  # and does not close spaces, unlike A.2
        ("", ["Nile"], 0.0),
    ],
)
def test_exact_match(answer: str, references: list[str], expected: float) -> None:
    assert exact_match(answer, *references) == expected


def test_no_reference_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least one reference"):
        exact_match("Nile")
