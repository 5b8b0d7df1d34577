"""Tokens per second of ``VllmSampler`` against vLLM called directly: one ``LLM.generate`` over the same prompts.

Run: ``python benchmarks/vllm_sampling.py --python .venv-vllm/bin/python`` (about 5 minutes on 2 CPU cores). The sides
have the same weights, engine arguments and sampling parameters, run one after the other (an idle vLLM slows another
down) and forget the prompts between repeats. Starts, and a first call to warm up, do not count. Ours includes making
the prompts' tokens and the answers' text; the direct side gets tokens and returns tokens.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

ENGINE = {"enforce_eager": True, "kv_cache_memory_bytes": 2**30}


def direct(settings: dict[str, Any]) -> None:
    """The other side, in vLLM's environment: answers each line of standard input with its tokens and seconds."""
    from vllm import LLM, SamplingParams

    engine = LLM(**settings["engine"])
    prompts = [{"prompt_token_ids": request["prompt"]} for request in settings["requests"]]
    parameters = [
        SamplingParams(**request["parameters"], ignore_eos=True, detokenize=False) for request in settings["requests"]
    ]
    for _ in sys.stdin:
        engine.reset_prefix_cache()  # of the turn before: the prompts of a round are new
        began = time.monotonic()
        outputs = engine.generate(prompts, parameters, use_tqdm=False)
        seconds = time.monotonic() - began
        tokens = sum(len(output.outputs[0].token_ids) for output in outputs)
        print(json.dumps({"tokens": tokens, "seconds": seconds}), flush=True)


def main() -> None:
    """Run all sides."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--python", default=sys.executable, help="interpreter of the environment that has vLLM")
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--new_tokens", type=int, default=64)
    parser.add_argument("--chunk_size", type=int, default=8, help="prompts a call, in the last line")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--direct", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.direct:
        direct(json.loads(Path(arguments.direct).read_text()))
        return
    with tempfile.TemporaryDirectory() as folder:
        compare(arguments, Path(folder))


def turn_of(other: subprocess.Popen[str]) -> tuple[int, float]:
    """Have the other side answer all prompts once: tokens and seconds."""
    assert other.stdin is not None
    assert other.stdout is not None
    other.stdin.write("\n")
    other.stdin.flush()
    for line in other.stdout:
        if line.startswith('{"tokens"'):
            reply = json.loads(line)
            return reply["tokens"], reply["seconds"]
    raise RuntimeError("vLLM ended")


def compare(arguments: argparse.Namespace, folder: Path) -> None:
    """Run one side after the other and print a line each."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    from reset_pl.data.encoding import Encoder, load_tokenizer
    from reset_pl.data.prompts import VicunaTemplate
    from reset_pl.mini import MODELS
    from reset_pl.mini.sources import MiniSource
    from reset_pl.provenance import commit
    from reset_pl.sampling.decoding import DecodingPlan
    from reset_pl.sampling.hand_over import requests_of
    from reset_pl.sampling.vllm import VllmSampler

    tokenizer = load_tokenizer(str(MODELS / "chat"))
    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "hidden_size": 384,
        "intermediate_size": 1536,
        "num_hidden_layers": 12,
        "num_attention_heads": 6,
    }
    policy = LlamaForCausalLM(LlamaConfig(**shape, vocab_size=len(tokenizer), eos_token_id=tokenizer.eos_token_id))
    encoder = Encoder(tokenizer=tokenizer, template=VicunaTemplate(), max_length=1024, max_response_tokens=480)
    articles = MiniSource(dataset="mini_cnn").load()
    examples = [
        replace(example, passages=tuple(p for other in articles[n : n + 8] for p in other.passages))
        for n, example in enumerate(articles[: arguments.prompts])
    ]
    plan = DecodingPlan(max_new_tokens=arguments.new_tokens).bind(round=0, seed=0)
    requests, _ = requests_of(examples, plan, encoder)

    sampler = VllmSampler(python=arguments.python, enforce_eager=True, engine_args=ENGINE)
    weights = folder / "policy"
    policy.save_pretrained(weights)
    tokenizer.save_pretrained(weights)
    settings = {"engine": sampler._arguments(policy, weights), "requests": requests}
    (folder / "settings.json").write_text(json.dumps(settings))

    def ours(size: int) -> tuple[int, float]:
        began = time.monotonic()
        tokens = sum(
            len(candidate.token_ids) + (candidate.finish_reason == "stop")
            for start in range(0, len(examples), size)
            for candidate in sampler.sample(examples[start : start + size], plan)
        )
        return tokens, time.monotonic() - began

    done: dict[str, list[tuple[int, float]]] = {}
    for name, variables in (
        ("vLLM directly", {}),
        ("vLLM directly, engine in the same process", {"VLLM_ENABLE_V1_MULTIPROCESSING": "0"}),
    ):
        with subprocess.Popen(
            [arguments.python, "-P", __file__, "--direct", str(folder / "settings.json")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, **variables},
            start_new_session=True,
        ) as other:
            done[name] = [turn_of(other) for _ in range(1 + arguments.repeats)][1:]
            os.killpg(other.pid, signal.SIGKILL)  # its engine, a process of its own, too
    began = time.monotonic()
    sampler.open(policy, encoder)
    opening = time.monotonic() - began
    for name, size in (
        ("VllmSampler", len(examples)),
        (f"VllmSampler, {arguments.chunk_size} prompts a call", arguments.chunk_size),
    ):
        done[name] = [ours(size) for _ in range(1 + arguments.repeats)][1:]
    sampler.close()
    millions = sum(parameter.numel() for parameter in policy.parameters()) / 1e6
    lengths = [len(request["prompt"]) for request in requests]
    print(
        f"commit {commit()}, {platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; Llama of "
        f"{millions:.0f} M parameters, {len(requests)} answers to {len(examples)} prompts of "
        f"{min(lengths)}-{max(lengths)} tokens; opening the sampler took {opening:.0f} s"
    )
    rates = {name: sum(t for t, _ in turns) / sum(s for _, s in turns) for name, turns in done.items()}
    base = next(iter(rates.values()))
    for name, rate in rates.items():
        each = ", ".join(f"{tokens / seconds:.0f}" for tokens, seconds in done[name])
        print(f"{name}: {rate:.0f} tokens/s ({each}), {rate / base:.2f}x")


if __name__ == "__main__":
    main()
