"""What the commands' parsers share: errors of one line."""

from __future__ import annotations

from typing import NoReturn

from reset_pl.errors import InputError

# What jsonargparse says around the reason: the types that it tried, and the whole value again.
_AROUND = ("Does not validate against", "Subtypes:", "Errors:", "Expected a <class 'NoneType'>", "Given value")


class OneLineErrors:
    """A jsonargparse parser whose errors are one message and not a page of usage."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Raise what ``__main__`` prints."""
        lines = [line.strip(" -") for line in message.splitlines()]
        raise InputError(" ".join(line for line in lines if not line.startswith(_AROUND)) or message) from ex


def bad_input_behind(error: BaseException | None) -> InputError | None:
    """What a constructor said of its arguments: jsonargparse buries it under the types that did not match."""
    while error is not None and not isinstance(error, InputError):
        error = error.__cause__ or error.__context__
    return error
