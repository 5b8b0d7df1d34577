"""Greedy answers to test prompts with HFSampler beside lm-evaluation-harness, the same model and batch size.

python -m venv /tmp/lmeval && /tmp/lmeval/bin/pip install -c constraints.txt torch transformers 'lm-eval[hf]==0.4.13'
python benchmarks/lm_eval.py --python /tmp/lmeval/bin/python

A random Llama of 30 M parameters with 32,000 tokens (``benchmarks/sampling.py``), prompts of 128 to 384 tokens, up to
64 new tokens, float32, CPU. Each side stands in a process of its own with the model loaded, and gets the same prompts
as text. Only answering is timed, tokenizing and decoding included: HFSampler's ``sample``, and ``generate_until`` of
the harness's ``HFLM``, with its own sorting and batching, told to stop at the end of sequence. Turns alternate. Greedy
answers must be the same tokens. A second table has a model whose answers end by themselves, at 3% of their tokens.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
SPECIAL = ("<unk>", "<s>", "</s>")


def make_tokenizer(size: int) -> Any:
    """A word a token: ``w17`` is token 17."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    vocabulary = {token: n for n, token in enumerate([*SPECIAL, *(f"w{n}" for n in range(len(SPECIAL), size))])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    unk, bos, eos = SPECIAL
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token=unk, bos_token=bos, eos_token=eos, pad_token=eos
    )


def tokens_of(text: str) -> list[int]:
    """Token ids of an answer's words."""
    return [int(word[1:]) for word in text.split()]


# ---------------------------------------------------------------------- the two sides


def ours(model: Any, tokenizer: Any, prompts: list[str], batch_size: int, new_tokens: int) -> Callable[[], list[str]]:
    """HFSampler over the prompts."""
    from reset_pl.records import Example, Objective
    from reset_pl.sampling.decoding import GreedyPlan
    from reset_pl.sampling.hf import HFSampler

    class Encoder:
        """Instructions as they stand."""

        def __init__(self) -> None:
            self.tokenizer = tokenizer

        def prompt_ids(self, example: Example, reserve: int) -> list[int]:
            """The prompt's tokens."""
            return tokenizer(example.instruction)["input_ids"]

    examples = [
        Example(id=str(n), dataset="d", objective=Objective.INSTRUCTION, instruction=prompt)
        for n, prompt in enumerate(prompts)
    ]
    sampler = HFSampler(batch_size)
    sampler.open(model, Encoder())

    def answer() -> list[str]:
        answers = {int(one.example_id): one.text for one in sampler.sample(examples, GreedyPlan(new_tokens))}
        return [answers[n] for n in range(len(examples))]

    return answer


def theirs(model: Any, tokenizer: Any, prompts: list[str], batch_size: int, new_tokens: int) -> Callable[[], list[str]]:
    """The harness's requests and model, as a task of its would make and use them."""
    from lm_eval.api.instance import Instance
    from lm_eval.models.huggingface import HFLM

    harness = HFLM(pretrained=model, tokenizer=tokenizer, batch_size=batch_size, device="cpu", max_length=2048)
    arguments = {"until": [tokenizer.eos_token], "max_gen_toks": new_tokens, "do_sample": False}
    requests = [
        Instance(request_type="generate_until", doc={}, arguments=(prompt, dict(arguments)), idx=n)
        for n, prompt in enumerate(prompts)
    ]
    return lambda: harness.generate_until(requests, disable_tqdm=True)


def serve(side: str, settings: dict[str, Any]) -> None:
    """One side: a line in, one turn, a line with its seconds and answers out."""
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print is none of it
    import torch

    sys.path[0] = str(ROOT)  # in place of this folder, whose lm_eval is this file
    from benchmarks.sampling import VOCABULARY, make_model

    torch.set_num_threads(settings["threads"])
    make = {"ours": ours, "theirs": theirs}[side]
    model, tokenizer = make_model(settings["ends"]), make_tokenizer(VOCABULARY)
    answer = make(model, tokenizer, settings["prompts"], settings["batch_size"], settings["new_tokens"])
    for _ in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        answers = answer()
        seconds = time.perf_counter() - began, time.process_time() - used
        replies.write(json.dumps({"seconds": seconds, "answers": answers}) + "\n")
        replies.flush()


