import pyarrow as pa

from reset_pl.data.sets.alpaca import Alpaca

FILE = "tatsu-lab/alpaca/data/train-00000-of-00001-a09b74b3ef9c3b56.parquet"

ROWS = [
    {"instruction": "Name a bird.", "input": "", "output": "Wren.", "text": "…"},
    {"instruction": "Translate.", "input": "Guten Tag", "output": "Good day", "text": "…"},
    {"instruction": "Be silent.", "input": " \n", "output": "", "text": "…"},
    {"instruction": "", "input": "", "output": "x", "text": "…"},
]


def test_rows_without_input(put, mirror) -> None:
    put(FILE, ROWS)
    examples = Alpaca(data_dir=str(mirror)).load()
    assert [(item.instruction, item.response, item.references) for item in examples] == [
        ("Name a bird.", "Wren.", ("Wren.",)),
        ("Be silent.", None, ()),
    ]
    _, dropped = Alpaca().convert_table(pa.Table.from_pylist(ROWS))
    assert dropped == {"has_input": 1, "empty_instruction": 1}


def test_rows_with_input_can_be_kept() -> None:
    examples, _ = Alpaca(keep_input=True).convert_table(pa.Table.from_pylist(ROWS))
    assert examples[1].instruction == "Translate.\n\nGuten Tag"


def test_real_rows(put, mirror, real) -> None:
    rows = real("alpaca/alpaca_fixture_23.json")
    put(FILE, rows)
    bare = [row["instruction"].strip() for row in rows if not row["input"].strip()]
    assert 0 < len(bare) < len(rows)
    assert [item.instruction for item in Alpaca(data_dir=str(mirror)).load()] == bare
