"""What a parser says is one line, with the key and the reason and without the types that were tried."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

import pytest
from jsonargparse import ArgumentParser

from reset_pl.arguments import SIGNATURES, TOP_LEVEL, OneLineErrors, bad_input_behind
from reset_pl.data.sources import Source
from reset_pl.errors import InputError
from reset_pl.preparation.command import run as prepare
from reset_pl.records import Example, Judge


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


def test_an_option_that_there_is_not_points_to_the_help() -> None:
    with pytest.raises(InputError, match="there is no option --oot x here: see --help"):
        Parser().parse_args(["--oot", "x"])


def test_the_reason_of_a_constructor_is_found() -> None:
    reason, outer, alone = InputError("expected another split"), ValueError("does not validate"), ValueError("alone")
    outer.__cause__ = TypeError("of a subtype")
    outer.__cause__.__context__ = reason
    assert bad_input_behind(outer) is reason
    assert bad_input_behind(alone) is None


class Narrow:
    name = "narrow"

    def load(self) -> list[Example]:
        return []


class Exact:
    name = "exact"

    def load(self) -> Sequence[Example]:
        return []


def test_a_source_with_other_annotations_is_told_which_are_expected() -> None:
    parser = Parser()
    parser.add_argument("--source", type=Source)
    assert parser.parse_args(["--source", f"{__name__}.Exact"]).source.class_path == f"{__name__}.Exact"
    with pytest.raises(InputError) as raised:
        parser.parse_args(["--source", f"{__name__}.Narrow"])
    assert "Narrow does not pass for a Source" in str(raised.value)
    assert "`def load(self) -> Sequence[Example]`" in str(raised.value)


@pytest.mark.parametrize("protocol", [Source, Judge])
def test_the_signatures_named_are_those_of_the_protocols(protocol: type) -> None:
    signature = SIGNATURES[protocol.__name__]
    name = signature.partition("(")[0]
    assert f"{name}{inspect.signature(getattr(protocol, name))}".replace("'", "") == signature


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Subcommand 'fit' does not accept option 'train'", "no option 'train' here, but prepare has one: is the file"),
        ("Option 'trainer.devices' is not accepted", "no option 'trainer.devices' here, but fit has one: is the file"),
        ("Subcommand 'fit' does not accept option 'trainer.x'", "there is no option 'trainer.x' here: see --help"),
        ("Option 'limits' is not accepted", "there is no option 'limits' here: see --help"),
        ("the following arguments are required: fit.data.train, fit.model", "expected --data.train and --model, but"),
        ("the following arguments are required: fit.model", "expected --model, but got none: give a --config FILE"),
    ],
)
def test_keys_are_named_as_the_user_writes_them(message: str, expected: str) -> None:
    with pytest.raises(InputError) as raised:
        Parser().error(message)
    assert expected in str(raised.value)


def test_the_keys_of_prepare_are_its_own() -> None:
    assert set(TOP_LEVEL["prepare"]) == set(inspect.signature(prepare).parameters)
    assert not set(TOP_LEVEL["prepare"]) & set(TOP_LEVEL["fit"])
