"""Proof of a hand-over: whoever got the weights gives fixed prompts the log-probabilities that the trainer gives."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch

from reset_pl.errors import InputError
from reset_pl.policy.weights import gathered, is_sharded

PROBE_LENGTHS = (4, 16, 33, 64)
"""Tokens of the probe prompts."""
ROUNDING = {"float32": 1e-3, "bfloat16": 0.15, "float16": 0.02}
"""Type of the weights → difference of log-probabilities, in nats a token on average, that rounding explains.

Measured between transformers and vLLM 0.32 on a CPU, over 4,570 random tokens each of a trained Llama of 3 layers and
a random one of 12: float32 2e-6 and 4e-6 (the worst token 4e-5), bfloat16 0.032 and 0.030 (0.64). Wrong weights
differ by whole nats. The mean is compared and not the worst token, since bfloat16 rounds a logit of 16 to an eighth.
float16 was not measured: it rounds eight times finer.
"""


def rounding(dtype: str) -> float:
    """Tolerance for weights of a type.

    Raises:
        InputError: None is known.
    """
    if dtype not in ROUNDING:
        raise InputError(f"expected weights of one of {sorted(ROUNDING)}, but got {dtype}: set the sampler's tolerance")
    return ROUNDING[dtype]


def probe_prompts(vocabulary: int) -> list[list[int]]:
    """Fixed prompts of token ids, spread over the vocabulary.

    Args:
        vocabulary: Number of token ids that the tokenizer knows.
    """
    first = [sum(PROBE_LENGTHS[:i]) for i in range(len(PROBE_LENGTHS))]
    return [
        [(start + n) * 7919 % vocabulary for n in range(length)]
        for start, length in zip(first, PROBE_LENGTHS, strict=True)
    ]


@torch.no_grad()
def log_probs(model: Any, prompts: Sequence[Sequence[int]]) -> list[list[float]]:
    """Log-probability of every token of each prompt but the first, given those before it.

    Args:
        model: A transformers model; under ZeRO-3 all ranks call this together.
        prompts: Token ids.
    """
    was_training = model.training
    model.eval()
    try:
        rows = []
        for prompt in prompts:
            tokens = torch.tensor([list(prompt)], device=model.device)
            logits = model(input_ids=tokens, use_cache=False).logits[0, :-1].float()
            rows.append(logits.log_softmax(dim=-1).gather(1, tokens[0, 1:, None]).squeeze(1).tolist())
        return rows
    finally:
        model.train(was_training)


@contextmanager
def gathered_and_proved(model: Any) -> Iterator[None]:
    """``gathered``, where weights that were sharded must give what they give in training; all ranks together.

    Args:
        model: A transformers model in training.

    Raises:
        InputError: They do not.
    """
    if not any(map(is_sharded, model.parameters())):
        with gathered(model):
            yield
        return
    prompts = probe_prompts(model.config.vocab_size)
    expected = log_probs(model, prompts)
    with gathered(model):
        check_hand_over(
            expected,
            log_probs(model, prompts),
            tolerance=rounding(str(model.dtype).removeprefix("torch.")),
            receiver="the gathered model",
        )
        yield


def check_hand_over(
    expected: Sequence[Sequence[float]], got: Sequence[Sequence[float]], *, tolerance: float, receiver: str
) -> None:
    """Compare the log-probabilities of both sides, token by token.

    Args:
        expected: The trainer's.
        got: The receiver's, of the same prompts.
        tolerance: Mean difference of a token's log-probability that rounding explains, in nats.
        receiver: Who got the weights, as the message names it.

    Raises:
        InputError: They differ, or are no numbers.
    """
    pairs = [pair for ours, theirs in zip(expected, got, strict=True) for pair in zip(ours, theirs, strict=True)]
    distances = [abs(ours - theirs) for ours, theirs in pairs]
    mean = sum(distances) / len(distances)
    if mean <= tolerance:  # false also where one is no number
        return
    trainer, there = max(pairs, key=lambda pair: _distance(*pair))
    raise InputError(
        f"expected {receiver} to give probe prompts the trainer's log-probabilities within {tolerance:g} nats a token, "
        f"but they differ by {mean:.4g} (the worst token has {trainer:.4f} in the trainer and {there:.4f} in "
        f"{receiver}): it does not hold the policy's weights, and nothing was sampled from it"
    )


def _distance(a: float, b: float) -> float:
    distance = abs(a - b)
    return distance if distance == distance else float("inf")
