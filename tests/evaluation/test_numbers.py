import pytest

from reset_pl.evaluation import numbers


@pytest.mark.parametrize(
    ("value", "text"), [(0.755001, ".76"), (0.0, ".00"), (1.0, "1.00"), (2.314, "2.31"), (-0.5, "−.50"), (None, "–")]
)
def test_scores_are_written_as_in_the_paper(value: float | None, text: str) -> None:
    assert numbers.score(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0, ".00"), (-0.004, ".00"), (0.006, "+.01"), (None, "–")])
def test_a_difference_that_rounds_to_nothing_has_no_sign(value: float | None, text: str) -> None:
    assert numbers.signed(value) == text


@pytest.mark.parametrize(("value", "text"), [(59.7, "1 min 0 s"), (9.96, "10 s"), (3600, "1 h 0 min"), (0, "0.0 s")])
def test_durations_carry_over(value: float, text: str) -> None:
    assert numbers.duration(value) == text


@pytest.mark.parametrize(("value", "text"), [(0.0001, "<0.1%"), (0.00999, "1%"), (0.004, "0.4%"), (0.0, "0%")])
def test_a_small_rate_never_reads_as_none(value: float, text: str) -> None:
    assert numbers.share(value) == text
