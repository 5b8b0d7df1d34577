"""WikiSum (Cohen et al. 2021): wikiHow articles with their summaries."""

from __future__ import annotations

from collections.abc import Mapping

from reset_pl.data.sets.base import Dropped, PublishedSource, Row
from reset_pl.data.sets.files import Origin
from reset_pl.data.sets.summaries import summary_example
from reset_pl.records import Example, stable_hash


class WikiSum(PublishedSource):
    """Summarization, held out: its split is ``test`` unless another is asked for (Table 1: 2,000 rows, none to train).

    The paper cites Liu et al. 2018, a set of Wikipedia articles; its Tables 7 and 14 show wikiHow.
    """

    dataset = "wikisum"
    origin = Origin(
        homepage="https://huggingface.co/datasets/d0rj/wikisum",
        licence="CC BY-NC-SA 3.0",
        folder="d0rj/wikisum",
        files={split: f"data/{split}-*.parquet" for split in ("test", "train", "validation")},
        format="parquet",
        revision="main",  # no commit is known to us
    )
    columns: Mapping[str, str] = {
        "url": "address of the article",
        "article": "the article, a text",
        "summary": "its summary, a text",
    }

    def convert(self, row: Row) -> Example | Dropped:
        """See the class."""
        key = f"{stable_hash(row['url'], row['article']):016x}"
        return summary_example(key, dataset=self.name, article=row["article"], summary=row["summary"])
