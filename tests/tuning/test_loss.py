import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.tuning.loss import answer_log_probs, preference_losses, target_losses


def test_a_case_by_hand() -> None:
    logits = torch.tensor([[0.0, math.log(3.0)], [math.log(7.0), 0.0]])
    assert target_losses(logits, torch.tensor([1, 1])).tolist() == pytest.approx([math.log(4 / 3), math.log(8)])


@given(st.integers(0, 9999), st.integers(1, 8), st.integers(2, 9))
def test_equals_the_negative_log_probability(seed: int, num_targets: int, vocabulary: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(num_targets, vocabulary, generator=generator)
    targets = torch.randint(vocabulary, (num_targets,), generator=generator)
    expected = -logits.double().softmax(dim=1).log()[torch.arange(num_targets), targets]
    torch.testing.assert_close(target_losses(logits, targets).double(), expected, atol=1e-5, rtol=1e-5)


def test_half_precision_logits_give_a_loss_in_single_precision() -> None:
    half = torch.randn(4, 7, generator=torch.Generator().manual_seed(0)).bfloat16()
    targets = torch.tensor([0, 6, 3, 3])
    assert target_losses(half, targets).dtype is torch.float32
    torch.testing.assert_close(target_losses(half, targets), target_losses(half.float(), targets))


def test_no_target_is_no_loss() -> None:
    assert target_losses(torch.zeros(0, 5), torch.zeros(0, dtype=torch.long)).sum().item() == 0.0


def test_log_probabilities_of_answers_by_hand() -> None:
    """Two answers of two tokens and one: log 3/4 + log 1/8, and log 1/2."""
    logits = torch.tensor([[0.0, math.log(3.0)], [math.log(7.0), 0.0], [0.0, 0.0]]).bfloat16()
    got = answer_log_probs(logits, torch.tensor([1, 1, 0]), torch.tensor([0, 0, 1]))
    assert got.tolist() == pytest.approx([math.log(3 / 32), math.log(1 / 2)], abs=0.01)
    assert got.dtype is torch.float32


def test_a_preference_by_hand() -> None:
    """Rewards 0.3 and -0.1 prefer the chosen answer with odds e^0.4 to 1; equal ones with odds 1 to 1."""
    losses = preference_losses(torch.tensor([[0.3, -0.1], [2.0, 2.0], [-0.1, 0.3]]))
    odds = math.exp(0.4)
    expected = [-math.log(odds / (1 + odds)), math.log(2), -math.log(1 / (1 + odds))]
    assert losses.tolist() == pytest.approx(expected, abs=1e-6)
    assert preference_losses(torch.tensor([[-1e4, 1e4]])).item() == pytest.approx(2e4)
