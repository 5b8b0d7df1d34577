"""Which example stands where in an epoch: one seeded index map."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np


def equal_mixture(sizes: Mapping[str, int], *, seed: int) -> list[tuple[str, int]]:
    """Up-sample every data set to the size of the largest and shuffle (paper, A.3).

    A smaller set is repeated in whole passes plus a seeded remainder drawn without replacement, so that within the
    epoch no example of a set stands more than once oftener than another of the same set.

    Args:
        sizes: Data set → number of examples, each at least 1.
        seed: Of the remainder and of the order.

    Returns:
        (data set, index) pairs: ``len(sizes) * max(sizes)`` of them.

    >>> sorted(equal_mixture({"a": 1, "b": 2}, seed=0))
    [('a', 0), ('a', 0), ('b', 0), ('b', 1)]
    """
    rng = np.random.default_rng(seed)
    target = max(sizes.values())
    rows: list[tuple[str, int]] = []
    for name in sorted(sizes):
        passes, remainder = divmod(target, sizes[name])
        indices = np.concatenate(
            [np.tile(np.arange(sizes[name]), passes), rng.choice(sizes[name], size=remainder, replace=False)]
        )
        rows.extend((name, int(index)) for index in indices)
    return [rows[i] for i in rng.permutation(len(rows))]


def shuffled(size: int, *, seed: int) -> list[int]:
    """A seeded order of ``size`` rows.

    >>> sorted(shuffled(3, seed=1))
    [0, 1, 2]
    """
    return [int(i) for i in np.random.default_rng(seed).permutation(size)]
