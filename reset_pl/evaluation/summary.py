"""Rows of an evaluation → its JSON: means with 95% bootstrap intervals, by test set and macro-averaged."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reset_pl.evaluation.intervals import Interval, bootstrap_interval, macro_interval
from reset_pl.records import Aspect, Example, Objective

Row = dict[str, Any]
_ABSTRACTIVE = (Objective.ABSTRACTIVE_QA, Objective.SUMMARIZATION)

_MEASURES: dict[str, Callable[[Row], float | None]] = {
    "declined": lambda row: float(row["declined"]) if row["answerable"] is True else None,
    "declined_unanswerable": lambda row: float(row["declined"]) if row["answerable"] is False else None,
    "length": lambda row: float(row["token_count"]),
    "finished_stop": lambda row: float(row["finish_reason"] == "stop"),
    "finished_length": lambda row: float(row["finish_reason"] == "length"),
}
"""What is known of an answer without a judge → its value; none where it does not apply."""


def summarise(
    rows: Sequence[Row], examples: Mapping[str, Sequence[Example]], seen: frozenset[str], columns: Sequence[str]
) -> dict[str, Any]:
    """``datasets`` and ``macro`` of ``<stage>.json``.

    Args:
        rows: One an example.
        examples: Data set → its examples.
        seen: Data sets that were trained on.
        columns: Names of the judges' scores.
    """
    by_dataset: defaultdict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_dataset[row["dataset"]].append(row)
    groups = {name: examples[name][0].objective for name in by_dataset}
    # Score → data set → its values, of the sets that have any.
    values = {
        key: {name: found for name, own in sorted(by_dataset.items()) if (found := _values(own, key))}
        for key in (*columns, *_MEASURES)
    }
    datasets = {
        name: {
            "group": str(groups[name]),
            "seen": name in seen,
            "n": len(own),
            "truncated": sum(row["finish_reason"] == "length" for row in own) / len(own),
            "n_faithfulness": len(values[Aspect.FAITHFULNESS].get(name, ())),
            **{key: _interval(of_key.get(name)) for key, of_key in values.items()},
        }
        for name, own in sorted(by_dataset.items())
    }
    return {"datasets": datasets, "macro": _macro(values, groups, seen)}


def _values(rows: Sequence[Row], key: str) -> list[float]:
    measure = _MEASURES.get(key, lambda row: row.get(key))
    return [value for row in rows if (value := measure(row)) is not None]


def _macro(
    values: Mapping[str, Mapping[str, Sequence[float]]], groups: Mapping[str, Objective], seen: frozenset[str]
) -> dict[str, Any]:
    """Macro averages over all data sets, over seen and unseen ones, and faithfulness by group too."""
    splits = {
        "seen": {name for name in groups if name in seen},
        "unseen": {name for name in groups if name not in seen},
    }
    kinds = {
        "extractive": {name for name, group in groups.items() if group is Objective.EXTRACTIVE_QA},
        "abstractive": {name for name, group in groups.items() if group in _ABSTRACTIVE},
    }
    macro: dict[str, Any] = {}
    for key, of_key in values.items():
        macro[key] = _macro_interval(of_key)
        subsets = splits | kinds if key.startswith(Aspect.FAITHFULNESS) else splits
        for suffix, names in subsets.items():
            macro[f"{key}_{suffix}"] = _macro_interval({name: own for name, own in of_key.items() if name in names})
    return macro


def _interval(values: Sequence[float] | None) -> dict[str, float] | None:
    return _to_json(bootstrap_interval(values, seed=0)) if values else None


def _macro_interval(values: Mapping[str, Sequence[float]]) -> dict[str, float] | None:
    return _to_json(macro_interval(values, seed=0)) if values else None


def _to_json(interval: Interval) -> dict[str, float]:
    return {**interval.to_json(), "n": interval.n}
