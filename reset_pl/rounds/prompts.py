"""Which prompts a round works on, and in which chunks."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from reset_pl.data.table import ExampleTable
from reset_pl.records import Example, stable_hash


@dataclass(frozen=True, kw_only=True)
class RoundSettings:
    """What makes a round the round that it is."""

    number: int
    """Number of the round, from 0."""
    seed: int
    """The run's."""
    prompts_per_dataset: int
    """Prompts drawn from each training set (the paper: 2,000; RESET-S: 500)."""
    chunk_size: int
    """Prompts of a chunk."""
    judge_references: bool
    """Whether the examples' own responses are judged too, for comparison."""
    policy: str
    """Fingerprint of the weights that are sampled from."""


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """The unit of work and of commit: prompts of one data set that are always sampled and judged together."""

    name: str
    """``<dataset>-<number>``, as it stands in the parts' file names."""
    examples: tuple[Example, ...]
    """Its prompts."""


def draw_prompts(pools: Mapping[str, Sequence[Example]], settings: RoundSettings) -> list[Example]:
    """A random subset of each data set's training prompts: the smallest hashes of seed, round and id.

    It depends on which examples there are, not on their order; a set with too few gives all that it has.
    """
    drawn: list[Example] = []
    for name in sorted(pools):
        pool = pools[name]
        ids = pool.ids if isinstance(pool, ExampleTable) else [example.id for example in pool]
        by_hash = sorted((stable_hash(settings.seed, settings.number, id_), id_, i) for i, id_ in enumerate(ids))
        drawn.extend(pool[i] for _, _, i in by_hash[: settings.prompts_per_dataset])
    return drawn


def make_chunks(prompts: Iterable[Example], size: int) -> list[Chunk]:
    """Cut the prompts into chunks of one data set each, so that the answers of a chunk are of like length."""
    by_dataset: defaultdict[str, list[Example]] = defaultdict(list)
    for example in prompts:
        by_dataset[example.dataset].append(example)
    return [
        Chunk(
            name=f"{re.sub(r'[^A-Za-z0-9_.]', '_', name)}-{start // size:04d}",
            examples=tuple(rows[start : start + size]),
        )
        for name, rows in sorted(by_dataset.items())
        for start in range(0, len(rows), size)
    ]