# ---------------------------------------------------------------------- the comparison


class Side:
    """A process with one side in it."""

    def __init__(self, name: str, python: str, settings: Path) -> None:
        command = [python, __file__, "--serve", name, "--settings", str(settings)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def turn(self) -> tuple[list[float], list[str]]:
        """Wall and CPU seconds, and the answers."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        reply = json.loads(self.process.stdout.readline())
        return reply["seconds"], reply["answers"]

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(60)


def compare(ends: bool, prompts: list[str], arguments: argparse.Namespace, folder: Path) -> None:
    """One table."""
    keys = ("batch_size", "new_tokens", "threads")
    settings = folder / "settings.json"
    settings.write_text(json.dumps({"ends": ends, "prompts": prompts} | {key: vars(arguments)[key] for key in keys}))
    print(f"\nanswers that {'end by themselves' if ends else f'all have {arguments.new_tokens} tokens'}", flush=True)
    sides = {"ours": Side("ours", sys.executable, settings), "theirs": Side("theirs", arguments.python, settings)}
    ratios: dict[str, list[float]] = {"wall time": [], "CPU time": []}
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    for turn in range(arguments.repeats + 1):  # the first one warms up
        results = {name: side.turn() for name, side in sides.items()}
        answers = {name: list(map(tokens_of, texts)) for name, (_, texts) in results.items()}
        if turn == 0:
            same = sum(a == b for a, b in zip(answers["ours"], answers["theirs"], strict=True))
            print(f"greedy answers: {same} of {len(prompts)} identical", flush=True)
            continue
        for name, (seconds, _) in results.items():
            speeds[name].append(sum(map(len, answers[name])) / seconds[0])
        for index, own in enumerate(ratios.values()):
            own.append(results["theirs"][0][index] / results["ours"][0][index])
    for side in sides.values():
        side.close()
    print(", ".join(f"{name} {statistics.median(own):.0f} tokens/s" for name, own in speeds.items()))
    for name, own in ratios.items():
        turns = ", ".join(f"{ratio:.2f}" for ratio in own)
        print(f"{name}: HFSampler is {statistics.median(own):.2f} times as fast (turns: {turns})", flush=True)


def main() -> None:
    """Both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--python", default="/tmp/lmeval/bin/python", help="interpreter that has lm-eval[hf]")
    parser.add_argument("--prompts", type=int, default=32)
    parser.add_argument("--prompt_tokens", type=int, nargs=2, default=[128, 384], metavar=("LEAST", "MOST"))
    parser.add_argument("--new_tokens", type=int, default=64)
    parser.add_argument("--batch_size", type=int, default=16, help="of both sides")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each side, after one that is not timed")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--serve", choices=["ours", "theirs"], help=argparse.SUPPRESS)
    parser.add_argument("--settings", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve(arguments.serve, json.loads(arguments.settings.read_text()))
        return
    from reset_pl.provenance import commit

    rng = random.Random(1)
    prompts = [
        " ".join(f"w{rng.randrange(len(SPECIAL), 32_000)}" for _ in range(rng.randint(*arguments.prompt_tokens)))
        for _ in range(arguments.prompts)
    ]
    what = f"{len(prompts)} prompts of {arguments.prompt_tokens} tokens, up to {arguments.new_tokens} new tokens"
    print(f"{what}, batch size {arguments.batch_size}, {arguments.threads} threads; commit {commit()}")
    with tempfile.TemporaryDirectory() as folder:
        for ends in (False, True):
            compare(ends, prompts, arguments, Path(folder))


if __name__ == "__main__":
    main()
