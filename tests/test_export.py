"""Checkpoints of every kind become Hugging Face folders that hold the same model."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file, save_file

from reset_pl.__main__ import main
from reset_pl.errors import InputError
from reset_pl.policy.fingerprint import policy_fingerprint
from reset_pl.policy.load import load_policy
from reset_pl.policy.probe import log_probs, probe_prompts
from tests.conftest import save_tokenizer
from tests.test_restart import finish, write_config


def save_tied_lm(folder: Path) -> None:
    """A random Llama whose embeddings are its output layer too: the weights that consolidation is known to lose."""
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(3)
    shape = {"vocab_size": 259, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 2}
    special = {"pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
    config = LlamaConfig(**shape, **special, num_attention_heads=2, num_key_value_heads=1, tie_word_embeddings=True)
    LlamaForCausalLM(config).save_pretrained(folder)
    save_tokenizer(folder)


def run_config(folder: Path, *, model: dict[str, Any], **trainer: Any) -> Path:
    """A stage without rounds; its end is saved as a checkpoint and exported from the live policy too."""
    folder.mkdir()
    base = folder / "base"
    save_tied_lm(base)
    config = write_config(folder, base)
    settings = yaml.safe_load(config.read_text())
    settings["model"] = {"class_path": "MTL", "init_args": {"model": str(base), "lr": 0.02, **model}}
    settings["data"] = {**settings["data"], "test": [], "batch_size": 4}
    settings["trainer"] |= trainer
    settings["trainer"]["callbacks"] = [
        {"class_path": "callbacks.StageCheckpoint"},
        {"class_path": "callbacks.ExportPolicy"},
    ]
    config.write_text(yaml.safe_dump(settings))
    return config


def deepspeed(stage: int) -> dict[str, Any]:
    strategy = {"class_path": "reset_pl.tuning.strategies.CpuDeepSpeedStrategy", "init_args": {"stage": stage}}
    return {"devices": 2, "strategy": strategy}


def fit_here(config: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["reset_pl", "fit", "--config", str(config)])
    assert main() == 0


def checkpoint_of(config: Path) -> Path:
    [found] = (config.parent / "run" / "checkpoints").glob("mtl-*.ckpt")
    return found


def loaded(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM

    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto")


def check(config: Path, capsys: pytest.CaptureFixture[str], *, dtype: str = "float32", exact: bool = True) -> Path:
    """Export the checkpoint, and compare the folder with what the live policy left, and with the base."""
    out = config.parent / "out"
    assert main(["export", str(checkpoint_of(config)), str(out)]) == 0
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(f"export: {out}, ")
    assert "the stage 'mtl', step 6, " in last
    assert f" parameters in {dtype}, loaded again and compared, " in last
    ours, live, base = (loaded(path) for path in (out, config.parent / "run/policy/mtl", config.parent / "base"))
    assert str(ours.dtype) == str(live.dtype) == f"torch.{dtype}"
    assert ours.lm_head.weight is ours.model.embed_tokens.weight
    if exact:
        assert policy_fingerprint(ours) == policy_fingerprint(live)
    assert policy_fingerprint(ours) != policy_fingerprint(base)
    assert json.loads((out / "config.json").read_text())["dtype"] == dtype
    assert "| stage | `mtl` |" in (out / "README.md").read_text()
    return out


# ---------------------------------------------------------------------- what can go wrong, on one run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Configuration of a finished run on one process, all weights tuned."""
    config = run_config(tmp_path_factory.mktemp("export") / "plain", model={})
    with pytest.MonkeyPatch.context() as monkeypatch:
        fit_here(config, monkeypatch)
    return config


