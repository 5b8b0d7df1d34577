from pathlib import Path
from typing import Any

from reset_pl.data.sets.base import Dropped
from reset_pl.data.sets.wikisum import WikiSum
from tests.data.sets.conftest import Put


def row(number: int, **changes: Any) -> dict[str, Any]:
    return {
        "url": f"https://www.wikihow.com/Light-Lamp-{number}",
        "title": "How to Light a Lamp",
        "summary": "Strike a match.\nThen light the lamp.",
        "article": f"Take match {number}. Strike it. Hold it to the lamp.",
        "step_headers": "Take a match",
        **changes,
    }


def test_the_test_split_is_the_one_that_is_read(put: Put, mirror: Path) -> None:
    put("d0rj/wikisum/data/test-00000-of-00001-52a8a7cd640a9fff.parquet", [row(1), row(2), row(2)])
    put("d0rj/wikisum/data/train-00000-of-00001-b28959cff7dcaf55.parquet", [row(3)])
    first, second = WikiSum(data_dir=str(mirror)).load()
    assert first.passages == ("Take match 1. Strike it. Hold it to the lamp.",)
    assert (first.response, first.question) == ("Strike a match. Then light the lamp.", None)
    assert first.id != second.id
    assert len(WikiSum(split="train", data_dir=str(mirror)).load()) == 1


def test_empty_ones_are_dropped() -> None:
    assert WikiSum().convert(row(1, article=" ")) == Dropped("no_article")
    assert WikiSum().convert(row(1, summary="")) == Dropped("no_summary")
