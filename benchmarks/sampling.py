"""A round's answers with HFSampler beside a plain loop of ``model.generate``, one call per decoding and batch.

python benchmarks/sampling.py

Fourteen decodings (seven temperatures, seven top-k) of prompts of 512 tokens, 64 new tokens, a random Llama of 30 M
parameters with 32,000 tokens, CPU. The loop runs at the best of several batch sizes, found first. Turns alternate, so
that what else the machine does meets both. Greedy answers of both sides must be the same tokens. A second table has a
model whose answers end by themselves, at 3% of their tokens.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch
from transformers import GenerationConfig, LlamaConfig, LlamaForCausalLM

from reset_pl.records import Candidate, Example, Objective
from reset_pl.sampling.decoding import DecodingPlan, GreedyPlan, Plan
from reset_pl.sampling.hf import HFSampler

END = 2
VOCABULARY = 32_000


class EndingHead(torch.nn.Module):
    """The output layer of a model whose answers end after about 33 tokens, at any temperature."""

    def __init__(self, head: torch.nn.Linear, ends: bool) -> None:
        super().__init__()
        self.head, self.ends = head, ends

    def forward(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits; the end has all the weight where the first hidden feature is high, and none elsewhere."""
        logits = self.head(hidden)
        logits[..., END] = -1e4
        if self.ends:
            logits[..., END] += 2e4 * (hidden[..., 0] / hidden.std(dim=-1) > 1.88)
        return logits


def make_model(ends: bool) -> Any:
    """The random Llama."""
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=10,
        num_attention_heads=6,
        num_key_value_heads=6,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        initializer_range=0.05,
    )
    model = LlamaForCausalLM(config).eval()
    model.lm_head = EndingHead(model.lm_head, ends)
    return model


class Tokens:
    """An encoder and tokenizer of prompts that are token ids already; text costs neither side anything."""

    eos_token_id = END

    def __init__(self, prompts: list[list[int]]) -> None:
        self.tokenizer, self.prompts = self, prompts

    def prompt_ids(self, example: Example, reserve: int) -> list[int]:
        """The prompt."""
        return self.prompts[int(example.id)]

    def decode(self, token_ids: Any, *, skip_special_tokens: bool) -> str:
        """No text."""
        return ""


def ours(model: Any, prompts: list[list[int]], plan: Plan) -> list[Candidate]:
    """Every answer of the plan."""
    examples = [
        Example(id=str(i), dataset="d", objective=Objective.INSTRUCTION, instruction="i") for i in range(len(prompts))
    ]
    sampler = HFSampler()
    sampler.open(model, Tokens(prompts))
    try:
        return list(sampler.sample(examples, plan))
    finally:
        sampler.close()


@torch.inference_mode()
def loop(model: Any, prompts: list[list[int]], decodings: list[Any], batch_size: int) -> list[list[list[int]]]:
    """Answers of each decoding to each prompt."""
    answers = []
    for decoding in decodings:
        own: list[list[int]] = []
        config = GenerationConfig(
            do_sample=decoding.temperature > 0,
            temperature=decoding.temperature or None,
            top_k=decoding.top_k,
            max_new_tokens=decoding.max_new_tokens,
            eos_token_id=END,
            pad_token_id=END,
        )
        for start in range(0, len(prompts), batch_size):
            input_ids = torch.tensor(prompts[start : start + batch_size])
            output = model.generate(input_ids, attention_mask=torch.ones_like(input_ids), generation_config=config)
            own += [row[: row.index(END)] if END in row else row for row in output[:, input_ids.shape[1] :].tolist()]
        answers.append(own)
    return answers


def timed(function: Callable[[], Any]) -> tuple[float, float, Any]:
    """Seconds, CPU seconds of this process (which a busy machine changes less), and what it returned."""
    began, began_cpu = time.perf_counter(), time.process_time()
    result = function()
    return time.perf_counter() - began, time.process_time() - began_cpu, result


