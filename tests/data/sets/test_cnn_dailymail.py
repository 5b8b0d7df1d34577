from pathlib import Path

from reset_pl.data.sets.cnn_dailymail import CNNDailyMail
from reset_pl.records import Example
from tests.data.sets.conftest import Put, Real

ROWS = [
    {"article": "A lamp was lit in York. Nobody saw it.", "highlights": "Lamp lit .\nUnseen .", "id": "0" * 40},
    {"article": "", "highlights": "Nothing .", "id": "1" * 40},
    {"article": "A hat was lost.", "highlights": "", "id": "2" * 40},
]


def test_articles_with_their_highlights_on_one_line(put: Put, mirror: Path) -> None:
    put("abisee/cnn_dailymail/3.0.0/train-00000-of-00003.parquet", ROWS)
    put("abisee/cnn_dailymail/3.0.0/test-00000-of-00001.parquet", ROWS[:1])
    source = CNNDailyMail(data_dir=str(mirror))
    (example,) = source.load()
    assert example.id == "cnn_dailymail/" + "0" * 40
    assert example.passages == (ROWS[0]["article"],)
    assert example.response == "Lamp lit . Unseen ."
    _, dropped = source.convert_table(source.rows().with_format("arrow")[:])
    assert dropped == {"no_article": 1, "no_summary": 1}
    assert len(CNNDailyMail(split="test", data_dir=str(mirror)).load()) == 1


def test_real_rows(real: Real) -> None:
    rows = real("cnn_dailymail/train_20.jsonl")
    examples = [CNNDailyMail().convert(row) for row in rows]
    assert len(examples) == 20
    for row, example in zip(rows, examples, strict=True):
        assert isinstance(example, Example)
        assert example.passages == (row["article"].strip(),)
        assert example.response
        assert "\n" not in example.response
