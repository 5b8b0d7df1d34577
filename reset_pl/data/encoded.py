"""Encoded data sets: three flat arrays, memory-mapped where the examples are, so that a second start reads nothing."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from reset_pl.data.encoding import Encoded, Encoder, NoTarget
from reset_pl.data.table import ExampleTable
from reset_pl.errors import InputError
from reset_pl.progress import Progress, say
from reset_pl.records import Example

MAX_SHARE_WITHOUT_TARGET = 0.005
_CHUNK = 1000


@dataclass
class EncodingCounts:
    """What happened to the rows of a set."""

    rows: int = 0
    tokens: int = 0
    without_target: int = 0
    context_cut: int = 0
    response_cut: int = 0

    def __str__(self) -> str:
        """One line, with what the user should know only where it happened."""
        notes = [
            (self.context_cut, "contexts shortened"),
            (self.response_cut, "responses cut"),
            (self.without_target, "without a target and left out"),
        ]
        return ", ".join([f"{self.rows:,} rows, {self.tokens:,} tokens", *(f"{n:,} {what}" for n, what in notes if n)])


class EncodedTable:
    """The training rows of one data set.

    Args:
        tokens: All rows' tokens end to end.
        offsets: (rows + 1,) int64, where each row begins.
        prompt_lengths: (rows,) int32, tokens before the target; a row without a target has no tokens.
        counts: What happened in encoding.
        folder: Where the arrays are mapped from; none when they are in memory.
        rejected_lengths: (rows,) int32, tokens of the rejected answer of a pair, at the row's end; none without pairs.
    """

    def __init__(
        self,
        tokens: np.ndarray,
        offsets: np.ndarray,
        prompt_lengths: np.ndarray,
        counts: EncodingCounts,
        folder: Path | None = None,
        rejected_lengths: np.ndarray | None = None,
    ) -> None:
        self.tokens, self.offsets, self.prompt_lengths = tokens, offsets, prompt_lengths
        self.rejected_lengths = np.zeros_like(prompt_lengths) if rejected_lengths is None else rejected_lengths
        self.counts = counts
        self.folder = folder

    def __len__(self) -> int:
        """Number of rows, those without a target included."""
        return len(self.prompt_lengths)

    @property
    def lengths(self) -> np.ndarray:
        """(rows,) tokens of each row."""
        return np.diff(self.offsets)

    @property
    def num_targets(self) -> np.ndarray:
        """(rows,) target tokens of each row, of both answers of a pair."""
        return self.lengths - self.prompt_lengths

    def row(self, index: int, dataset: str) -> Encoded:
        """One row; its tokens are a view."""
        start, stop = self.offsets[index], self.offsets[index + 1]
        middle = stop - self.rejected_lengths[index]
        return Encoded(
            input_ids=self.tokens[start:middle],  # type: ignore[arg-type]
            prompt_length=int(self.prompt_lengths[index]),
            dataset=dataset,
            rejected=self.tokens[middle:stop],  # type: ignore[arg-type]
        )

    @staticmethod
    def open(folder: Path) -> EncodedTable:
        """Map what ``encode`` wrote."""
        meta = json.loads((folder / "meta.json").read_text())
        return EncodedTable(
            np.memmap(folder / "tokens.bin", dtype=meta["dtype"], mode="r"),
            np.load(folder / "offsets.npy", mmap_mode="r"),
            np.load(folder / "prompt_lengths.npy", mmap_mode="r"),
            counts=EncodingCounts(**meta["counts"]),
            folder=folder,
        )

    def __reduce__(self) -> tuple[Any, ...]:
        """A mapped table travels to a loader's worker as its path, not as gigabytes."""
        if self.folder is not None:
            return EncodedTable.open, (self.folder,)
        arrays = (self.tokens, self.offsets, self.prompt_lengths)
        return EncodedTable, (*arrays, self.counts, None, self.rejected_lengths)


def encode(name: str, examples: Sequence[Example], encoder: Encoder) -> EncodedTable:
    """Encode a data set, or open what was encoded before.

    Prepared examples (``ExampleTable``) are encoded once for each tokenizer, template and length limit, in a folder
    beside them; other examples in memory.

    Args:
        name: The data set, for messages.
        examples: Its examples.
        encoder: Tokenizer, template and limits.

    Raises:
        InputError: More than 0.5% of the rows carry no target token; some of them are shown.
    """
    if not isinstance(examples, ExampleTable):
        return _to_memory(name, examples, encoder)
    folder = examples.folder / "encoded" / f"{encoder.fingerprint:016x}" / examples.fingerprint
    if not _is_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=".unfinished-"))
        except OSError as error:
            say(f"cannot keep the encoded rows of {name} beside its examples ({error}): they stay in memory")
            return _to_memory(name, examples, encoder)
        try:
            _to_folder(temporary, name, examples, encoder)
            temporary.rename(folder)
        except OSError:
            if not _is_whole(folder):  # else another process has been as fast
                raise
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    return EncodedTable.open(folder)


