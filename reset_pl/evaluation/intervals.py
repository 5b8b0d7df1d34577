"""Bootstrap intervals: of a mean, of a macro average over data sets, and of paired differences. Seeded, numpy only.

All are percentile bootstraps. A macro average is resampled *within* each data set and then averaged, because the data
sets are fixed and only their examples were drawn. A paired difference resamples examples, not scores, so that what
makes an example hard cancels out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from reset_pl.records import stable_hash

__all__ = [
    "Interval",
    "bootstrap_interval",
    "macro_interval",
    "macro_paired_interval",
    "macro_unpaired_interval",
    "paired_interval",
]

Values: TypeAlias = Sequence[float] | NDArray[np.floating]

_BLOCK = 1 << 22
"""Drawn indices held at once (32 MiB), so that a large data set costs time and not memory."""


@dataclass(frozen=True, kw_only=True)
class Interval:
    """A mean and the interval that its resampled means fall into."""

    mean: float
    """Mean of the values themselves, not of the resamples."""
    low: float
    """Lower end."""
    high: float
    """Upper end."""
    n: int
    """Number of values, over all data sets."""

    @property
    def half_width(self) -> float:
        """Half the interval's width, for ``mean ± half_width``."""
        return (self.high - self.low) / 2

    def to_json(self) -> dict[str, float]:
        """The ``{mean, low, high}`` of ``evaluation/<stage>.json``."""
        return {"mean": self.mean, "low": self.low, "high": self.high}


def bootstrap_interval(values: Values, *, seed: int, resamples: int = 1000, level: float = 0.95) -> Interval:
    """Interval of a mean.

    Args:
        values: one score an example; finite, at least one.
        seed: equal seeds and values give equal intervals.
        resamples: number of bootstrap resamples.
        level: share of the resampled means inside the interval, in (0, 1).

    Returns:
        The mean with its interval; a single value, or equal ones, give an interval of no width.

    Raises:
        ValueError: no values, or one that is not finite.

    >>> bootstrap_interval([0.5, 0.5], seed=0)
    Interval(mean=0.5, low=0.5, high=0.5, n=2)
    """
    return macro_interval({"": values}, seed=seed, resamples=resamples, level=level)


def macro_interval(
    values_by_dataset: Mapping[str, Values], *, seed: int, resamples: int = 1000, level: float = 0.95
) -> Interval:
    """Interval of the macro average: each data set weighs the same, whatever its size.

    Args:
        values_by_dataset: data set → one score an example. The order of the data sets does not matter.
        seed: equal seeds and values give equal intervals.
        resamples: number of bootstrap resamples.
        level: share of the resampled macro averages inside the interval, in (0, 1).

    Returns:
        The macro average with its interval; ``n`` counts the examples of all data sets.

    Raises:
        ValueError: no data set, or one that is empty or holds a value that is not finite.

    >>> macro_interval({"small": [1.0], "large": [0.0, 0.0, 0.0]}, seed=0)
    Interval(mean=0.5, low=0.5, high=0.5, n=4)
    """
    if not values_by_dataset:
        raise ValueError("Expected at least one data set to average over, but got none")
    if not 0 < level < 1 or resamples < 1:
        raise ValueError(f"Expected `level` in (0, 1) and `resamples` >= 1, but got {level} and {resamples}")
    arrays = {name: _checked(name, values) for name, values in sorted(values_by_dataset.items())}
    means = np.mean([_resampled_means(array, stable_hash(seed, name), resamples) for name, array in arrays.items()], 0)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    mean = np.mean([array.mean() for array in arrays.values()])
    return Interval(mean=float(mean), low=float(low), high=float(high), n=sum(map(len, arrays.values())))


def paired_interval(
    before: Values, after: Values, *, seed: int, resamples: int = 1000, level: float = 0.95
) -> Interval:
    """Interval of the mean difference ``after - before``; equal positions are the same example.

    >>> paired_interval([0.0, 0.5], [0.25, 0.75], seed=0)
    Interval(mean=0.25, low=0.25, high=0.25, n=2)
    """
    return macro_paired_interval({"": before}, {"": after}, seed=seed, resamples=resamples, level=level)


