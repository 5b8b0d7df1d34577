"""Handing the policy to a model that runs elsewhere: a folder on each node, ranks that act together, requests."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import torch

from reset_pl.errors import InputError
from reset_pl.policy.ranks import gather
from reset_pl.records import Example
from reset_pl.sampling.decoding import Draw, Plan


@contextmanager
def together() -> Iterator[None]:
    """Ranks leave the block together, and what stopped one stops all: none waits for one that is gone.

    Raises:
        InputError: The block went wrong on another rank.
    """
    failure: Exception | None = None
    try:
        yield
    except Exception as error:
        failure = error
    notes = gather(None if failure is None else f"{type(failure).__name__}: {failure}")
    if failure is not None:
        raise failure
    for rank, note in enumerate(notes):
        if note is not None:
            raise InputError(f"rank {rank} has stopped, and this rank with it: {note}")


def make_place(export_dir: str | None) -> Path:
    """A new folder of this rank's own for weights that pass through: not among what a run keeps.

    Args:
        export_dir: Where; when not given, ``$SLURM_TMPDIR``, else ``$TMPDIR``, else ``/tmp``.

    Raises:
        InputError: It cannot be made.
    """
    parent = export_dir or os.environ.get("SLURM_TMPDIR") or tempfile.gettempdir()
    try:
        Path(parent).mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix="reset-", dir=parent))
    except OSError as error:
        raise InputError(
            f"expected a folder that can be written for the sampler's weights, but {parent}: "
            f"{error.strerror or error}; name another one as the sampler's export_dir"
        ) from error


def visible_device(device: torch.device) -> str | None:
    """How ``CUDA_VISIBLE_DEVICES`` names a GPU of this process (a number or a UUID); none for a CPU."""
    if device.type != "cuda":
        return None
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name]
    index = device.index or 0
    return visible[index] if visible else str(index)


class Request(TypedDict):
    """A prompt to be answered, in vLLM's terms."""

    id: str
    """Comes back with the reply."""
    prompt: Sequence[int]
    """Token ids."""
    parameters: dict[str, Any]
    """Of vLLM's ``SamplingParams``."""


def requests_of(
    examples: Sequence[Example], plan: Plan, encoder: Any
) -> tuple[list[Request], dict[str, tuple[Example, Draw]]]:
    """What to ask for, the decodings of a prompt side by side, and what each id stands for."""
    requests: list[Request] = []
    meaning = {}
    for example in examples:
        draws = plan.draws(example)
        prompt = encoder.prompt_ids(example, max(draw.decoding.max_new_tokens for draw in draws))
        for draw in draws:
            requests.append({"id": draw.candidate_id, "prompt": prompt, "parameters": _parameters(draw, encoder)})
            meaning[draw.candidate_id] = example, draw
    return requests, meaning


def probe_requests(prompts: Sequence[Sequence[int]]) -> list[Request]:
    """Ask for the log-probabilities of the prompts themselves, in their order."""
    parameters = {"temperature": 0.0, "max_tokens": 1, "prompt_logprobs": 0}
    return [{"id": f"probe-{n}", "prompt": prompt, "parameters": parameters} for n, prompt in enumerate(prompts)]


def prompt_log_probs(
    ask: Callable[[Sequence[Request]], Iterable[dict[str, Any]]], prompts: Sequence[Sequence[int]]
) -> list[list[float]]:
    """The log-probabilities of the prompts themselves, in their order, from whoever answers requests."""
    requests = probe_requests(prompts)
    replies = {reply["id"]: reply["prompt_log_probs"] for reply in ask(requests)}
    return [replies[request["id"]] for request in requests]


def _parameters(draw: Draw, encoder: Any) -> dict[str, Any]:
    decoding = draw.decoding
    return {
        "temperature": decoding.temperature,
        "top_k": decoding.top_k,
        "top_p": decoding.top_p,
        "max_tokens": decoding.max_new_tokens,
        "seed": draw.seed,
        "stop_token_ids": [encoder.tokenizer.eos_token_id],
    }
