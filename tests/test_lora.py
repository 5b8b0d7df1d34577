"""A whole run that tunes adapters: an MTL epoch, a round, its curated epoch; killed and restarted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from reset_pl.rounds.ledger import Ledger
from tests.test_restart import finish, kill_when, write_config


def lora_config(folder: Path, model: Path) -> Path:
    """One round, adapters in place of all weights, activation checkpointing, every stage exported."""
    folder.mkdir()
    config = write_config(folder, model)
    settings = yaml.safe_load(config.read_text())
    settings["model"]["init_args"] |= {"lora": {"rank": 4}, "activation_checkpointing": True, "lr": 0.02}
    callbacks = settings["trainer"]["callbacks"]
    callbacks[-1]["init_args"]["rounds"] = 1
    callbacks.insert(1, {"class_path": "callbacks.ExportPolicy"})
    config.write_text(yaml.safe_dump(settings))
    return config


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    return torch.load(checkpoint, weights_only=False)["state_dict"]


@pytest.mark.integration
def test_adapters_through_a_round_a_kill_and_a_restart(tmp_path: Path, tiny_model: Path) -> None:
    whole, killed = (lora_config(tmp_path / name, tiny_model) for name in ("whole", "killed"))
    finish(whole)
    run, other = (config.parent / "run" for config in (whole, killed))
    kill_when(killed, lambda: bool(list((other / "rounds/round-000/parts").glob("verdicts-slow-*.parquet"))))
    assert "going on from" in finish(killed)

    for table in ("candidates", "verdicts", "selected"):
        assert Ledger(other / "rounds/round-000").read_table(table) == Ledger(run / "rounds/round-000").read_table(
            table
        )
    for stage in ("start", "mtl", "round-000"):
        expected, got = (json.loads((folder / f"evaluation/{stage}.json").read_text()) for folder in (run, other))
        # The policy's fingerprint among them: the same adapters, bit for bit.
        assert {**got, "commit": None} == {**expected, "commit": None}

    stages = {path.name.rpartition("-")[0]: weights(path) for path in (run / "checkpoints").glob("*.ckpt")}
    assert stages.keys() == {"mtl", "round-000"}
    for name, tensor in stages["mtl"].items():
        assert ".lora_" in name  # the rest is the model that was started from
        assert not torch.equal(tensor, stages["round-000"][name])
    _check_export(run / "policy" / "round-000", tiny_model, stages["round-000"])


def _check_export(folder: Path, base: Path, adapters: dict[str, torch.Tensor]) -> None:
    """The exported folder is a plain model: base + alpha / rank · B · A."""
    from transformers import AutoModelForCausalLM

    before, after = (dict(AutoModelForCausalLM.from_pretrained(path).named_parameters()) for path in (base, folder))
    assert before.keys() == after.keys()
    for name, weight in before.items():
        layer: Any = f"policy.{name.removesuffix('.weight')}"
        change = torch.zeros(())
        if f"{layer}.lora_A.default.weight" in adapters:
            change = 32 / 4 * adapters[f"{layer}.lora_B.default.weight"] @ adapters[f"{layer}.lora_A.default.weight"]
            assert change.any()
        torch.testing.assert_close(after[name], weight + change)
    card = (folder / "README.md").read_text()
    assert "stage | `round-000`" in card
    assert "rank: 4" in card
