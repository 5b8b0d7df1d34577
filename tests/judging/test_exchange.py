from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest

from reset_pl.judging.exchange import redact, retry_after_seconds

KEY = "sk-proj-Zq8vT3mW1x"


@pytest.mark.parametrize(
    "text",
    [
        f"Incorrect API key provided: {KEY}.",
        f'{{"Authorization": "Bearer {KEY}"}}',
        f"key={KEY[:9]}",
        f"…{KEY[-7:]}",
        f"{KEY[:3]}*****{KEY[-4:]}",
    ],
)
def test_keys_whole_partial_and_masked_are_taken_out(text: str) -> None:
    line = redact(text, KEY)
    assert "[key]" in line
    assert not any(KEY[i : i + 4] in line for i in range(len(KEY) - 3))


def test_a_message_without_the_key_stays_and_is_one_short_line() -> None:
    assert redact("Too long:\n  4096 tokens\tat most", KEY) == "Too long: 4096 tokens at most"
    assert redact("Too long", None) == "Too long"
    assert len(redact("word " * 1000, KEY)) <= 301


@pytest.mark.parametrize(
    ("value", "seconds"),
    [("7", 7.0), ("0.5", 0.5), ("-3", 0.0), ("", None), ("soon", None), ("nan", None), ("inf", None)],
)
def test_retry_after_in_seconds(value: str, seconds: float | None) -> None:
    assert retry_after_seconds({"retry-after": value}) == seconds


def test_retry_after_as_a_date() -> None:
    moment = datetime.now(UTC) + timedelta(seconds=100)
    assert 98 <= (retry_after_seconds({"retry-after": format_datetime(moment, usegmt=True)}) or 0) <= 100
    assert retry_after_seconds({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
    assert retry_after_seconds({"retry-after": "Wed, 21 Oct 2015 07:28:00 -0000"}) == 0.0
    assert retry_after_seconds({}) is None
