"""Tokens that a model answered with → a candidate, the same for every sampler."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reset_pl.records import Candidate, Example
from reset_pl.sampling.decoding import Draw


def to_candidate(example: Example, draw: Draw, answer: Sequence[int], tokenizer: Any) -> Candidate:
    """Cut an answer at its end and decode it.

    Args:
        example: The prompt.
        draw: What was to be drawn.
        answer: Token ids as generated, the end-of-sequence token and what stands behind it included or not.
        tokenizer: Decodes them.
    """
    token_ids = tuple(answer[: draw.decoding.max_new_tokens])
    ended = tokenizer.eos_token_id in token_ids
    if ended:
        token_ids = token_ids[: token_ids.index(tokenizer.eos_token_id)]
    return Candidate(
        id=draw.candidate_id,
        example_id=example.id,
        round=draw.round,
        procedure=draw.procedure,
        decoding=draw.decoding,
        text=tokenizer.decode(token_ids, skip_special_tokens=True).strip(),
        token_ids=token_ids,
        finish_reason="stop" if ended else "length",
        seed=draw.seed,
    )
