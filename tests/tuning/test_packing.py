"""Packed rows against the same rows padded, on transformers' own models."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    LlamaConfig,
    MambaConfig,
    MistralConfig,
    PreTrainedConfig,
    Qwen2Config,
    Qwen3Config,
)

from reset_pl.data.batching import MicroBatch
from reset_pl.data.encoding import Encoded
from reset_pl.data.layout import Batch, Collate
from reset_pl.errors import InputError
from reset_pl.tuning.loss import target_losses
from reset_pl.tuning.packing import ATTENTION, enable_packing, packed_logits

SMALL: dict[str, Any] = {
    "vocab_size": 97,
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "head_dim": 8,
    "pad_token_id": 0,
}
CONFIGS: dict[str, Callable[[], PreTrainedConfig]] = {
    "llama": lambda: LlamaConfig(**SMALL),
    "qwen2": lambda: Qwen2Config(**SMALL),
    "qwen3": lambda: Qwen3Config(**SMALL, tie_word_embeddings=True),
    "gpt2": lambda: GPT2Config(
        vocab_size=97, n_positions=64, n_embd=32, n_layer=2, n_head=4, attn_pdrop=0.0, embd_pdrop=0.0, resid_pdrop=0.0
    ),
}


def make_model(config: PreTrainedConfig) -> Any:
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).train()
    for parameter in model.parameters():  # as initialised, attention is all but even and no leak would show
        torch.nn.init.normal_(parameter, std=0.2)
    return model


def make_rows(*lengths: int, seed: int = 0) -> list[Encoded]:
    """Rows of so many tokens, two thirds of them prompt."""
    generator = torch.Generator().manual_seed(seed)
    return [
        Encoded(
            input_ids=torch.randint(3, 97, (length,), generator=generator).tolist(),
            prompt_length=max(length * 2 // 3, 1),
            dataset="d",
        )
        for length in lengths
    ]


def collate(rows: list[Encoded], *, packed: bool) -> Batch:
    targets = sum(len(row.input_ids) - row.prompt_length for row in rows)
    return Collate(0, packed=packed)((MicroBatch(range(len(rows)), targets, step_rows=len(rows), ends_step=True), rows))


def reference(model: Any, rows: list[Encoded]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Loss and gradients of transformers' own padded forward pass and loss."""
    batch = collate(rows, packed=False)
    model.zero_grad()
    loss = model(**{name: batch[name] for name in ("input_ids", "attention_mask", "labels")}).loss
    loss.backward()
    return loss.detach(), {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


def packed(model: Any, rows: list[Encoded]) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    batch = collate(rows, packed=True)
    model.zero_grad()
    loss = target_losses(packed_logits(model, batch), batch["targets"]).sum() / batch["step_targets"]
    loss.backward()
    return loss.detach(), {name: parameter.grad.clone() for name, parameter in model.named_parameters()}


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("checkpointing", [False, True], ids=["", "activation-checkpointing"])
def test_packed_loss_and_gradients_are_the_unpacked(name: str, checkpointing: bool) -> None:
    model = make_model(CONFIGS[name]())
    rows = make_rows(7, 31, 2, 12, 12, 19)
    expected_loss, expected_gradients = reference(model, rows)
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    enable_packing(model)
    loss, gradients = packed(model, rows)
    assert loss.item() == pytest.approx(expected_loss.item(), abs=1e-5)
    scale = max(gradient.abs().max().item() for gradient in expected_gradients.values())
    for parameter, gradient in gradients.items():
        torch.testing.assert_close(gradient, expected_gradients[parameter], atol=1e-5 * max(scale, 1.0), rtol=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_a_row_does_not_see_what_it_is_packed_with(name: str) -> None:
    model = make_model(CONFIGS[name]()).eval()
    enable_packing(model)
    (row,) = make_rows(10, seed=1)
    for neighbours in (make_rows(6, seed=2), make_rows(25, 3, seed=3)):
        for rows in ([*neighbours, row], [row, *neighbours]):
            batch = collate(rows, packed=True)
            own = batch["row_of_target"] == rows.index(row)
            alone = packed_logits(model, collate([row], packed=True))
            torch.testing.assert_close(packed_logits(model, batch)[own], alone, atol=1e-5, rtol=1e-5)


def test_without_our_attention_rows_would_leak() -> None:
    """The comparison above can fail: the same rows under plain causal attention are far from the reference."""
    model = make_model(CONFIGS["llama"]())
    rows = make_rows(7, 31, 12)
    expected, _ = reference(model, rows)
    batch = collate(rows, packed=True)
    inputs = {"input_ids": batch["input_ids"], "use_cache": False}
    leaking = model(**inputs).logits[0, batch["predictors"]]
    logits = model(**inputs, position_ids=batch["position_ids"]).logits[0, batch["predictors"]]
    assert target_losses(leaking, batch["targets"]).mean().item() != pytest.approx(expected.item(), abs=1e-3)
    # transformers finds packed rows by their positions as well, with a mask of tokens × tokens: the same numbers.
    assert target_losses(logits, batch["targets"]).mean().item() == pytest.approx(expected.item(), abs=1e-5)


@pytest.mark.parametrize("name", CONFIGS)
def test_the_prepared_model_still_reads_padded_batches_and_generates(name: str) -> None:
    model = make_model(CONFIGS[name]()).eval()
    rows = make_rows(9, 14)
    inputs = {key: collate(rows, packed=False)[key] for key in ("input_ids", "attention_mask")}
    prompt = {"input_ids": torch.tensor([rows[0].input_ids]), "max_new_tokens": 6, "do_sample": False}
    expected, answer = model(**inputs).logits, model.generate(**prompt)
    enable_packing(model)
    assert model.config._attn_implementation == ATTENTION
    torch.testing.assert_close(model(**inputs).logits, expected, atol=1e-6, rtol=1e-6)
    assert model.generate(**prompt).tolist() == answer.tolist()


def test_the_exported_configuration_does_not_name_our_attention(tmp_path: Any) -> None:
    model = make_model(CONFIGS["llama"]())
    enable_packing(model)
    model.save_pretrained(tmp_path)
    assert ATTENTION not in (tmp_path / "config.json").read_text()
    assert AutoModelForCausalLM.from_pretrained(tmp_path).config._attn_implementation == "sdpa"


@pytest.mark.parametrize(
    "config",
    [
        MambaConfig(vocab_size=97, hidden_size=32, state_size=4, num_hidden_layers=2, pad_token_id=0),
        Gemma2Config(**SMALL, sliding_window=4),
    ],
    ids=["recurrent", "window"],
)
def test_a_model_that_cannot_be_packed_is_refused_and_left_as_it_was(config: PreTrainedConfig) -> None:
    model = make_model(config)
    before = model.config._attn_implementation
    with pytest.raises(InputError, match=r"expected .*: set --data.layout grouped or padded"):
        enable_packing(model)
    assert model.config._attn_implementation == before
    assert model.training


def test_a_window_wider_than_the_rows_is_no_matter_and_a_narrower_is_refused() -> None:
    model = make_model(MistralConfig(**SMALL, sliding_window=16))
    enable_packing(model)
    packed(model, make_rows(16, 9))
    with pytest.raises(InputError, match="attention window of 16 tokens, but got one of 17"):
        packed(model, make_rows(9, 17))


def test_local_and_global_layers_may_be_packed_within_the_window() -> None:
    model = make_model(
        Gemma3TextConfig(**SMALL, sliding_window=32, layer_types=["sliding_attention", "full_attention"])
    )
    rows = make_rows(7, 30, 12)
    expected, _ = reference(model, rows)
    enable_packing(model)
    assert packed(model, rows)[0].item() == pytest.approx(expected.item(), abs=1e-5)


def test_weights_that_are_no_numbers_are_not_taken_for_a_leak() -> None:
    model = make_model(CONFIGS["llama"]())
    torch.nn.init.constant_(model.lm_head.weight, float("nan"))
    enable_packing(model)
    assert packed(model, make_rows(5, 8))[0].isnan()
