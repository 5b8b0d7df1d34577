"""Chat completions of an OpenAI-compatible endpoint, within limits and a budget, retried until they can be used."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

__all__ = ["ChatClient", "NoReply", "Reply"]


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


class ChatClient:
    """See the issue; being written."""

    def __init__(
        self,
        model: str,
        base_url: str | None = None,
        api_key_env: str | None = "OPENAI_API_KEY",
        concurrency: int = 32,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        deadline: float = 300.0,
        budget: float | None = None,
        dollars_per_million_prompt_tokens: float = 0.0,
        dollars_per_million_completion_tokens: float = 0.0,
        allow_model_change: bool = False,
    ) -> None:
        self.spent = 0.0
        self.requests = 0
        # What LLMJudge reads besides: it passes its own **settings on to this class.
        self.concurrency, self.budget, self.allow_model_change = concurrency, budget, allow_model_change
        self.prices = (dollars_per_million_prompt_tokens, dollars_per_million_completion_tokens)

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """US dollars for so many tokens."""
        return (prompt_tokens * self.prices[0] + completion_tokens * self.prices[1]) / 1e6

    def submit(
        self, messages: Sequence[Mapping[str, str]], *, max_tokens: int, accept: Callable[[str], object]
    ) -> Future[Reply]:
        """Ask for one reply; one that the length limit cut off (finish_reason ``length``) is not accepted."""
        raise NotImplementedError

    def share(self, world_size: int, spent: float = 0.0) -> None:
        """This process takes its share of the limits, and of what ``spent`` dollars left of the budget."""

    def note(self) -> str:
        """Requests, money and retries so far."""
        return ""

    def close(self) -> None:
        """End the connection."""
