"""Tests of paired differences: sign flips over examples, and Holm's correction for several tests at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from reset_pl.evaluation.intervals import Values

__all__ = ["holm", "sign_flip_test"]

_BLOCK = 1 << 20
"""Sums of eight held at once (8 MiB)."""
_EIGHT_SIGNS = 1.0 - 2.0 * np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1)  # (256, 8)


def sign_flip_test(differences: Mapping[str, Values], *, seed: int, resamples: int = 99_999) -> float:
    """Two-sided permutation test that the two sides of paired differences could be exchanged (Fisher's).

    Under that hypothesis each example's difference could as well have had the other sign. The statistic is the macro
    average, so a difference weighs one over the size of its data set.

    Args:
        differences: Data set → one difference an example; finite.
        seed: Equal seeds and differences give equal values.
        resamples: Number of random assignments of signs.

    Returns:
        Share of the assignments, the observed one among them, whose macro average is at least as far from 0; so the
        smallest is ``1 / (resamples + 1)`` (Phipson and Smyth, 2010).

    >>> sign_flip_test({"qa": [0.0, 0.0]}, seed=0)
    1.0
    """
    shares = np.concatenate([np.asarray(own, dtype=np.float64) / len(own) for _, own in sorted(differences.items())])
    shares = shares[shares != 0]  # no sign of theirs changes the average
    if not shares.size:
        return 1.0
    bound = abs(shares.sum()) * (1 - 1e-9)  # assignments that are equal but for rounding count
    eights = np.pad(shares, (0, -len(shares) % 8)).reshape(-1, 8)
    sums = eights @ _EIGHT_SIGNS.T  # (eights, 256): of every assignment to eight differences, looked up by its byte
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK // len(eights))
    as_far = 0
    for start in range(0, resamples, rows):
        signs = generator.integers(256, size=(min(rows, resamples - start), len(eights)), dtype=np.uint8)
        as_far += int((abs(sums[np.arange(len(eights)), signs].sum(axis=1)) >= bound).sum())
    return (as_far + 1) / (resamples + 1)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment: rejecting those at most ``alpha`` errs anywhere with that probability at most.

    >>> holm([0.04, 0.01, 0.03])
    [0.06, 0.03, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    largest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return adjusted
