import math
from pathlib import Path
from typing import Any

import pytest
import torch

from reset_pl.errors import InputError
from reset_pl.policy.adapters import Lora, adapted_layers, is_adapter
from reset_pl.policy.fingerprint import policy_fingerprint
from reset_pl.policy.load import load_policy
from reset_pl.tuning.packing import enable_packing, packed_logits

TOKENS = torch.arange(3, 19)[None]
LAYERS = "down_proj, gate_proj, k_proj, o_proj, q_proj, up_proj, v_proj"


def with_values(model: Any) -> Any:
    """The model with adapters that do something, as after training."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if ".lora_B." in name:
            parameter.data = torch.randn(parameter.shape, generator=generator).to(parameter.dtype) * 0.2
    return model


def gradients(model: Any, batch: dict[str, Any] | None = None) -> dict[str, torch.Tensor]:
    logits = model(input_ids=TOKENS, use_cache=False).logits if batch is None else packed_logits(model, batch)
    logits.float().log_softmax(-1).square().mean().backward()
    return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}


def test_adapters_alone_are_trained_and_change_nothing_at_first(tiny_model: Path) -> None:
    plain, tuned = load_policy(str(tiny_model), "float32"), load_policy(str(tiny_model), "float32", lora=Lora(rank=4))
    assert len(list(adapted_layers(tuned))) == 14
    assert not list(adapted_layers(plain))
    assert torch.equal(plain(input_ids=TOKENS).logits, tuned(input_ids=TOKENS).logits)
    trained = {name: p for name, p in tuned.named_parameters() if p.requires_grad}
    assert set(trained) == {name for name, _ in tuned.named_parameters() if is_adapter(name)}
    assert len(trained) == 2 * 7 * 2  # A and B of seven layers in each of two blocks
    assert sum(p.numel() for p in trained.values()) == 4 * 2 * (4 * 32 + 3 * 48)


def test_first_values_are_peft_s_and_follow_from_the_seed(tiny_model: Path) -> None:
    torch.manual_seed(5)
    first = load_policy(str(tiny_model), "float32", lora=Lora(rank=8))
    torch.rand(100)
    fingerprint = policy_fingerprint(first)
    assert policy_fingerprint(load_policy(str(tiny_model), "float32", lora=Lora(rank=8))) == fingerprint
    torch.manual_seed(6)
    assert policy_fingerprint(load_policy(str(tiny_model), "float32", lora=Lora(rank=8))) != fingerprint
    for name, parameter in first.named_parameters():
        if ".lora_A." in name:  # uniform within 1/sqrt(inputs), as torch's linear layers and peft's adapters
            bound = 1 / math.sqrt(parameter.shape[1])
            assert parameter.abs().max() <= bound
            assert parameter.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.2)
        if ".lora_B." in name:
            assert not parameter.any()


def test_adapters_of_a_bfloat16_model_are_float32(tiny_model: Path) -> None:
    model = load_policy(str(tiny_model), "bfloat16", lora=Lora())
    assert {p.dtype for p in model.parameters() if p.requires_grad} == {torch.float32}
    assert {p.dtype for p in model.parameters() if not p.requires_grad} == {torch.bfloat16}
    assert model(input_ids=TOKENS).logits.dtype == torch.bfloat16


@pytest.mark.parametrize("layout", ["padded", "packed"])
@pytest.mark.parametrize("lora", [None, Lora(rank=4)], ids=["all weights", "adapters"])
def test_activation_checkpointing_gives_the_same_gradients(tiny_model: Path, lora: Lora | None, layout: str) -> None:
    batch = None
    if layout == "packed":
        positions = torch.cat([torch.arange(6), torch.arange(10)])[None]
        batch = {"input_ids": TOKENS, "position_ids": positions, "row_lengths": [6, 10]}
        batch["predictors"] = torch.arange(16)
    grads = []
    for checkpointing in (False, True):
        model = with_values(load_policy(str(tiny_model), "float32", lora=lora, activation_checkpointing=checkpointing))
        assert model.is_gradient_checkpointing == checkpointing
        if layout == "packed":
            enable_packing(model)
        grads.append(gradients(model, batch))
    assert grads[0].keys() == grads[1].keys()
    assert len(grads[0]) == (28 if lora else 21)
    for name, gradient in grads[0].items():
        assert gradient.any(), name
        torch.testing.assert_close(gradient, grads[1][name])


def test_packed_rows_do_not_see_each_other_through_adapters(tiny_model: Path) -> None:
    model = with_values(load_policy(str(tiny_model), "float32", lora=Lora(rank=4))).eval()
    alone = torch.cat([model(input_ids=row).logits[0] for row in (TOKENS[:, :6], TOKENS[:, 6:])])
    enable_packing(model)
    positions = torch.cat([torch.arange(6), torch.arange(10)])[None]
    batch = {"input_ids": TOKENS, "position_ids": positions, "row_lengths": [6, 10], "predictors": torch.arange(4, 9)}
    torch.testing.assert_close(packed_logits(model, batch), alone[4:9])


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"rank": 0}, "expected --model.lora.rank of at least 1, but got 0"),
        ({"alpha": -1}, "expected --model.lora.alpha of at least 1, but got -1"),
        ({"dropout": 1.0}, r"expected --model.lora.dropout in \[0, 1\), but got 1.0"),
    ],
)
def test_numbers_that_no_adapter_has(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Lora(**settings)


def test_layers_chosen_by_name(tiny_model: Path) -> None:
    model = load_policy(str(tiny_model), "float32", lora=Lora(target_modules=["q_proj", "v_proj"]))
    names = [name for name, _ in model.named_parameters() if is_adapter(name)]
    assert len(names) == 2 * 2 * 2
    assert all("q_proj" in name or "v_proj" in name for name in names)


@pytest.mark.parametrize(
    ("wanted", "got"),
    [(["q_proj", "query"], "query"), (["lm_head"], "lm_head"), (["embed_tokens"], "embed"), ([], "none")],
)
def test_layers_that_the_model_lacks(tiny_model: Path, wanted: list[str], got: str) -> None:
    """The output layer is none of them: tied to the embeddings, both would change."""
    with pytest.raises(InputError, match=f"linear layers of LlamaForCausalLM, {LAYERS}, or all-linear, but got {got}"):
        load_policy(str(tiny_model), "float32", lora=Lora(target_modules=wanted))


@pytest.mark.skipif(torch.cuda.is_available(), reason="says what is missing, and here nothing is")
def test_four_bits_without_a_gpu_are_refused_in_one_line(tiny_model: Path) -> None:
    with pytest.raises(InputError, match="expected a CUDA GPU and bitsandbytes .* but got no GPU") as error:
        load_policy(str(tiny_model), "float32", lora=Lora(quantize=True))
    assert "\n" not in str(error.value)
