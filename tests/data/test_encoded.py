import copy
import pickle
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from reset_pl.data.encoded import EncodedTable, encode
from reset_pl.data.encoding import Encoded, Encoder
from reset_pl.data.prompts import AlpacaTemplate, VicunaTemplate
from reset_pl.data.table import SCHEMA, ExampleTable, to_batch
from reset_pl.errors import InputError
from reset_pl.records import Example

Make = Callable[..., Example]


def save(folder: Path, examples: Sequence[Example], fingerprint: str = "f") -> ExampleTable:
    folder.mkdir(exist_ok=True)
    with pa.OSFile(str(folder / "part.arrow"), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
        writer.write_batch(to_batch(examples))
    return ExampleTable([folder / "part.arrow"], fingerprint=fingerprint)


def rows(table: EncodedTable) -> list[tuple[list[int], int]]:
    """Token ids and prompt length of every row."""
    encoded = [table.row(i, "d") for i in range(len(table))]
    return [(np.asarray(row.input_ids).tolist(), row.prompt_length) for row in encoded]


def alone(examples: Sequence[Example], encoder: Encoder) -> list[tuple[list[int], int]]:
    encoded = [encoder.encode(example) for example in examples]
    return [(list(row.input_ids), row.prompt_length) for row in encoded]


@pytest.fixture
def examples(make_example: Make) -> list[Example]:
    return [make_example(i, response="yes " * i + "!") for i in range(12)]


@pytest.fixture
def count_encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the number of examples each time that some are tokenized."""
    counts: list[int] = []
    whole = Encoder.encode_batch

    def counting(self: Encoder, examples: Sequence[Example]) -> list[Any]:
        counts.append(len(examples))
        return whole(self, examples)

    monkeypatch.setattr(Encoder, "encode_batch", counting)
    return counts


def test_rows_are_those_encoded_alone_in_memory_and_mapped(
    tmp_path: Path, make_encoder: Callable[..., Encoder], examples: list[Example]
) -> None:
    expected = alone(examples, make_encoder())
    memory, mapped = (encode("d", own, make_encoder()) for own in (examples, save(tmp_path, examples)))
    for table in (memory, mapped):
        assert rows(table) == expected
        assert table.lengths.tolist() == [len(ids) for ids, _ in expected]
        assert table.num_targets.tolist() == [len(ids) - prompt for ids, prompt in expected]
    assert isinstance(mapped.tokens, np.memmap)
    assert mapped.tokens.dtype == np.uint16


def test_prepared_examples_are_encoded_once_for_each_way_of_encoding(
    tmp_path: Path, make_encoder: Callable[..., Encoder], examples: list[Example], count_encoded: list[int]
) -> None:
    table = save(tmp_path, examples)
    encode("d", table, make_encoder())
    encode("d", save(tmp_path, examples), make_encoder())
    assert sum(count_encoded) == 12
    ways = [
        make_encoder(VicunaTemplate()),
        make_encoder(AlpacaTemplate("last")),
        make_encoder(max_length=900),
        make_encoder(max_response_tokens=9),
    ]
    for done, encoder in enumerate(ways, start=2):
        assert rows(encode("d", table, encoder)) == alone(table, encoder)
        count_encoded[:] = [12 * done]
    encode("d", save(tmp_path, examples, fingerprint="g"), make_encoder())
    assert sum(count_encoded) == 12 * 6


def test_another_tokenizer_or_end_of_sequence_is_another_way_of_encoding(
    tmp_path: Path, make_encoder: Callable[..., Encoder], examples: list[Example]
) -> None:
    table, encoder = save(tmp_path, examples), make_encoder()
    other = copy.deepcopy(encoder.tokenizer)
    other.eos_token = "<pad>"
    ends = [
        int(encode("d", table, replace(encoder, tokenizer=tokenizer)).row(0, "d").input_ids[-1])
        for tokenizer in (encoder.tokenizer, other)
    ]
    assert ends == [2, 0]


def test_a_part_of_a_table_is_encoded_on_its_own(
    tmp_path: Path, make_encoder: Callable[..., Encoder], examples: list[Example]
) -> None:
    table = save(tmp_path, examples)
    encode("d", table, make_encoder())
    for part in (table[2:5], table[7:10]):
        assert rows(encode("d", part, make_encoder())) == alone(list(part), make_encoder())


def test_a_mapped_table_travels_as_its_path(
    tmp_path: Path, make_encoder: Callable[..., Encoder], examples: list[Example]
) -> None:
    mapped = encode("d", save(tmp_path, examples * 50), make_encoder())
    message = pickle.dumps(mapped)
    assert len(message) < 1000 < mapped.tokens.nbytes
    assert rows(pickle.loads(message)) == rows(mapped)
    memory = encode("d", examples, make_encoder())
    assert rows(pickle.loads(pickle.dumps(memory))) == rows(memory)


def test_where_nothing_can_be_written_rows_stay_in_memory(
    tmp_path: Path,
    make_encoder: Callable[..., Encoder],
    examples: list[Example],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    table = save(tmp_path, examples)

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refuse)
    assert rows(encode("d", table, make_encoder())) == alone(examples, make_encoder())
    assert "cannot keep the encoded rows of d beside its examples" in capsys.readouterr().err


def test_another_process_may_be_as_fast(
    tmp_path: Path, make_encoder: Callable[..., Encoder], examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = save(tmp_path, examples)
    rename = Path.rename

    def late(self: Path, target: Path) -> Path:
        shutil.copytree(self, target)
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", late)
    assert rows(encode("d", table, make_encoder())) == alone(examples, make_encoder())
    assert not list(tmp_path.rglob(".unfinished-*"))


def test_a_death_in_the_middle_leaves_nothing_that_counts(
    tmp_path: Path, make_encoder: Callable[..., Encoder], examples: list[Example], monkeypatch: pytest.MonkeyPatch
) -> None:
    table = save(tmp_path, examples)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(np, "save", die)
        with pytest.raises(KeyboardInterrupt):
            encode("d", table, make_encoder())
    assert not [path for path in tmp_path.rglob("*") if path.is_file() and path.suffix != ".arrow"]
    assert rows(encode("d", table, make_encoder())) == alone(examples, make_encoder())


@pytest.mark.parametrize("damage", ["short", "empty", "no meta", "no json"])
def test_a_damaged_folder_is_encoded_again(
    tmp_path: Path, make_encoder: Callable[..., Encoder], examples: list[Example], damage: str
) -> None:
    table = save(tmp_path, examples)
    folder = encode("d", table, make_encoder()).folder
    assert folder is not None
    tokens, meta = folder / "tokens.bin", folder / "meta.json"
    if damage in ("short", "empty"):
        tokens.write_bytes(tokens.read_bytes()[:-2] if damage == "short" else b"")
    else:
        meta.unlink() if damage == "no meta" else meta.write_text('{"dtype"')
    assert rows(encode("d", table, make_encoder())) == alone(examples, make_encoder())


def test_the_fingerprint_is_not_of_what_the_tokenizer_did_before(make_encoder: Callable[..., Encoder]) -> None:
    before = make_encoder().fingerprint
    encoder = make_encoder()
    encoder.tokenizer(["a", "bb"], padding=True, truncation=True, max_length=1)
    assert encoder.fingerprint == before


def test_what_was_cut_is_counted_and_told(
    tmp_path: Path, make_encoder: Callable[..., Encoder], make_example: Make, capsys: pytest.CaptureFixture[str]
) -> None:
    examples = [make_example(i, passages=("word " * 10 * i,), response="abc" * i) for i in range(1, 8)]
    encoder = make_encoder(max_length=480, max_response_tokens=12)
    encoded = [row for row in encoder.encode_batch(examples) if isinstance(row, Encoded)]
    counts = encode("long", save(tmp_path, examples), encoder).counts
    assert (counts.rows, counts.tokens) == (7, sum(len(row.input_ids) for row in encoded))
    assert counts.context_cut == sum(row.passages_cut > 0 for row in encoded) > 0
    assert counts.response_cut == sum(row.response_cut for row in encoded) == 4
    told = capsys.readouterr().err
    assert f"encoded long: 7 rows, {counts.tokens:,} tokens, {counts.context_cut} contexts shortened" in told
    assert "4 responses cut" in told


# ---------------------------------------------------------------- rows without a target


def test_few_rows_without_a_target_are_counted_and_left_empty(
    make_encoder: Callable[..., Encoder], make_example: Make
) -> None:
    examples = [make_example(i, response=None if i == 3 else "yes") for i in range(200)]
    table = encode("d", examples, make_encoder())
    assert table.counts.without_target == 1
    assert np.flatnonzero(table.num_targets == 0).tolist() == [3]
    assert table.lengths[3] == 0
    assert rows(table)[4] == alone([examples[4]], make_encoder())[0]


def test_more_than_half_a_percent_without_a_target_stop_the_run_with_examples(
    make_encoder: Callable[..., Encoder], make_example: Make
) -> None:
    examples = [make_example(i, response=None if i in (3, 9) else "yes") for i in range(399)]
    with pytest.raises(InputError) as error:
        encode("d", examples, make_encoder())
    message = str(error.value)
    shown = f"(2 so far: {examples[3].id}, {examples[9].id})"
    assert message.startswith(f"more than 0.5% of the 399 rows of 'd' carry no target token {shown}")
    assert "expected a 'response' to train on" in message
    assert "\n" not in message
    encode("d", [*examples, make_example(999, response="yes")], make_encoder())  # 2 of 400 are just half a percent


def test_pairs_come_back_from_a_table_and_a_worker(
    examples: list[Example], make_encoder: Callable[..., Encoder]
) -> None:
    """Every other row is a pair; one has no target."""
    mixed = [replace(e, rejected="no " * i) if i % 2 else e for i, e in enumerate(examples)] * 40
    mixed[2] = replace(mixed[2], response=None)
    encoder = make_encoder()
    table = encode("own", mixed, encoder)
    for copied in (table, pickle.loads(pickle.dumps(table))):
        for i, example in enumerate(mixed):
            row = copied.row(i, "d")
            if i == 2:
                assert (copied.lengths[i], copied.num_targets[i]) == (0, 0)
                continue
            expected = encoder.encode(example)
            assert np.asarray(row.input_ids).tolist() == list(expected.input_ids)
            assert np.asarray(row.rejected).tolist() == list(expected.rejected)
            assert bool(len(row.rejected)) == bool(i % 2)
            assert copied.lengths[i] == len(expected.input_ids) + len(expected.rejected)
            assert copied.num_targets[i] == copied.lengths[i] - expected.prompt_length
    assert table.counts.tokens == table.lengths.sum() == len(table.tokens)
