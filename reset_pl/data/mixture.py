"""Which example stands where in an epoch: how often each set is read, and one seeded index map."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np

from reset_pl.errors import InputError


class Mixture(Protocol):
    """Decides how many rows of an epoch each data set gets. Anything with this method is a mixture."""

    def rows(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Data set → rows in the epoch, from data set → its number of examples, each at least 1."""
        ...


class EqualMixture(Mixture):
    """Up-samples every data set to the size of the largest (paper, A.3).

    >>> EqualMixture().rows({"a": 1, "b": 3})
    {'a': 3, 'b': 3}
    """

    def rows(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The largest size for each."""
        return dict.fromkeys(sizes, max(sizes.values()))


class ProportionalMixture(Mixture):
    """Reads every example once.

    >>> ProportionalMixture().rows({"a": 1, "b": 3})
    {'a': 1, 'b': 3}
    """

    def rows(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Each set's own size."""
        return dict(sizes)


class TemperatureMixture(Mixture):
    """Between the two: shares proportional to ``size ** (1 / temperature)``, the largest set read once.

    Temperature 1 is ``ProportionalMixture``; a high temperature approaches ``EqualMixture``.

    Args:
        temperature: At least 1.

    Raises:
        InputError: The temperature is below 1.

    >>> TemperatureMixture(2).rows({"a": 1, "b": 100})
    {'a': 10, 'b': 100}
    """

    def __init__(self, temperature: float) -> None:
        if not temperature >= 1:
            raise InputError(f"expected TemperatureMixture.temperature of at least 1, but got {temperature}")
        self.temperature = temperature

    def rows(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """At least the set's own size, at most the largest."""
        largest = max(sizes.values())
        return {name: round(largest * (size / largest) ** (1 / self.temperature)) for name, size in sizes.items()}


class FactorMixture(Mixture):
    """Multiplies each set's size by a factor of its own.

    Args:
        factors: Data set → factor above 0; 2 reads every example twice, 0.5 a seeded half of them in each epoch. A set
            that is not named is read once.

    Raises:
        InputError: A factor is not above 0, or names no training set.

    >>> FactorMixture({"a": 2.5}).rows({"a": 2, "b": 3})
    {'a': 5, 'b': 3}
    """

    def __init__(self, factors: dict[str, float]) -> None:
        for name, factor in factors.items():
            if not 0 < factor < float("inf"):
                raise InputError(f"expected a factor above 0 for {name!r} in FactorMixture.factors, but got {factor}")
        self.factors = factors

    def rows(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """Size times factor, at least 1."""
        unknown = sorted(set(self.factors) - set(sizes))
        if unknown:
            raise InputError(
                f"expected FactorMixture.factors to name training sets ({', '.join(sizes)}), but got {unknown[0]!r}"
            )
        return {name: max(round(size * self.factors.get(name, 1.0)), 1) for name, size in sizes.items()}


def index_map(sizes: Mapping[str, int], rows: Mapping[str, int], *, seed: int) -> np.ndarray:
    """The order of an epoch.

    A set is repeated in whole passes plus a seeded remainder drawn without replacement, so that within the epoch no
    example of a set stands more than once oftener than another of the same set.

    Args:
        sizes: Data set → number of examples, each at least 1.
        rows: Data set → its rows in the epoch.
        seed: Of the remainder and of the order.

    Returns:
        (sum of ``rows``,) int64: positions in the sets laid end to end in the order of their names.

    >>> sorted(index_map({"a": 1, "b": 2}, {"a": 2, "b": 2}, seed=0).tolist())
    [0, 0, 1, 2]
    """
    rng = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    start = 0
    for name in sorted(sizes):
        passes, remainder = divmod(rows[name], sizes[name])
        drawn = rng.choice(sizes[name], size=remainder, replace=False)
        parts.append(start + np.concatenate([np.tile(np.arange(sizes[name]), passes), drawn]))
        start += sizes[name]
    order = np.concatenate(parts)
    return order[rng.permutation(len(order))]
