"""Money: what requests may cost, and what they did."""

from __future__ import annotations

from reset_pl.errors import InputError

__all__ = ["Budget"]


class Budget:
    """A hard limit in US dollars: the worst case of a request is reserved before it is sent.

    Args:
        dollars: What may be spent; none: no limit.
        prompt_price: Dollars for a million prompt tokens.
        completion_price: Dollars for a million completion tokens.
    """

    def __init__(self, dollars: float | None, prompt_price: float, completion_price: float) -> None:
        self.dollars = dollars
        self.prompt_price, self.completion_price = prompt_price, completion_price
        self.spent = 0.0
        """Dollars, as far as replies reported their usage."""
        self._reserved = 0.0

    def price(self, prompt_tokens: int, completion_tokens: int) -> float:
        """Dollars for so many tokens."""
        return (prompt_tokens * self.prompt_price + completion_tokens * self.completion_price) / 1e6

    def reserve(self, worst: float) -> bool:
        """Set dollars aside; false while only what others have set aside, and may not need, stands in the way.

        Raises:
            InputError: It does not fit, and nothing is set aside.
        """
        if self.dollars is None or self.spent + self._reserved + worst <= self.dollars:
            self._reserved += worst
            return True
        if self._reserved > 0.0:
            return False
        raise InputError(
            f"the budget is spent: ${self.spent:.4f} of budget=${self.dollars:.4f}, and the next request may cost up "
            f"to ${worst:.4f}; raise budget and start the same command again: what was judged is kept"
        )

    def settle(self, worst: float, cost: float) -> None:
        """A request that reserved ``worst`` cost so much."""
        # Sums of many small numbers do not come out at exactly 0, and what is left would look set aside.
        self._reserved = self._reserved - worst if self._reserved - worst > 1e-12 else 0.0
        self.spent += cost
