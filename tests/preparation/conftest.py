"""Prepared sets from examples, and sources that need no file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from reset_pl.data.sources import Source
from reset_pl.preparation.parts import read_part, write_part
from reset_pl.preparation.plan import SetPlan
from reset_pl.preparation.sets import PreparedSet, keys_of_part
from reset_pl.records import Example


class ListSource(Source):
    """Examples that are there already."""

    def __init__(self, name: str, examples: Sequence[Example]) -> None:
        self.name = name
        self._examples = examples

    def load(self) -> Sequence[Example]:
        return self._examples


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., PreparedSet]:
    """Makes a set of one part a source."""

    def make(split: str, name: str, *sources: Sequence[Example], **options: Any) -> PreparedSet:
        plan = SetPlan(name, [ListSource(f"source{i}", rows) for i, rows in enumerate(sources)], **options)
        parts = []
        for number, source in enumerate(plan.sources):
            path = tmp_path / split / name / f"{number}.arrow"
            write_part(source, name, None, range(1), path)
            parts.append(read_part(path))
        return PreparedSet(
            split=split,
            plan=plan,
            parts=parts,
            owners=list(range(len(parts))),
            rows=np.arange(sum(part.kept for part in parts)),
            keys=np.concatenate([keys_of_part(part.path) for part in parts]),
            removed=[Counter() for _ in parts],
        )

    return make
