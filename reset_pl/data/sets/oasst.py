"""OpenAssistant Conversations (OASST-1): trees of messages that volunteers wrote and rated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from reset_pl.data.sets.base import Dropped, Origin, PublishedSource, Row
from reset_pl.data.sets.instruction import instruction_example
from reset_pl.records import Example

HUB = Origin(
    homepage="https://huggingface.co/datasets/OpenAssistant/oasst1",
    licence="Apache-2.0",
    folder="OpenAssistant/oasst1",
    files={"train": "data/train-*.parquet", "validation": "data/validation-*.parquet"},
    format="parquet",
    revision="fdf72ae0827c1cda404aff25b6603abec9e3399b",
)
RAW = Origin(
    homepage=HUB.homepage,
    licence=HUB.licence,
    folder=HUB.folder,
    files={"train": "2023-04-12_oasst_ready.messages.jsonl.gz"},
    format="json",
    revision=HUB.revision,
)


class OASST1(PublishedSource):
    """Replies of OASST-1 with the prompt that each answers, rated by their readers (paper, section 2.1.1).

    Args:
        shape: ``hub``, the Parquet files, or ``raw``, the authors' export of both splits as JSON lines.
        min_quality: Keep replies whose mean ``quality`` label, in [0, 1], is above this (paper).
        min_annotators: Keep replies with at least this many ``quality`` labels (paper).
        langs: Keep these languages; all when empty.
        depth: Keep replies that stand this far below the message that opens the conversation: 1 answers it, 3 comes a
            question later, without the history; all when none.
        top_rank_only: Keep only the reply that was ranked best, or that has no rank, of each prompt.
        keep_deleted: Keep messages that were deleted.
        keep_synthetic: Keep messages that a model wrote.
        keep_rejected: Keep messages that did not pass review.
        tree_states: Keep conversations in these states; all when empty.
        **kwargs: Of ``PublishedSource``.
    """

    dataset = "oasst1"
    origin = HUB
    columns = {
        "message_id": "the message's id",
        "parent_id": "id of the message that it answers, null for the first",
        "text": "the message, a text",
        "role": "prompter or assistant",
        "lang": "language, such as en",
        "review_result": "whether it passed review",
        "deleted": "whether it was deleted",
        "rank": "0 for the best of the replies",
        "synthetic": "whether a model wrote it",
        "tree_state": "state of the conversation, such as ready_for_export",
        "labels": "ratings, with the mean value and the count of each label",
    }

    def __init__(
        self,
        *,
        shape: Literal["hub", "raw"] = "hub",
        min_quality: float = 0.5,
        min_annotators: int = 2,
        langs: tuple[str, ...] = ("en",),
        depth: int | None = 1,
        top_rank_only: bool = False,
        keep_deleted: bool = False,
        keep_synthetic: bool = False,
        keep_rejected: bool = False,
        tree_states: tuple[str, ...] = ("ready_for_export",),
        **kwargs: Any,
    ) -> None:
        if shape == "raw":
            self.origin = RAW
        super().__init__(**kwargs)
        self.min_quality = min_quality
        self.min_annotators = min_annotators
        self.langs = tuple(langs)
        self.depth = depth
        self.top_rank_only = top_rank_only
        self.keep_deleted = keep_deleted
        self.keep_synthetic = keep_synthetic
        self.keep_rejected = keep_rejected
        self.tree_states = tuple(tree_states)

    def rows(self) -> Any:
        """The messages, each with its parent's text and its depth; see ``PublishedSource.rows``."""
        from datasets import Dataset
        from datasets.table import InMemoryTable

        messages = super().rows().with_format("arrow")[:].select(list(self.columns))
        return Dataset(InMemoryTable(with_parents(messages).replace_schema_metadata(None)))

    def trim(self, table: pa.Table) -> pa.Table:
        """The columns of ``with_parents``."""
        return table.select([*self.columns, "parent_text", "depth"])

    def convert(self, row: Row) -> Example | Dropped:
        """Dropped: see ``_left_out`` and ``_rating``; ``empty_instruction``, ``empty_response``."""
        reason = self._left_out(row) or self._rating(row)
        if reason is not None:
            return Dropped(reason)
        return instruction_example(self.name, row["parent_text"], row["text"] or "", key=row["message_id"])

    def _left_out(self, row: Row) -> str | None:
        checks = (
            ("not_a_reply", row["role"] != "assistant"),
            ("no_parent", row["parent_text"] is None),
            ("deleted", bool(row["deleted"]) and not self.keep_deleted),
            ("synthetic", bool(row["synthetic"]) and not self.keep_synthetic),
            ("rejected", row["review_result"] is False and not self.keep_rejected),
            ("language", bool(self.langs) and row["lang"] not in self.langs),
            ("tree_state", bool(self.tree_states) and row["tree_state"] not in self.tree_states),
            ("depth", self.depth is not None and row["depth"] != self.depth),
            ("not_top_rank", self.top_rank_only and row["rank"] not in (0, None)),
        )
        return next((reason for reason, left_out in checks if left_out), None)

    def _rating(self, row: Row) -> str | None:
        value, count = quality(row["labels"])
        if count < self.min_annotators:
            return "few_annotators"
        return None if value > self.min_quality else "low_quality"


def quality(labels: Mapping[str, Any] | None) -> tuple[float, int]:
    """Mean and number of the ``quality`` labels, of the hub's columns or of the raw export; (0, 0) without any.

    >>> quality({"name": ["spam", "quality"], "value": [0.0, 0.75], "count": [3, 2]})
    (0.75, 2)
    >>> quality({"quality": {"value": 0.75, "count": 2}})
    (0.75, 2)
    """
    if not labels:
        return 0.0, 0
    if isinstance(labels.get("name"), list):
        if "quality" not in labels["name"]:
            return 0.0, 0
        at = labels["name"].index("quality")
        return labels["value"][at], labels["count"][at]
    label = labels.get("quality") or {"value": 0.0, "count": 0}
    return label["value"], label["count"]


def with_parents(messages: pa.Table) -> pa.Table:
    """Messages with what each answers.

    Returns:
        The messages with ``parent_text``, null where the parent is not among them, and ``depth``, int64: 0 opens a
        conversation, 1 answers that; null where no message without a parent stands above, because a parent is not among
        them or messages answer each other in a circle.
    """
    ids, parents = (messages[name].cast(pa.string()).combine_chunks() for name in ("message_id", "parent_id"))
    parent = pc.index_in(parents, value_set=ids)
    at = pc.fill_null(parent, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    depth = np.full_like(at, -1)
    level = pc.is_null(parents).to_numpy(zero_copy_only=False)
    for number in range(len(at)):  # from the first messages down: what is not reached has none above it
        if not level.any():
            break
        depth[level] = number
        level = (at >= 0) & level[at]
    text = messages["text"].combine_chunks().take(parent)
    return messages.append_column("parent_text", text).append_column("depth", pa.array(depth, mask=depth < 0))
