import json
import os
import resource
import shutil
import signal
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from transformers import AutoModelForCausalLM, AutoTokenizer

from reset_pl.errors import InputError
from reset_pl.policy import shards
from reset_pl.policy.adapters import Lora, with_adapters
from reset_pl.policy.export import export_policy
from reset_pl.policy.fingerprint import policy_fingerprint
from reset_pl.policy.load import load_policy
from tests.conftest import save_causal_lm, save_tokenizer
from tests.policy.test_adapters import with_values

TOKENS = torch.arange(3, 40)[None]


def reloaded(folder: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(folder, dtype="auto")


def stored(folder: Path) -> dict[str, torch.Tensor]:
    tensors = {}
    for path in folder.glob("*.safetensors"):
        with safe_open(path, "pt") as file:
            tensors.update({name: file.get_tensor(name) for name in file.keys()})  # noqa: SIM118
    return tensors


@pytest.fixture
def policy(tiny_model: Path) -> Any:
    """A policy with biases, buffers and unlike values that tuning could have given it."""
    return load_policy(str(tiny_model), "float32")


def test_the_folder_is_the_policy(policy: Any, tokenizer: Any, tmp_path: Path) -> None:
    tokenizer.chat_template = "{{ messages[0].content }}"
    policy.generation_config.temperature = 0.7  # without do_sample, as published models have it
    try:
        export_policy(policy, tokenizer, tmp_path / "out", card="# A card\n")
    finally:
        tokenizer.chat_template = None
    model = reloaded(tmp_path / "out")
    assert policy_fingerprint(model) == policy_fingerprint(policy)
    assert torch.equal(model(input_ids=TOKENS).logits, policy(input_ids=TOKENS).logits)
    assert model.generation_config.temperature == 0.7
    assert model.generation_config.eos_token_id == 2
    written = AutoTokenizer.from_pretrained(tmp_path / "out")
    assert written("abc")["input_ids"] == tokenizer("abc")["input_ids"]
    assert written.chat_template == "{{ messages[0].content }}"
    assert (tmp_path / "out" / "README.md").read_text() == "# A card\n"
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert config["architectures"] == ["LlamaForCausalLM"]
    assert config["dtype"] == "float32"
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert policy.training


def test_tied_weights_are_written_once(tmp_path: Path, tokenizer: Any) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = {"vocab_size": 259, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    model = LlamaForCausalLM(LlamaConfig(**config, num_attention_heads=2, tie_word_embeddings=True))
    export_policy(model, tokenizer, tmp_path / "out")
    assert "model.embed_tokens.weight" in stored(tmp_path / "out")
    assert "lm_head.weight" not in stored(tmp_path / "out")
    again = reloaded(tmp_path / "out")
    assert again.lm_head.weight is again.model.embed_tokens.weight
    assert torch.equal(again(input_ids=TOKENS).logits, model(input_ids=TOKENS).logits)


def test_names_and_parts_are_those_of_the_model_s_own_files(tmp_path: Path, tokenizer: Any) -> None:
    """transformers joins the experts of a layer in memory; vLLM reads them one by one."""
    from transformers import MixtralConfig, MixtralForCausalLM

    config = {"vocab_size": 259, "hidden_size": 16, "intermediate_size": 8, "num_hidden_layers": 1}
    model = MixtralForCausalLM(
        MixtralConfig(**config, num_attention_heads=2, num_key_value_heads=2, num_local_experts=3)
    ).eval()
    export_policy(model, tokenizer, tmp_path / "ours")
    model.save_pretrained(tmp_path / "theirs")
    ours, theirs = stored(tmp_path / "ours"), stored(tmp_path / "theirs")
    assert ours.keys() == theirs.keys()
    assert "model.layers.0.block_sparse_moe.experts.2.w1.weight" in ours
    assert all(torch.equal(tensor, theirs[name]) for name, tensor in ours.items())


def test_several_files_have_an_index(
    policy: Any, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shards, "SHARD_BYTES", 20_000)
    export_policy(policy, tokenizer, tmp_path / "out")
    files = sorted(path.name for path in (tmp_path / "out").glob("*.safetensors"))
    assert len(files) > 2
    assert files[0] == f"model-00001-of-{len(files):05d}.safetensors"
    index = json.loads((tmp_path / "out" / "model.safetensors.index.json").read_text())
    assert set(index["weight_map"].values()) == set(files)
    assert index["metadata"]["total_size"] == 4 * sum(p.numel() for p in policy.parameters())
    assert all((tmp_path / "out" / name).stat().st_size < 22_000 for name in files)
    assert policy_fingerprint(reloaded(tmp_path / "out")) == policy_fingerprint(policy)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_another_type_is_written_when_asked_for(policy: Any, tokenizer: Any, tmp_path: Path, dtype: str) -> None:
    export_policy(policy, tokenizer, tmp_path / "out", dtype=getattr(torch, dtype))
    assert {tensor.dtype for tensor in stored(tmp_path / "out").values()} == {getattr(torch, dtype)}
    model = reloaded(tmp_path / "out")
    assert model.dtype == getattr(torch, dtype)
    weights = dict(model.named_parameters())
    for name, parameter in policy.named_parameters():
        assert torch.equal(weights[name], parameter.to(model.dtype))
    assert policy.dtype == torch.float32


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_adapters_are_merged_as_peft_merges_them(tiny_model: Path, tokenizer: Any, tmp_path: Path, dtype: Any) -> None:
    from peft import LoraConfig, get_peft_model, set_peft_model_state_dict

    policy = with_values(load_policy(str(tiny_model), dtype, lora=Lora(rank=4, alpha=12)))
    before = policy_fingerprint(policy)
    export_policy(policy, tokenizer, tmp_path / "out")
    assert policy_fingerprint(policy) == before

    base = load_policy(str(tiny_model), dtype)
    theirs = get_peft_model(base, LoraConfig(r=4, lora_alpha=12, target_modules="all-linear", task_type="CAUSAL_LM"))
    own = {
        f"base_model.model.{name.replace('.default', '')}": tensor
        for name, tensor in policy.state_dict().items()
        if ".lora_" in name
    }
    assert not set_peft_model_state_dict(theirs, own).unexpected_keys
    expected = dict(theirs.merge_and_unload().named_parameters())
    model = reloaded(tmp_path / "out")
    assert {name for name, _ in model.named_parameters()} == expected.keys()
    for name, parameter in model.named_parameters():  # in bfloat16 theirs is rounded twice
        torch.testing.assert_close(
            parameter,
            expected[name],
            rtol=1e-6 if dtype == "float32" else 2**-7,
            atol=1e-6 if dtype == "float32" else 1e-3,
        )
    rounding = 1e-5 if dtype == "float32" else 0.05
    policy.eval()
    assert (model(input_ids=TOKENS).logits - policy(input_ids=TOKENS).logits).abs().max() < rounding


def test_adapters_alone_are_a_folder_that_peft_reads(tiny_model: Path, tokenizer: Any, tmp_path: Path) -> None:
    from peft import AutoPeftModelForCausalLM

    policy = with_values(load_policy(str(tiny_model), "float32", lora=Lora(rank=4))).eval()
    export_policy(policy, tokenizer, tmp_path / "out", adapters_only=True)
    assert (tmp_path / "out" / "adapter_model.safetensors").stat().st_size < 40_000
    assert not (tmp_path / "out" / "model.safetensors").exists()
    model = AutoPeftModelForCausalLM.from_pretrained(tmp_path / "out")
    torch.testing.assert_close(model(input_ids=TOKENS).logits, policy(input_ids=TOKENS).logits)


def test_weights_of_four_bits_are_written_as_what_they_stand_for(
    tiny_model: Path, tokenizer: Any, tmp_path: Path
) -> None:
    """On the CPU, where bitsandbytes quantizes too."""
    functional = pytest.importorskip("bitsandbytes.functional", reason="needs bitsandbytes (the extra qlora)")
    from transformers import BitsAndBytesConfig

    settings = {"load_in_4bit": True, "bnb_4bit_quant_type": "nf4", "bnb_4bit_use_double_quant": True}
    policy = AutoModelForCausalLM.from_pretrained(
        tiny_model,
        dtype=torch.bfloat16,
        quantization_config=BitsAndBytesConfig(**settings, bnb_4bit_compute_dtype=torch.bfloat16),
        device_map={"": "cpu"},
    )
    policy = with_values(with_adapters(policy, Lora(rank=2, alpha=2, target_modules=["q_proj"])))
    export_policy(policy, tokenizer, tmp_path / "out")
    weights = stored(tmp_path / "out")
    assert {tensor.dtype for tensor in weights.values()} == {torch.bfloat16}
    layer = policy.model.layers[0]
    down, query = layer.mlp.down_proj.weight, layer.self_attn.q_proj
    wide = functional.dequantize_4bit(down.data, down.quant_state)
    assert torch.equal(weights["model.layers.0.mlp.down_proj.weight"], wide)
    wide = functional.dequantize_4bit(query.base_layer.weight.data, query.base_layer.weight.quant_state)
    change = query.lora_B["default"].weight @ query.lora_A["default"].weight
    expected = (wide.float() + change).bfloat16()
    assert torch.equal(weights["model.layers.0.self_attn.q_proj.weight"], expected)
    assert "quantization_config" not in json.loads((tmp_path / "out" / "config.json").read_text())
    assert reloaded(tmp_path / "out").dtype == torch.bfloat16


def test_a_biased_adapted_layer_and_a_saved_buffer(tmp_path: Path, tokenizer: Any) -> None:
    from transformers import Qwen2Config, Qwen2ForCausalLM

    config = {"vocab_size": 259, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1}
    plain = Qwen2ForCausalLM(Qwen2Config(**config, num_attention_heads=2, num_key_value_heads=2))
    for name, parameter in plain.named_parameters():
        if name.endswith("bias"):
            parameter.data.normal_()
    plain.save_pretrained(tmp_path / "base")
    policy = with_values(load_policy(str(tmp_path / "base"), "float32", lora=Lora(rank=2))).eval()
    policy.model.norm.register_buffer("counted", torch.tensor([3], dtype=torch.int64))
    export_policy(policy, tokenizer, tmp_path / "out")
    assert stored(tmp_path / "out")["model.norm.counted"].tolist() == [3]
    model = reloaded(tmp_path / "out")
    assert torch.equal(model.model.layers[0].self_attn.q_proj.bias, plain.model.layers[0].self_attn.q_proj.bias)
    torch.testing.assert_close(model(input_ids=TOKENS).logits, policy(input_ids=TOKENS).logits)


def test_a_folder_that_exists_is_kept(policy: Any, tokenizer: Any, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    with pytest.raises(InputError, match="expected a new folder for the export, but .*out exists"):
        export_policy(policy, tokenizer, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_what_a_kill_left_is_written_over(policy: Any, tokenizer: Any, tmp_path: Path) -> None:
    (tmp_path / ".out.tmp").mkdir()
    (tmp_path / ".out.tmp" / "model.safetensors").write_text("half")
    (tmp_path / ".out.tmp" / "stray").write_text("half")
    export_policy(policy, tokenizer, tmp_path / "out")
    assert not (tmp_path / "out" / "stray").exists()
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_a_disk_too_small_is_said_beforehand(
    policy: Any, tokenizer: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 99 * 10**7, 10**7))
    with pytest.raises(InputError, match=r"expected 0.07 GB free for the export to .*out, but got 0.01 GB") as error:
        export_policy(policy, tokenizer, tmp_path / "out")
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def in_child(check: Callable[[], None]) -> int:
    """Exit status of a child process: limits and signals of its own."""
    child = os.fork()
    if child == 0:
        try:
            check()
            os._exit(0)
        except BaseException as error:
            print(repr(error), flush=True)  # noqa: T201
            os._exit(1)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def refuse_files_beyond(size: int) -> None:
    """A real failing write: the kernel refuses what goes beyond a file's size, in bytes."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_a_disk_that_fills_up_leaves_nothing(policy: Any, tokenizer: Any, tmp_path: Path) -> None:
    def check() -> None:
        refuse_files_beyond(30_000)
        with pytest.raises(InputError, match="cannot export to .*out: File too large; nothing of it was kept") as error:
            export_policy(policy, tokenizer, tmp_path / "out")
        assert "\n" not in str(error.value)
        assert not list(tmp_path.iterdir())

    assert in_child(check) == 0


def test_all_ranks_stop_where_one_cannot_write(policy: Any, tokenizer: Any, tmp_path: Path) -> None:
    """Rank 1 would wait for rank 0 in the next gather until the group's time-out."""
    reached = tmp_path / "reached"
    reached.mkdir()

    def check(rank: int) -> None:
        store = torch.distributed.FileStore(str(tmp_path / "store"), 2)
        torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=2)
        export_policy(policy, tokenizer, tmp_path / "first", writes=rank == 0)
        if rank == 0:
            refuse_files_beyond(30_000)
        with pytest.raises(InputError, match="cannot export to .*second: File too large"):
            export_policy(policy, tokenizer, tmp_path / "second", writes=rank == 0)
        (reached / str(rank)).touch()
        torch.distributed.destroy_process_group()

    children = [torch.multiprocessing.get_context("fork").Process(target=check, args=(rank,)) for rank in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(timeout=60)
        child.kill()
    assert {path.name for path in reached.iterdir()} == {"0", "1"}
    assert {path.name for path in tmp_path.iterdir()} - {"store"} == {"reached", "first"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_without_rights(policy: Any, tokenizer: Any, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(InputError, match="cannot export to .*out: Permission denied"):
        export_policy(policy, tokenizer, tmp_path / "out")


def test_ranks_that_do_not_write_read_everything(policy: Any, tokenizer: Any, tmp_path: Path) -> None:
    export_policy(policy, tokenizer, tmp_path / "out", writes=False)
    assert not list(tmp_path.iterdir())


def test_models_of_other_seeds_differ(tmp_path: Path, tokenizer: Any, policy: Any) -> None:
    """The fingerprints above could agree by not looking: they do not."""
    save_causal_lm(tmp_path / "other", seed=1)
    save_tokenizer(tmp_path / "other")
    assert policy_fingerprint(load_policy(str(tmp_path / "other"), "float32")) != policy_fingerprint(policy)