def _is_whole(folder: Path) -> bool:
    """Whether the folder holds all tokens that it says it does."""
    try:
        meta = json.loads((folder / "meta.json").read_text())
        return (folder / "tokens.bin").stat().st_size == meta["counts"]["tokens"] * np.dtype(meta["dtype"]).itemsize
    except (OSError, ValueError, KeyError, TypeError):
        return False


def _to_memory(name: str, examples: Sequence[Example], encoder: Encoder) -> EncodedTable:
    counts = EncodingCounts()
    chunks = list(_chunks(name, examples, encoder, counts))
    tokens = np.concatenate([tokens for tokens, *_ in chunks])
    offsets, prompt_lengths, rejected_lengths = _bounds([chunk[1:] for chunk in chunks])
    return EncodedTable(tokens, offsets, prompt_lengths, counts, rejected_lengths=rejected_lengths)


def _to_folder(folder: Path, name: str, examples: Sequence[Example], encoder: Encoder) -> None:
    counts = EncodingCounts()
    lengths = []
    with (folder / "tokens.bin").open("wb") as file, Progress(len(examples), f"encoding {name}", "rows") as progress:
        for tokens, *of_chunk in _chunks(name, examples, encoder, counts):
            file.write(tokens.tobytes())
            lengths.append(of_chunk)
            progress.advance(len(of_chunk[0]))
        file.flush()
        os.fsync(file.fileno())  # the folder is renamed into place: what it says must be on the disk by then
    offsets, prompt_lengths, _ = _bounds(lengths)  # prepared examples are no pairs
    np.save(folder / "offsets.npy", offsets)
    np.save(folder / "prompt_lengths.npy", prompt_lengths)
    (folder / "meta.json").write_text(json.dumps({"dtype": tokens.dtype.name, "counts": asdict(counts)}))
    say(f"encoded {name}: {counts}")


def _chunks(
    name: str, examples: Sequence[Example], encoder: Encoder, counts: EncodingCounts
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]]:
    """Tokens, and lengths of rows, prompts and rejected answers, of a thousand rows; ``counts`` grows with them."""
    dtype = np.uint16 if len(encoder.tokenizer) <= np.iinfo(np.uint16).max + 1 else np.uint32
    failures: list[NoTarget] = []
    for start in range(0, len(examples), _CHUNK):
        rows = encoder.encode_batch([examples[i] for i in range(start, min(start + _CHUNK, len(examples)))])
        encoded = [row for row in rows if isinstance(row, Encoded)]
        texts = [(*row.input_ids, *row.rejected) if isinstance(row, Encoded) else () for row in rows]
        failures += [row for row in rows if isinstance(row, NoTarget)]
        _check_targets(name, failures, len(examples))
        counts.rows += len(rows)
        counts.without_target = len(failures)
        counts.tokens += sum(map(len, texts))
        counts.context_cut += sum(row.passages_cut > 0 for row in encoded)
        counts.response_cut += sum(row.response_cut for row in encoded)
        tokens = np.fromiter((token for text in texts for token in text), dtype)
        prompts = [row.prompt_length if isinstance(row, Encoded) else 0 for row in rows]
        rejected = [len(row.rejected) if isinstance(row, Encoded) else 0 for row in rows]
        yield tokens, np.array([*map(len, texts)], np.int64), np.array(prompts, np.int32), np.array(rejected, np.int32)


def _bounds(of_chunks: Sequence[Sequence[np.ndarray]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Offsets and lengths of prompts and rejected answers of all rows, from the lengths of each chunk."""
    lengths, prompt_lengths, rejected_lengths = map(np.concatenate, zip(*of_chunks, strict=True))
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64), prompt_lengths, rejected_lengths


def _check_targets(name: str, failures: Sequence[NoTarget], num_rows: int) -> None:
    if len(failures) > num_rows * MAX_SHARE_WITHOUT_TARGET:
        shown = ", ".join(failure.example_id for failure in failures[:3])
        raise InputError(
            f"more than {MAX_SHARE_WITHOUT_TARGET:.1%} of the {num_rows:,} rows of {name!r} carry no target token "
            f"({len(failures)} so far: {shown}), so they would teach nothing: {failures[0].reason}"
        )
