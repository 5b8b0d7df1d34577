"""What a parser says is one line, with the key and the reason and without the types that were tried."""

from __future__ import annotations

import pytest
from jsonargparse import ArgumentParser

from reset_pl.arguments import OneLineErrors, bad_input_behind
from reset_pl.errors import InputError


class Parser(OneLineErrors, ArgumentParser):
    pass


def test_an_error_is_one_line() -> None:
    parser = Parser()
    parser.add_argument("--count", type=int | None)
    with pytest.raises(InputError) as raised:
        parser.parse_args(["--count", "many"])
    assert "count" in str(raised.value)
    assert "many" in str(raised.value) or "<class 'int'>" in str(raised.value)
    assert "\n" not in str(raised.value)
    assert "NoneType" not in str(raised.value)


def test_the_reason_of_a_constructor_is_found() -> None:
    reason, outer, alone = InputError("expected another split"), ValueError("does not validate"), ValueError("alone")
    outer.__cause__ = TypeError("of a subtype")
    outer.__cause__.__context__ = reason
    assert bad_input_behind(outer) is reason
    assert bad_input_behind(alone) is None
