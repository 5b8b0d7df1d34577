"""Which checkpoints stay."""

from __future__ import annotations

import json
from pathlib import Path

import lightning as L
import pytest

from callbacks.export_hf import ExportPolicy
from callbacks.stage_checkpoint import StageCheckpoint
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.data.sources import JsonlSource
from reset_pl.errors import InputError
from reset_pl.tuning.mtl import MTL


def test_stage_end_stays_and_inside_only_the_newest(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [{"objective": "instruction", "instruction": f"say {n}", "response": str(n)} for n in range(14)]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    data = ResetDataModule([JsonlSource(str(tmp_path / "rows.jsonl"))], str(tiny_model), batch_size=2)
    seen: list[set[str]] = []
    callback = StageCheckpoint(every_n_steps=2)

    class Watch(L.Callback):
        def on_train_batch_end(self, *_: object) -> None:
            seen.append({path.name for path in (tmp_path / "checkpoints").glob("*.ckpt")})

    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        default_root_dir=tmp_path,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[callback, ExportPolicy(), Watch()],
    )
    trainer.fit(MTL(str(tiny_model)), data)
    assert seen[1:6] == [{"mtl-000002.ckpt"}] * 2 + [{"mtl-000004.ckpt"}] * 2 + [{"mtl-000006.ckpt"}]
    assert {path.name for path in (tmp_path / "checkpoints").glob("*")} == {"mtl-000007.ckpt"}
    exported = {path.name for path in (tmp_path / "policy" / "mtl").iterdir()}
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= exported


def test_bad_interval() -> None:
    with pytest.raises(InputError, match="every_n_steps of at least 1"):
        StageCheckpoint(every_n_steps=0)
