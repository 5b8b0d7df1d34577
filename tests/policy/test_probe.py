from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch

from reset_pl.errors import InputError
from reset_pl.policy import probe
from reset_pl.policy.load import load_policy
from reset_pl.policy.probe import (
    PROBE_LENGTHS,
    ROUNDING,
    check_hand_over,
    gathered_and_proved,
    log_probs,
    probe_prompts,
    rounding,
)


def test_prompts_are_fixed_and_lie_in_the_vocabulary() -> None:
    prompts = probe_prompts(259)
    assert prompts == probe_prompts(259)
    assert tuple(map(len, prompts)) == PROBE_LENGTHS
    assert all(0 <= token < 259 for prompt in prompts for token in prompt)
    assert len({token for prompt in prompts for token in prompt}) > 100


def test_log_probs_are_the_models_own_loss(tiny_model: Path) -> None:
    policy = load_policy(str(tiny_model), "float32")
    prompts = probe_prompts(259)
    for prompt, row in zip(prompts, log_probs(policy, prompts), strict=True):
        tokens = torch.tensor([prompt])
        assert -sum(row) / len(row) == pytest.approx(policy(input_ids=tokens, labels=tokens).loss.item(), abs=1e-5)
    assert policy.training  # as it was


def test_a_difference_stops_with_both_numbers() -> None:
    trainer = [[-1.0, -2.0], [-3.0]]
    check_hand_over(trainer, [[-1.001, -2.0], [-3.0]], tolerance=1e-3, receiver="vLLM")  # 0.0003 a token
    message = (
        "within 0.001 nats a token, but they differ by 1.667 (the worst token has -3.0000 in the trainer and -8.0000 "
        "in vLLM)"
    )
    with pytest.raises(InputError, match=re.escape(message)):
        check_hand_over(trainer, [[-1.0, -2.0], [-8.0]], tolerance=1e-3, receiver="vLLM")


def test_no_number_is_a_difference() -> None:
    for strange in (float("nan"), float("-inf")):
        with pytest.raises(InputError, match=f"-2.0000 in the trainer and {strange:.4f} in vLLM"):
            check_hand_over([[-1.0, -2.0]], [[-1.0, strange]], tolerance=10.0, receiver="vLLM")


def test_one_weight_tensor_that_is_another_shows_in_every_type(tiny_model: Path) -> None:
    for dtype in ("float32", "bfloat16"):
        policy = load_policy(str(tiny_model), dtype)
        prompts = probe_prompts(259)
        expected = log_probs(policy, prompts)
        with torch.no_grad():
            policy.lm_head.weight.copy_(torch.randn_like(policy.lm_head.weight))
        with pytest.raises(InputError, match="does not hold the policy's weights"):
            check_hand_over(expected, log_probs(policy, prompts), tolerance=rounding(dtype), receiver="vLLM")


def test_tolerances_follow_the_types_precision() -> None:
    assert ROUNDING["float32"] < ROUNDING["float16"] < ROUNDING["bfloat16"]
    with pytest.raises(InputError, match="set the sampler's tolerance"):
        rounding("float8_e4m3fn")


def test_weights_that_are_gathered_wrongly_stop(tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The fault is planted here; real shards are gathered, and proved, in tests/test_zero.py."""
    policy = load_policy(str(tiny_model), "float32")

    @contextmanager
    def gathered(model: Any) -> Iterator[None]:
        model.lm_head.weight.data.mul_(1.5)
        yield

    monkeypatch.setattr(probe, "gathered", gathered)
    monkeypatch.setattr(probe, "is_sharded", lambda parameter: True)
    with pytest.raises(InputError, match="expected the gathered model to give"), gathered_and_proved(policy):
        pass