def compare(ends: bool, arguments: argparse.Namespace) -> None:
    """One table."""
    model = make_model(ends)
    generator = torch.Generator().manual_seed(1)
    shape = (arguments.prompts, arguments.prompt_tokens)
    prompts = torch.randint(3, VOCABULARY, shape, generator=generator).tolist()
    plan = DecodingPlan(procedures=2, max_new_tokens=arguments.new_tokens)
    decodings = [decoding for axis in plan.axes.values() for decoding in axis]
    bound = plan.bind(round=0, seed=0)
    print(f"\nanswers that {'end by themselves' if ends else f'all have {arguments.new_tokens} tokens'}", flush=True)

    greedy = GreedyPlan(arguments.new_tokens)
    candidates = sorted(ours(model, prompts, greedy), key=lambda candidate: int(candidate.example_id))
    expected = loop(model, prompts, [greedy.decoding], 4)[0]
    same = [list(candidate.token_ids) for candidate in candidates] == expected
    different = len({tuple(answer) for answer in expected})
    print(f"greedy answers: {'identical' if same else 'DIFFERENT'} ({different} different ones)", flush=True)

    speed = {}
    for batch_size in arguments.batch_sizes:
        seconds, cpu, _ = timed(lambda size=batch_size: loop(model, prompts, decodings[:1], size))
        speed[batch_size] = len(prompts) / cpu
        print(
            f"  the loop, batch size {batch_size}: {len(prompts) / seconds:.2f} answers/s, "
            f"{speed[batch_size]:.2f} a CPU second",
            flush=True,
        )
    best = max(speed, key=lambda size: speed[size])

    turns: dict[str, list[tuple[float, float]]] = {"loop": [], "ours": []}
    for _ in range(arguments.repeats):
        seconds, cpu, answers = timed(lambda: loop(model, prompts, decodings, best))
        tokens = sum(len(answer) for own in answers for answer in own)
        turns["loop"].append((tokens / seconds, tokens / cpu))
        print(f"  the loop: {tokens} tokens in {seconds:.1f} s, {cpu:.1f} CPU seconds", flush=True)
        seconds, cpu, candidates = timed(lambda: ours(model, prompts, bound))
        tokens = sum(len(candidate.token_ids) for candidate in candidates)
        turns["ours"].append((tokens / seconds, tokens / cpu))
        print(f"  HFSampler: {tokens} tokens in {seconds:.1f} s, {cpu:.1f} CPU seconds", flush=True)
    for index, unit in enumerate(("tokens/s", "tokens/CPU second")):
        mine, theirs = ([turn[index] for turn in turns[name]] for name in ("ours", "loop"))
        ratios = [a / b for a, b in zip(mine, theirs, strict=True)]
        print(
            f"{unit}: HFSampler {statistics.median(mine):.0f}, generate at batch size {best} "
            f"{statistics.median(theirs):.0f}; ratio {statistics.median(ratios):.2f} "
            f"(turns: {', '.join(f'{ratio:.2f}' for ratio in ratios)})",
            flush=True,
        )


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=16, help="prompts, 14 answers each")
    parser.add_argument("--prompt_tokens", type=int, default=512)
    parser.add_argument("--new_tokens", type=int, default=64)
    parser.add_argument("--batch_sizes", type=int, nargs="+", default=[1, 2, 4, 8, 16], help="of the loop")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side")
    parser.add_argument("--threads", type=int, default=2)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    size = sum(parameter.numel() for parameter in make_model(False).parameters())
    print(
        f"Llama of {size / 1e6:.1f} M parameters, {VOCABULARY} tokens; {arguments.prompts} prompts of "
        f"{arguments.prompt_tokens} tokens, 14 decodings, up to {arguments.new_tokens} new tokens; torch "
        f"{torch.__version__}, {arguments.threads} threads"
    )
    for ends in (False, True):
        compare(ends, arguments)


if __name__ == "__main__":
    main()
