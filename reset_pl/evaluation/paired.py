"""Two ways to train, compared over the same examples and several seeds: macro-averaged paired differences.

A side of a comparison is one ``Scores`` a seed. A pair is one example's score on both sides at the same seed; what only
one side has is no pair, and is counted.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from reset_pl.evaluation.intervals import Interval, macro_paired_interval
from reset_pl.evaluation.significance import sign_flip_test

__all__ = ["Difference", "Scores", "compare", "like_length", "of_datasets", "of_examples", "read_scores"]

LIKE_LENGTH = 0.2
"""Share of the longer answer by which two lengths may differ and still be alike."""
_RESAMPLES = 2000
_SEED = 0

Scores: TypeAlias = Mapping[str, Mapping[str, float]]
"""Data set → example id → score."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A score on both sides of a comparison, and what lies between."""

    before: float
    """Macro average of the pairs on the first side."""
    after: float
    """Macro average of the pairs on the second side."""
    interval: Interval
    """``after - before``; examples are resampled within each data set, the answers of all seeds to one example stay
    together; ``n`` counts the examples."""
    per_seed: tuple[float, ...]
    """The difference at each seed by itself."""
    p: float
    """Of a sign-flip permutation test over examples, two-sided; it knows nothing of other seeds."""
    unpaired: tuple[str, ...]
    """Ids of the examples that only one side has a score of, at any seed."""
    datasets: tuple[str, ...]
    """What the averages are over."""


def read_scores(run_dir: Path, stage: str, column: str) -> dict[str, dict[str, float]]:
    """The examples' scores of one stage: data set → example id → score.

    Args:
        run_dir: The run's directory.
        stage: Name of the stage.
        column: Column of ``evaluation/<stage>.parquet``.

    Returns:
        The scores that are there and finite; nothing where the rows were not kept, cannot be read or lack the column.
    """
    path = Path(run_dir) / "evaluation" / f"{stage}.parquet"
    try:
        table = pq.read_table(path, columns=["example_id", "dataset", column])
    except (OSError, pa.ArrowException):
        return {}
    if not {"example_id", "dataset", column} <= set(table.column_names):
        return {}
    columns = (table[key].to_pylist() for key in ("example_id", "dataset", column))
    scores: dict[str, dict[str, float]] = {}
    for example_id, dataset, value in zip(*columns, strict=True):
        if isinstance(value, int | float) and math.isfinite(value):
            scores.setdefault(dataset, {})[example_id] = float(value)
    return scores


def compare(before: Sequence[Scores], after: Sequence[Scores]) -> Difference | None:
    """The macro-averaged paired difference ``after - before``.

    An example's scores are averaged over the seeds at which it is a pair, then examples within their data set, then
    data sets, each weighing the same.

    Args:
        before: One entry a seed.
        after: The same seeds in the same order.

    Returns:
        The difference; None without a single pair.

    >>> compare([{"qa": {"a": 0.5, "b": 0.0}}], [{"qa": {"a": 1.0, "c": 1.0}}]).unpaired
    ('b', 'c')
    """
    first, second = _averaged(before, after)
    if not first:
        return None
    interval = macro_paired_interval(first, second, seed=_SEED, resamples=_RESAMPLES)
    alone = {
        example_id
        for one, other in zip(before, after, strict=True)
        for name in one.keys() | other.keys()
        for example_id in one.get(name, {}).keys() ^ other.get(name, {}).keys()
    }
    seeds = [_averaged([one], [other]) for one, other in zip(before, after, strict=True)]
    return Difference(
        before=_macro(first),
        after=_macro(second),
        interval=interval,
        per_seed=tuple(_macro(other) - _macro(one) for one, other in seeds if one),
        p=sign_flip_test({name: second[name] - first[name] for name in first}, seed=_SEED),
        unpaired=tuple(sorted(alone)),
        datasets=tuple(sorted(first)),
    )


def like_length(before: Sequence[Scores], after: Sequence[Scores]) -> Iterator[dict[str, set[str]]]:
    """The examples whose two answers' lengths differ by at most a fifth of the longer, seed by seed.

    >>> list(like_length([{"qa": {"a": 4, "b": 4, "c": 1}}], [{"qa": {"a": 5, "b": 6}}]))
    [{'qa': {'a'}}]
    """
    for one, other in zip(before, after, strict=True):
        yield {
            name: {
                example_id
                for example_id in own.keys() & other[name].keys()
                if abs(own[example_id] - other[name][example_id])
                <= LIKE_LENGTH * max(own[example_id], other[name][example_id])
            }
            for name, own in one.items()
            if name in other
        }


def of_examples(scores: Scores, kept: Mapping[str, Collection[str]]) -> Scores:
    """Only some examples: data set → their ids."""
    return {
        name: {key: value for key, value in own.items() if key in kept[name]}
        for name, own in scores.items()
        if name in kept
    }


def of_datasets(scores: Scores, names: Collection[str]) -> Scores:
    """Only some data sets."""
    return {name: own for name, own in scores.items() if name in names}


def _averaged(
    before: Sequence[Scores], after: Sequence[Scores]
) -> tuple[dict[str, NDArray[np.float64]], dict[str, NDArray[np.float64]]]:
    """Both sides, data set → the pairs' scores in the order of their ids, each the mean over its seeds."""
    pairs: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for one, other in zip(before, after, strict=True):
        for name in one.keys() & other.keys():
            for example_id in one[name].keys() & other[name].keys():
                pair = one[name][example_id], other[name][example_id]
                pairs.setdefault(name, {}).setdefault(example_id, []).append(pair)
    means = {
        name: np.array([[sum(side) / len(side) for side in zip(*own[key], strict=True)] for key in sorted(own)])
        for name, own in sorted(pairs.items())
    }
    return {name: own[:, 0] for name, own in means.items()}, {name: own[:, 1] for name, own in means.items()}


def _macro(values: Mapping[str, NDArray[np.float64]]) -> float:
    return float(np.mean([own.mean() for own in values.values()]))
