"""CNN/DailyMail 3.0.0: news with their highlights."""

from __future__ import annotations

from collections.abc import Mapping

from reset_pl.data.sets.base import Dropped, PublishedSource, Row
from reset_pl.data.sets.files import Origin
from reset_pl.data.sets.summaries import summary_example
from reset_pl.records import Example


class CNNDailyMail(PublishedSource):
    """Summarization of news; the highlights, one a line in the files, become one line (Table 1: all 287,113 rows)."""

    dataset = "cnn_dailymail"
    origin = Origin(
        homepage="https://huggingface.co/datasets/abisee/cnn_dailymail",
        licence="Apache-2.0 (card); the articles belong to their publishers",
        folder="abisee/cnn_dailymail",
        files={split: f"3.0.0/{split}-*.parquet" for split in ("train", "validation", "test")},
        format="parquet",
        revision="96df5e686bee6baa90b8bee7c28b81fa3fa6223d",
    )
    columns: Mapping[str, str] = {
        "article": "the article, a text",
        "highlights": "its highlights, one a line",
        "id": "40 hexadecimal digits",
    }

    def convert(self, row: Row) -> Example | Dropped:
        """See the class."""
        return summary_example(row["id"], dataset=self.name, article=row["article"], summary=row["highlights"])
