"""What every published data set has: an origin, the columns of its rows, and a function from a row to an example."""

from __future__ import annotations

import reprlib
from abc import abstractmethod
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pyarrow as pa

from reset_pl.data.sets.files import Origin, read_rows, to_rows
from reset_pl.data.sources import Source
from reset_pl.errors import InputError
from reset_pl.records import Example

Row = Mapping[str, Any]

CHUNK = 10_000
"""Rows that ``load`` has as Python objects at a time."""

_SHORT = reprlib.Repr()
_SHORT.maxstring, _SHORT.maxother, _SHORT.maxdict, _SHORT.maxlist, _SHORT.maxlevel = 40, 40, 12, 2, 4


@dataclass(frozen=True)
class Dropped:
    """A row that a filter left out, with the name of the filter's reason; reasons are counted."""

    reason: str


class PublishedSource(Source):
    """A published data set, from the hub or from a local mirror.

    A subclass states ``dataset``, ``origin``, ``columns`` and ``convert``; one whose rows must be joined first (a reply
    with its prompt) overrides ``rows``. An instance can be pickled: worker processes convert parts of the rows.

    Args:
        split: Which of the origin's splits; its first when not given.
        data_dir: Folder of a local mirror, in which each data set has the folder and the files of its ``origin``; the
            hub when not given.
        name: Name of the data set; its own when not given.
        limit: Read only this many rows, from the start.

    Raises:
        InputError: There is no such split, or the limit is below 1.
    """

    dataset: ClassVar[str]
    origin: Origin
    """Of the class; an instance has its own where an option chooses between two."""
    columns: Mapping[str, str]
    """Column → what stands in it, as an error message would tell it."""

    def __init__(
        self,
        split: str | None = None,
        data_dir: str | None = None,
        name: str | None = None,
        limit: int | None = None,
    ) -> None:
        self.split = next(iter(self.origin.files)) if split is None else split
        if self.split not in self.origin.files:
            raise InputError(f"expected split {' or '.join(self.origin.files)} of {self.dataset}, but got {split!r}")
        if limit is not None and limit < 1:
            raise InputError(f"expected a limit of at least 1 row (or none) for {self.dataset}, but got {limit}")
        self.name = name or self.dataset
        self.data_dir = None if data_dir is None else Path(data_dir)
        self.limit = limit

    @abstractmethod
    def convert(self, row: Row) -> Example | Dropped:
        """One row as an example, or the reason why not. A pure function of the row."""

    def rows(self) -> Any:
        """The rows as a ``datasets.Dataset`` (Arrow, memory-mapped), columns checked.

        Raises:
            InputError: The files are not there, cannot be read, or lack a column.
        """
        return read_rows(self.origin, self.split, self.columns, data_dir=self.data_dir, limit=self.limit)

    def trim(self, table: pa.Table) -> pa.Table:
        """What ``convert`` needs of the rows: the stated columns. A subclass may also cut long lists here, in Arrow."""
        return table.select(list(self.columns))

    def convert_table(self, table: pa.Table, first: int = 0) -> tuple[list[Example], Counter[str]]:
        """Rows in Arrow as examples, in order, and how many rows were dropped by reason.

        Args:
            table: The rows.
            first: Number of the table's first row among all rows, from 0, for messages.

        Raises:
            InputError: A text is not UTF-8, or a row is not of the form that ``columns`` states.
        """
        examples: list[Example] = []
        dropped: Counter[str] = Counter()
        try:
            for row in to_rows(self.trim(table)):
                result = self.convert(row)
                if isinstance(result, Dropped):
                    dropped[result.reason] += 1
                else:
                    examples.append(result)
        except InputError:
            raise
        except UnicodeDecodeError as error:
            where = self.origin.files[self.split]
            raise InputError(
                f"expected text in UTF-8 in {where} of {self.name}, but got {error}: save or download the file again"
            ) from error
        except (AttributeError, LookupError, TypeError, ValueError, pa.ArrowException) as error:
            # A table that cannot be trimmed has rows of another form throughout: its first one is shown.
            number = len(examples) + dropped.total()
            columns = ", ".join(f"{name!r} ({meaning})" for name, meaning in self.columns.items())
            said = f"{type(error).__name__}: {error}".splitlines()[0]
            raise InputError(
                f"expected rows of {self.name}, split {self.split!r}, with {columns}, but row {first + number + 1:,} "
                f"is {_SHORT.repr(table.slice(number, 1).to_pylist()[0])} ({said}): mend the row, or download the "
                f"files again from {self.origin.homepage}"
            ) from error
        return examples, dropped

    def load(self) -> Sequence[Example]:
        """All examples that pass the filters, in the order of the rows; of rows with one id the first.

        Raises:
            InputError: See ``rows`` and ``convert_table``; or no row passed, with the reasons and their counts.
        """
        rows = self.rows().with_format("arrow")
        examples: dict[str, Example] = {}
        dropped: Counter[str] = Counter()
        for start in range(0, len(rows), CHUNK):
            converted, reasons = self.convert_table(rows[start : start + CHUNK], start)
            dropped += reasons
            for example in converted:
                examples.setdefault(example.id, example)
        if not examples:
            counts = ", ".join(f"{reason} {count}" for reason, count in dropped.most_common()) or "there are no rows"
            raise InputError(
                f"expected at least one example of {self.name}, but none of its {len(rows)} rows passed the filters: "
                f"{counts}; switch a filter off, or read another split"
            )
        return list(examples.values())
