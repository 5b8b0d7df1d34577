"""What every published data set has: an origin, the columns of its rows, and a function from a row to an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

from reset_pl.data.sources import Source
from reset_pl.errors import InputError
from reset_pl.records import Example

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Dropped:
    """A row that a filter left out, with the name of the filter's reason; reasons are counted."""

    reason: str


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where a data set comes from. A mirror holds the same files under ``<data_dir>/<folder>/``."""

    homepage: str
    """The page that a person reads."""
    licence: str
    """Name of the licence or terms of use."""
    folder: str
    """Hub repository (``owner/name``), or a name of ours for files that are not on the hub; the mirror's sub-folder."""
    files: Mapping[str, str]
    """Split → path of its files in the repository; ``*`` matches several."""
    format: Literal["json", "parquet"]
    """The ``datasets`` builder that reads them."""
    revision: str | None = None
    """Pinned commit of the hub repository; none for files that are not on the hub."""
    url: str | None = None
    """Base address of files that are not on the hub; none where they must be fetched by hand."""


class PublishedSource(Source):
    """A published data set, from the hub or from a local mirror.

    A subclass states ``dataset``, ``origin``, ``columns`` and ``convert``; one whose rows must be joined first (a reply
    with its prompt) overrides ``rows``.

    Args:
        split: Which of the origin's splits.
        data_dir: Folder of a local mirror, in which each data set has the folder and the files of its ``origin``; the
            hub when not given.
        name: Name of the data set; its own when not given.
        limit: Read only this many rows, from the start.

    Raises:
        InputError: There is no such split, or the limit is below 1.
    """

    dataset: ClassVar[str]
    origin: ClassVar[Origin]
    columns: ClassVar[Mapping[str, str]]
    """Column → what stands in it, as an error message would tell it."""

    def __init__(
        self,
        split: str = "train",
        data_dir: str | None = None,
        name: str | None = None,
        limit: int | None = None,
    ) -> None:
        if split not in self.origin.files:
            raise InputError(f"expected split {' or '.join(self.origin.files)} of {self.dataset}, but got {split!r}")
        if limit is not None and limit < 1:
            raise InputError(f"expected a limit of at least 1 row (or none) for {self.dataset}, but got {limit}")
        self.name = name or self.dataset
        self.split = split
        self.data_dir = None if data_dir is None else Path(data_dir)
        self.limit = limit

    def convert(self, row: Row) -> Example | Dropped:
        """One row as an example, or the reason why not. A pure function of the row."""
        raise NotImplementedError

    def rows(self) -> Any:
        """The rows as a ``datasets.Dataset`` (Arrow, memory-mapped), columns checked.

        Raises:
            InputError: The files are not there, cannot be read, or lack a column.
        """
        from reset_pl.data.sets.files import read_rows

        return read_rows(self.origin, self.split, self.columns, data_dir=self.data_dir, limit=self.limit)

    def load(self) -> Sequence[Example]:
        """All examples that pass the filters, in the order of the rows.

        Raises:
            InputError: See ``rows``; or no row passed, with the reasons and their counts.
        """
        raise NotImplementedError