@pytest.mark.integration
def test_a_plain_checkpoint(run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    check(run, capsys)
    assert main(["export", str(checkpoint_of(run)), str(tmp_path / "half"), "--dtype", "bfloat16"]) == 0
    half, whole = loaded(tmp_path / "half"), loaded(run.parent / "out")
    for ours, theirs in zip(half.parameters(), whole.parameters(), strict=True):
        assert torch.equal(ours, theirs.bfloat16())


def error_of(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["export", *arguments]) == 2
    captured = capsys.readouterr()
    [line] = [line for line in captured.err.splitlines() if line.startswith("error: ")]
    assert "Traceback" not in captured.err
    assert captured.err.splitlines()[-1] == line
    return line


@pytest.mark.integration
def test_bad_input_is_one_line(run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    checkpoint, out = str(checkpoint_of(run)), str(tmp_path / "out")
    assert "there is no nowhere.ckpt" in error_of(["nowhere.ckpt", out], capsys)
    assert f"expected a new folder for OUT, but {tmp_path} exists" in error_of([checkpoint, str(tmp_path)], capsys)
    assert "expected a run with --model.lora for --adapter" in error_of([checkpoint, out, "--adapter"], capsys)
    assert "invalid choice: 'int8'" in error_of([checkpoint, out, "--dtype", "int8"], capsys)
    assert "see python -m reset_pl export --help" in error_of([checkpoint], capsys)

    folder = tmp_path / "run" / "checkpoints"
    folder.mkdir(parents=True)
    cut = folder / "mtl-000006.ckpt"
    cut.write_bytes(Path(checkpoint).read_bytes()[:-100])
    assert "a part of it is missing or cut short" in error_of([str(cut), out], capsys)
    shutil.copy(checkpoint, cut)
    assert f"expected the run's config.yaml at {tmp_path / 'run' / 'config.yaml'}" in error_of([str(cut), out], capsys)
    (tmp_path / "run" / "config.yaml").write_text("a: 1\n")
    assert "expected a configuration that fit wrote" in error_of([str(cut), out], capsys)
    shutil.copy(run.parent / "run" / "config.yaml", tmp_path / "run")
    torch.save({"state_dict": {}}, cut)
    assert "expected a checkpoint that 'python -m reset_pl fit' wrote" in error_of([str(cut), out], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


@pytest.mark.integration
def test_a_base_that_is_another_model_now(run: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """The configuration says where the model was; it may have been replaced."""
    shutil.copytree(run.parent / "run", tmp_path / "run", ignore=shutil.ignore_patterns("policy"))
    [checkpoint] = (tmp_path / "run/checkpoints").glob("*.ckpt")
    settings = yaml.safe_load((tmp_path / "run/config.yaml").read_text())
    shutil.copytree(run.parent / "base", tmp_path / "base")
    settings["model"]["init_args"]["model"] = str(tmp_path / "base")
    (tmp_path / "run/config.yaml").write_text(yaml.safe_dump(settings))
    config = json.loads((tmp_path / "base/config.json").read_text())
    for layers, message in ((1, "model.layers.1"), (3, "model.layers.2")):
        (tmp_path / "base/config.json").write_text(json.dumps(config | {"num_hidden_layers": layers}))
        assert message in error_of([str(checkpoint), str(tmp_path / "out")], capsys)
    assert not (tmp_path / "out").exists()


# ---------------------------------------------------------------------- the proof


def test_a_folder_that_holds_another_model_is_caught(tiny_model: Path, tmp_path: Path) -> None:
    """Planted: weights changed, lost, of a layer that is not there, and embeddings that are tied and should not be."""
    from reset_pl.export import prove

    model = load_policy(str(tiny_model), "float32")
    prompts = probe_prompts(259)
    count = sum(parameter.numel() for parameter in model.parameters())
    claims: dict[str, Any] = {"count": count, "prompts": prompts, "expected": log_probs(model, prompts)}
    claims |= {"tolerance": 1e-4, "dtype": "float32"}
    prove(tiny_model, **claims)
    weights = load_file(tiny_model / "model.safetensors")
    changed = weights | {"model.layers.1.mlp.down_proj.weight": weights["model.layers.1.mlp.down_proj.weight"].flip(0)}
    lost = {name: value for name, value in weights.items() if "k_proj" not in name}
    for name, tensors, message in (
        ("changed", changed, r"the exported folder .* token has -\d.\d+ in the trainer and -\d.\d+ in"),
        ("lost", lost, r"it lacks model.layers.0.self_attn.k_proj.weight \(2 in all\): nothing was kept"),
    ):
        _plant(tmp_path / name, tiny_model, tensors, {})
        with pytest.raises(InputError, match=message):
            prove(tmp_path / name, **claims)
    tied = {name: value for name, value in weights.items() if name != "lm_head.weight"}
    for name, tensors, config in (
        ("layer", weights, {"num_hidden_layers": 1}),
        ("tied", tied, {"tie_word_embeddings": True}),
    ):
        _plant(tmp_path / name, tiny_model, tensors, config)
        with pytest.raises(InputError, match=rf"the {count:,} parameters .* loaded again it has \d+,\d+: nothing was"):
            prove(tmp_path / name, **claims)


def _plant(folder: Path, model: Path, weights: dict[str, torch.Tensor], config: dict[str, Any]) -> None:
    shutil.copytree(model, folder)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    before = json.loads((model / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(before | config))


# ---------------------------------------------------------------------- other kinds of runs


@pytest.mark.integration
def test_a_checkpoint_of_adapters(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from peft import AutoPeftModelForCausalLM

    config = run_config(tmp_path / "lora", model={"lora": {"rank": 4}, "dtype": "bfloat16"})
    fit_here(config, monkeypatch)
    merged = loaded(check(config, capsys, dtype="bfloat16"))
    out = tmp_path / "adapter"
    assert main(["export", str(checkpoint_of(config)), str(out), "--adapter"]) == 0
    assert "adapters of the stage 'mtl'" in capsys.readouterr().out.splitlines()[-1]
    assert not (out / "model.safetensors").exists()
    theirs = AutoPeftModelForCausalLM.from_pretrained(out, dtype=torch.bfloat16).merge_and_unload()
    for name, parameter in theirs.named_parameters():
        torch.testing.assert_close(parameter, merged.get_parameter(name), rtol=2**-7, atol=1e-3)


@pytest.mark.integration
@pytest.mark.parametrize(
    ("stage", "model", "precision"),
    [(2, {"dtype": "bfloat16"}, "bf16-true"), (3, {}, "32-true"), (3, {"lora": {"rank": 4}}, "32-true")],
    ids=["stage 2, bfloat16", "stage 3", "stage 3, adapters"],
)
def test_sharded_checkpoints_of_two_processes(
    stage: int,
    model: dict[str, Any],
    precision: str,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = run_config(tmp_path / "run", model=model, precision=precision, **deepspeed(stage))
    finish(config)
    checkpoint = checkpoint_of(config)
    assert checkpoint.is_dir()
    out = check(config, capsys, dtype=model.get("dtype", "float32"))
    if "lora" in model:
        # Under stage 3 peft's own zeros for B reach a placeholder: the run would not begin as one process does.
        plain = run_config(tmp_path / "plain", model=model)
        fit_here(plain, monkeypatch)
        prompts = probe_prompts(259)
        ours, theirs = (log_probs(loaded(folder), prompts) for folder in (out, tmp_path / "plain/run/policy/mtl"))
        assert ours[2] == pytest.approx(theirs[2], abs=0.02)
    [shard] = checkpoint.glob("*/*rank_1_*optim_states.pt")
    shard.unlink()
    assert "a part of it is missing" in error_of([str(checkpoint), str(tmp_path / "again")], capsys)
