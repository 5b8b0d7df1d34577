"""A round's curated set as training examples."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from reset_pl.data.sources import Source
from reset_pl.errors import InputError
from reset_pl.records import Constraint, Example, Objective


def example_to_json(example: Example) -> str:
    """An example as one line of JSON; ``example_from_json`` undoes it."""
    return json.dumps(asdict(example), ensure_ascii=False)


def example_from_json(line: str) -> Example:
    """The example that ``example_to_json`` wrote."""
    fields: dict[str, Any] = json.loads(line)
    fields["objective"] = Objective(fields["objective"])
    fields["constraints"] = tuple(Constraint(**constraint) for constraint in fields["constraints"])
    fields["passages"], fields["references"] = tuple(fields["passages"]), tuple(fields["references"])
    return Example(**fields)


class CuratedSource(Source):
    """The prompts of a finished round with the chosen answers as responses.

    Where a selector chose several answers of a prompt, each is an example; all but the best have ids of their own,
    ``<id>#<rank>``.

    Args:
        round_dir: The round's folder, ``<run>/rounds/round-NNN``, another run's too; or what ``select`` wrote.
    """

    def __init__(self, round_dir: str) -> None:
        self.round_dir = Path(round_dir)
        self.name = self.round_dir.name

    def load(self) -> Sequence[Example]:
        """The curated examples, in the order of the selection.

        Raises:
            InputError: The folder holds no finished round and no selection.
        """
        return [_curated(example, row) for example, row in self.selected()]

    def selected(self) -> list[tuple[Example, dict[str, Any]]]:
        """Prompt and row of each chosen answer, in the order of the selection.

        Raises:
            InputError: The folder holds no finished round and no selection.
        """
        paths = [self.round_dir / name for name in ("prompts.parquet", "selected.parquet")]
        for path in paths:
            if not path.exists():
                raise InputError(
                    f"expected a finished round or a selection in {self.round_dir}, but {path.name} is missing there"
                )
        prompts, selected = (pq.read_table(path).to_pylist() for path in paths)
        examples = {row["example_id"]: example_from_json(row["example"]) for row in prompts}
        return [(examples[row["example_id"]], row) for row in selected]


def _curated(example: Example, row: dict[str, Any]) -> Example:
    """The prompt with a chosen answer, under an id of its own where it is not the prompt's first."""
    rank = row.get("rank") or 0  # rounds from before there were several have no such column
    return replace(example, id=f"{example.id}#{rank}" if rank else example.id, response=row["text"])
