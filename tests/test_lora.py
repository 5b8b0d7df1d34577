"""A whole run that tunes adapters: an MTL epoch, a round, its curated epoch; killed and restarted."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from reset_pl.__main__ import main
from reset_pl.errors import InputError
from reset_pl.policy.adapters import Lora
from reset_pl.policy.fingerprint import policy_fingerprint
from reset_pl.policy.restore import read_model, restore_weights
from reset_pl.rounds.ledger import Ledger
from reset_pl.tuning.mtl import MTL
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


def test_a_roll_back_to_the_start_restores_the_first_adapters(tiny_model: Path) -> None:
    torch.manual_seed(7)
    module = MTL(str(tiny_model), lora=Lora(rank=4))
    module.configure_model()
    start = policy_fingerprint(module.policy)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.requires_grad:
                parameter.normal_()
    torch.rand(10)  # as sampling and training draw numbers in between
    restore_weights(module, partial(read_model, module.model_path, module.dtype_name, lora=module.lora))
    assert policy_fingerprint(module.policy) == start


def test_a_checkpoint_of_other_adapters_is_refused(tiny_model: Path) -> None:
    module = MTL(str(tiny_model), lora=Lora(rank=4))
    module.configure_model()
    checkpoint: dict[str, Any] = {"state_dict": module.state_dict()}
    module.on_save_checkpoint(checkpoint)
    assert len(checkpoint["state_dict"]) == 28
    module.on_load_checkpoint(checkpoint)
    del checkpoint["state_dict"]["policy.model.layers.1.mlp.up_proj.lora_B.default.weight"]
    with pytest.raises(
        InputError, match=r"it lacks policy.model.layers.1.mlp.up_proj.lora_B.default.weight \(1 in all"
    ):
        module.on_load_checkpoint(checkpoint)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--model.init_args.lora={rank: 0}", "expected --model.lora.rank of at least 1, but got 0"),
        (
            "--model.init_args.lora={target_modules: [query]}",
            "among the linear layers of LlamaForCausalLM, down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, "
            "v_proj, or all-linear, but got query",
        ),
        ("--model.init_args.lora={quantize: true}", "expected a CUDA GPU and bitsandbytes"),
    ],
)
def test_bad_settings_are_one_line(
    option: str,
    message: str,
    tmp_path: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    config = write_config(tmp_path, tiny_model)
    monkeypatch.setattr(sys, "argv", ["reset_pl", "fit", "--config", str(config), option])
    assert main() == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("error: ")
    assert message in error


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