def macro_paired_interval(
    before_by_dataset: Mapping[str, Values],
    after_by_dataset: Mapping[str, Values],
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Interval of the macro-averaged difference ``after - before``, pairs resampled within each data set.

    Args:
        before_by_dataset: data set → one score an example.
        after_by_dataset: the same data sets and examples, in the same order, scored a second time.
        seed: equal seeds and values give equal intervals.
        resamples: number of bootstrap resamples.
        level: share of the resampled differences inside the interval, in (0, 1).

    Returns:
        The difference of the macro averages with its interval; ``n`` counts the pairs.

    Raises:
        ValueError: the two sides differ in their data sets or in a data set's length.
    """
    _require_same_sets(before_by_dataset, after_by_dataset)
    differences = {
        name: _difference(name, before, after_by_dataset[name]) for name, before in before_by_dataset.items()
    }
    return macro_interval(differences, seed=seed, resamples=resamples, level=level)


def macro_unpaired_interval(
    before_by_dataset: Mapping[str, Values],
    after_by_dataset: Mapping[str, Values],
    *,
    seed: int,
    resamples: int = 1000,
    level: float = 0.95,
) -> Interval:
    """Interval of the macro-averaged difference ``after - before`` of different examples: each side is resampled.

    Args:
        before_by_dataset: data set → one score an example.
        after_by_dataset: the same data sets, with examples of their own.
        seed: equal seeds and values give equal intervals.
        resamples: number of bootstrap resamples.
        level: share of the resampled differences inside the interval, in (0, 1).

    Raises:
        ValueError: the two sides differ in their data sets, or a set is empty or holds a value that is not finite.

    >>> macro_unpaired_interval({"qa": [0.5]}, {"qa": [0.75, 0.75]}, seed=0)
    Interval(mean=0.25, low=0.25, high=0.25, n=3)
    """
    _require_same_sets(before_by_dataset, after_by_dataset)
    differences, centres, n = [], [], 0
    for name in sorted(before_by_dataset):
        before, after = _checked(name, before_by_dataset[name]), _checked(name, after_by_dataset[name])
        resampled = [
            _resampled_means(values, stable_hash(seed, name, side), resamples)
            for side, values in (("before", before), ("after", after))
        ]
        differences.append(resampled[1] - resampled[0])
        centres.append(after.mean() - before.mean())
        n += len(before) + len(after)
    low, high = np.quantile(np.mean(differences, 0), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean=float(np.mean(centres)), low=float(low), high=float(high), n=n)


def _require_same_sets(before: Mapping[str, Values], after: Mapping[str, Values]) -> None:
    if before.keys() != after.keys() or not before:
        raise ValueError(f"Expected the same data sets on both sides, but got {sorted(before)} and {sorted(after)}")


def _difference(name: str, before: Values, after: Values) -> NDArray[np.float64]:
    """``after - before`` of one data set, after a check that they pair up."""
    if len(before) != len(after):
        raise ValueError(f"Expected pairs{_of(name)}, but got {len(before)} scores before and {len(after)} after")
    return _checked(name, after) - _checked(name, before)


def _checked(name: str, values: Values) -> NDArray[np.float64]:
    """The values as a vector, refused when empty or not finite: a missing score must not become part of a mean."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 1 or not array.size:
        raise ValueError(f"Expected at least one value{_of(name)}, but got an array of shape {array.shape}")
    if not np.isfinite(array).all():
        raise ValueError(f"Expected finite values{_of(name)}, but got {int((~np.isfinite(array)).sum())} that are not")
    return array


def _of(name: str) -> str:
    """`` of data set 'x'`` for messages; nothing for the single unnamed one."""
    return f" of data set {name!r}" if name else ""


def _resampled_means(values: NDArray[np.float64], seed: int, resamples: int) -> NDArray[np.float64]:
    """Mean of each resample, drawn in blocks of rows."""
    generator = np.random.default_rng(seed)
    rows = max(1, _BLOCK // len(values))
    blocks = []
    for start in range(0, resamples, rows):
        indices = generator.integers(len(values), size=(min(rows, resamples - start), len(values)))
        blocks.append(values[indices].mean(axis=1))
    return np.concatenate(blocks)
