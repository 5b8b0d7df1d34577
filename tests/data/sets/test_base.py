import pickle
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from reset_pl.data.sets import base
from reset_pl.data.sets.base import Dropped, Origin, PublishedSource, Row
from reset_pl.errors import InputError
from reset_pl.records import Example, Objective
from tests.data.sets.conftest import Put


class Toy(PublishedSource):
    """Says a word; short words are dropped."""

    dataset = "toy"
    origin = Origin(
        homepage="https://example.org",
        licence="CC0",
        folder="toy",
        files={"train": "train.jsonl", "test": "test.jsonl"},
        format="json",
    )
    columns = {"word": "a word"}  # noqa: RUF012

    def __init__(self, *, shortest: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shortest = shortest

    def convert(self, row: Row) -> Example | Dropped:
        assert set(row) == {"word"}
        if not row["word"]:
            return Dropped("empty")
        if len(row["word"]) < self.shortest:
            return Dropped("short")
        return Example(
            id=f"{self.name}/{row['word']}", dataset=self.name, objective=Objective.INSTRUCTION, instruction=row["word"]
        )


def rows(*words: str | None) -> list[dict[str, Any]]:
    return [{"word": word, "other": 1} for word in words]


def test_load_keeps_the_order_of_the_rows(put: Put, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "CHUNK", 2)
    put("toy/train.jsonl", rows("three", "no", "seven", None, "eight", "three", "lines"))
    examples = Toy(data_dir=str(mirror)).load()
    assert [example.id for example in examples] == ["toy/three", "toy/seven", "toy/eight", "toy/lines"]


def test_convert_table_counts_the_reasons() -> None:
    examples, dropped = Toy().convert_table(pa.Table.from_pylist(rows("three", "no", "me", None, "lines")))
    assert [example.instruction for example in examples] == ["three", "lines"]
    assert dropped == {"short": 2, "empty": 1}


def test_a_copy_of_another_process_converts_alike() -> None:
    source = pickle.loads(pickle.dumps(Toy(shortest=1, name="mine", data_dir="here", limit=3)))
    examples, _ = source.convert_table(pa.Table.from_pylist(rows("no")))
    assert [example.id for example in examples] == ["mine/no"]


def test_split_name_and_limit(put: Put, mirror: Path) -> None:
    put("toy/test.jsonl", rows("three", "seven", "eight"))
    examples = Toy(split="test", data_dir=str(mirror), name="words", limit=2).load()
    assert [(example.id, example.dataset) for example in examples] == [
        ("words/three", "words"),
        ("words/seven", "words"),
    ]
    assert Toy().split == "train"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "dev"}, "expected split train or test of toy, but got 'dev'"),
        ({"limit": 0}, "expected a limit of at least 1 row (or none) for toy, but got 0"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        Toy(**settings)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("words", "message"),
    [(("no", "me", None), "none of its 3 rows passed the filters: short 2, empty 1"), ((None,), "empty 1")],
)
def test_no_row_passes(put: Put, mirror: Path, words: tuple[str, ...], message: str) -> None:
    put("toy/train.jsonl", rows(*words))
    with pytest.raises(InputError, match=message):
        Toy(data_dir=str(mirror)).load()


def test_a_line_that_is_not_utf8(put: Put, mirror: Path) -> None:
    put("toy/train.jsonl", rows("three")).write_bytes('{"word": "Café"}\n'.encode("latin-1"))
    with pytest.raises(InputError, match=r"expected text in UTF-8 in train\.jsonl of toy, but got .*0xe9"):
        Toy(data_dir=str(mirror)).load()
