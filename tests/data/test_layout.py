from typing import Any

import torch
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.data.batching import MicroBatch
from reset_pl.data.encoding import Encoded
from reset_pl.data.layout import Collate


def row(*input_ids: int, num_prompt: int = 1, dataset: str = "d") -> Encoded:
    return Encoded(input_ids=list(input_ids), prompt_length=num_prompt, dataset=dataset)


def collate(*rows: Encoded, packed: bool, pad: int = 9) -> dict[str, Any]:
    return Collate(pad, packed=packed)((MicroBatch(range(len(rows)), 12, step_rows=len(rows), ends_step=True), rows))


def test_padded_on_the_right() -> None:
    batch = collate(row(5, 6, 7, dataset="a"), row(8, 4, dataset="b"), packed=False)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 4, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 1, 0]]
    assert batch["labels"].tolist() == [[-100, 6, 7], [-100, 4, -100]]
    assert batch["predictors"].tolist() == [0, 1, 3]
    assert batch["targets"].tolist() == [6, 7, 4]
    assert batch["row_of_target"].tolist() == [0, 0, 1]
    assert batch["dataset"] == ["a", "b"]
    assert (batch["step_targets"], batch["ends_step"]) == (12, True)
    assert all(batch[name].dtype == torch.int64 for name in ("input_ids", "attention_mask", "labels", "targets"))


def test_packed_end_to_end() -> None:
    batch = collate(row(5, 6, 7), row(8, 3, 4, num_prompt=2), packed=True)
    assert batch["input_ids"].tolist() == [[5, 6, 7, 8, 3, 4]]
    assert batch["labels"].tolist() == [[-100, 6, 7, -100, -100, 4]]
    assert batch["position_ids"].tolist() == [[0, 1, 2, 0, 1, 2]]
    assert batch["row_lengths"] == [3, 3]
    assert batch["predictors"].tolist() == [0, 1, 4]
    assert batch["targets"].tolist() == [6, 7, 4]
    assert "attention_mask" not in batch


def test_padding_that_is_also_the_end_of_sequence_keeps_the_label_of_the_real_end() -> None:
    batch = collate(row(5, 2), row(5, 6, 2), packed=False, pad=2)
    assert batch["labels"].tolist() == [[-100, 2, -100], [-100, 6, 2]]
    assert batch["targets"].tolist() == [2, 6, 2]


@given(st.lists(st.tuples(st.integers(1, 5), st.integers(1, 5)), min_size=1, max_size=6))
def test_both_layouts_have_the_same_targets_in_the_same_order(shapes: list[tuple[int, int]]) -> None:
    rows = [row(*range(i, i + prompt + rest), num_prompt=prompt) for i, (prompt, rest) in enumerate(shapes)]
    padded, packed = collate(*rows, packed=False), collate(*rows, packed=True)
    for name in ("targets", "row_of_target"):
        assert padded[name].tolist() == packed[name].tolist()
    for batch in (padded, packed):
        flat = batch["input_ids"].flatten()
        assert flat[batch["predictors"] + 1].tolist() == batch["targets"].tolist()
    assert len(padded["targets"]) == sum(rest for _, rest in shapes)


def test_a_pair_is_two_rows_one_behind_the_other() -> None:
    pair = Encoded(input_ids=[5, 6, 7], prompt_length=1, dataset="d", rejected=[8])
    for packed in (True, False):
        batch, apart = (collate(*rows, packed=packed) for rows in ((pair, row(3, 4)), (*pair.answers, row(3, 4))))
        assert batch["input_ids"].tolist() == apart["input_ids"].tolist()
        assert batch["targets"].tolist() == [6, 7, 8, 4]
        assert batch["row_of_target"].tolist() == [0, 0, 1, 2]
        assert batch["dataset"] == ["d"] * 3
        assert (batch["num_pairs"], batch["step_rows"]) == (1, 2)
        assert (apart["num_pairs"], apart["step_rows"]) == (0, 3)
