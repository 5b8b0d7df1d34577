import math
from pathlib import Path

import pytest
import torch
from torch.nn.functional import cross_entropy
from transformers import AutoModelForCausalLM

from reset_pl.tuning.loss import response_loss, token_losses

IGNORED = -100


def random_batch(rows: int = 3, tokens: int = 9, vocabulary: int = 11) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(rows, tokens, vocabulary, generator=generator)
    labels = torch.randint(vocabulary, (rows, tokens), generator=generator)
    labels[0, :4] = IGNORED
    labels[1, 6:] = IGNORED
    return logits, labels


def test_a_loss_worked_out_by_hand() -> None:
    """One prompt token, then tokens 1 and 0 at probabilities 3/4 and 1/4; the last logits predict nothing."""
    logits = torch.tensor([[[0.0, math.log(3.0)], [math.log(1 / 3), 0.0], [99.0, -99.0]]])
    labels = torch.tensor([[IGNORED, 1, 0]])
    expected = [-math.log(3 / 4), -math.log(1 / 4)]
    assert token_losses(logits, labels).tolist()[0] == pytest.approx(expected, abs=1e-6)
    assert response_loss(logits, labels).item() == pytest.approx(sum(expected) / 2, abs=1e-6)


def test_each_token_is_torchs_cross_entropy_of_the_position_before() -> None:
    logits, labels = random_batch()
    losses = token_losses(logits, labels)
    assert losses.shape == (3, 8)
    for i in range(3):
        for t in range(8):
            target = labels[i, t + 1]
            expected = 0.0 if target == IGNORED else cross_entropy(logits[i, t], target).item()
            assert losses[i, t].item() == pytest.approx(expected, abs=1e-6)


def test_the_mean_is_over_tokens_not_over_rows() -> None:
    logits, labels = random_batch()
    expected = cross_entropy(logits[:, :-1].reshape(-1, 11), labels[:, 1:].reshape(-1), ignore_index=IGNORED)
    assert response_loss(logits, labels).item() == pytest.approx(expected.item(), abs=1e-6)
    by_row = [response_loss(logits[i : i + 1], labels[i : i + 1]).item() for i in range(3)]
    assert response_loss(logits, labels).item() != pytest.approx(sum(by_row) / 3, abs=1e-4)


def test_loss_and_gradient_are_those_of_transformers(tiny_model: Path) -> None:
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    generator = torch.Generator().manual_seed(1)
    input_ids = torch.randint(3, 259, (2, 7), generator=generator)
    labels = input_ids.clone()
    labels[0, :3] = labels[1, 5:] = IGNORED
    model(input_ids=input_ids, labels=labels).loss.backward()
    theirs = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    loss = response_loss(model(input_ids=input_ids).logits, labels)
    loss.backward()
    assert loss.item() == pytest.approx(model(input_ids=input_ids, labels=labels).loss.item(), abs=1e-6)
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.grad, theirs[name], atol=1e-7, rtol=1e-5)


def test_a_batch_without_targets_costs_nothing() -> None:
    logits = torch.randn(2, 4, 5, requires_grad=True)
    loss = response_loss(logits, torch.full((2, 4), IGNORED))
    loss.backward()
    assert loss.item() == 0.0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_half_precision_logits_are_summed_in_full_precision() -> None:
    logits, labels = random_batch(tokens=400)
    half = logits.bfloat16()
    assert response_loss(half, labels).dtype is torch.float32
    assert response_loss(half, labels).item() == pytest.approx(response_loss(half.float(), labels).item(), abs=1e-6)
