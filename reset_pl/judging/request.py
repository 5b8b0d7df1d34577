"""What is asked of a chat model, how it went so far, and how it can end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

__all__ = ["NoReply", "Reply", "Request"]


@dataclass(frozen=True, kw_only=True)
class Reply:
    """One reply that was accepted."""

    text: str
    """What the model wrote."""
    model: str
    """The id of the model that answered, as the endpoint names it."""
    prompt_tokens: int
    """Tokens of this reply's prompt, as the endpoint counts them."""
    completion_tokens: int
    """Tokens of the reply, likewise."""
    cost: float
    """US dollars, all attempts of this request together."""


class NoReply(Exception):  # noqa: N818  (what happened, not what went wrong in the program)
    """A request that got no usable reply, for good; the message says why in one line.

    Args:
        message: The reason.
        cost: US dollars spent on its attempts.
    """

    def __init__(self, message: str, cost: float = 0.0) -> None:
        super().__init__(message)
        self.cost = cost


@dataclass(eq=False)
class Request:
    """What is asked, and how it went so far."""

    messages: Sequence[Mapping[str, str]]
    max_tokens: int
    accept: Callable[[str], object]
    reply: Future[Reply] = field(default_factory=Future)
    seconds: float = 0.0
    """In flight and in its own back-off."""
    cost: float = 0.0
    """US dollars, as far as usage was reported."""
    is_sent: bool = False
    """Whether it is in flight now."""
    met: Counter[type[Exception]] = field(default_factory=Counter)
    """How often it failed in which way."""

    @property
    def tokens(self) -> int:
        """An estimate of prompt and completion: four characters a token, and the longest reply."""
        return sum(len(message["content"]) // 4 + 4 for message in self.messages) + self.max_tokens

    @property
    def most_prompt_tokens(self) -> int:
        """No tokenizer makes more of it: a byte is a token at worst, and the template adds some."""
        return sum(len(message["content"].encode(errors="replace")) + 16 for message in self.messages)
