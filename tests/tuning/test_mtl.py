import math
from collections.abc import Callable
from pathlib import Path

import lightning as L
import pytest
from transformers import AutoModelForCausalLM

from reset_pl.data.datamodule import ResetDataModule
from reset_pl.tuning.mtl import MTL

from .conftest import Memory

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")


def test_the_loss_of_every_set_is_logged(
    tiny_model: Path,
    make_data: Callable[..., ResetDataModule],
    make_trainer: Callable[..., L.Trainer],
    memory: Memory,
) -> None:
    """At rate 0 the weights stay, so that transformers' own loss on each set's rows of each batch is the reference."""
    make_trainer(logger=memory).fit(MTL(str(tiny_model), lr=0.0), make_data(batch_size=2))

    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    expected: list[dict[str, float]] = []
    for batch in make_data(batch_size=2, layout="padded").train_dataloader():
        expected.append({})
        for name in set(batch["dataset"]):
            rows = [i for i, other in enumerate(batch["dataset"]) if other == name]
            inputs = {key: batch[key][rows] for key in ("input_ids", "attention_mask", "labels")}
            expected[-1][f"train/loss/{name}"] = model(**inputs).loss.item()

    rows = [{name: value for name, value in row.items() if name.startswith("train/loss/")} for _, row in memory.rows]
    # A set that is not in the batch has no loss there.
    logged = [{name: value for name, value in row.items() if not math.isnan(value)} for row in rows if row]
    assert [row.keys() for row in logged] == [row.keys() for row in expected]
    for ours, theirs in zip(logged, expected, strict=True):
        assert ours == pytest.approx(theirs, abs=1e-5)
    assert {len(row) for row in expected} == {1, 2}
    assert any(abs(row["train/loss/small"] - row["train/loss/large"]) > 1e-4 for row in expected if len(row) == 2)


def test_the_stage_has_its_own_name(
    tiny_model: Path, make_data: Callable[..., ResetDataModule], make_trainer: Callable[..., L.Trainer]
) -> None:
    module = MTL(str(tiny_model))
    make_trainer(max_steps=1).fit(module, make_data(batch_size=2))
    assert module.stage == "mtl"
