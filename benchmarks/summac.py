"""SummaC-ZS over a pool of candidates, beside the ``summac`` package on the same model and sentences.

    python benchmarks/summac.py --summac PYTHON [--turns 1] [--documents 200]

The package lives in an environment of its own (``tests/metrics/parity/summac_package.py`` says how to make it). Both
sides score 200 documents × 14 candidates with the miniature NLI model on one thread of the CPU, by turns; loading is
not timed. Seconds are the process's, which other work on the machine moves less than the clock's. The package runs at
its default of 128 sentence pairs a batch and again at 16, where it is quickest here; ours at its default of 1,024
tokens a batch, 256 candidates at a time, as ``SummacJudge`` does.

Documents have 10 sentences, candidates 1 to 3, of 13 words on average (log-normal, sigma 0.45, like news), drawn from
the miniature world's words. In the first pool, 55% of a document's candidates repeat another one word by word, and of
the sentences of those that do not, a third are another one's too. These are what the miniature model shows in the first
round of ``configs/mini/reset.yaml``, whose decoding settings are the paper's (500 prompts a set): 55% of the candidates
of summaries and of abstractive answers, and then 47% and 29% of the sentences. In the second pool nothing repeats.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import time
from pathlib import Path

CANDIDATES = 14
DUPLICATES = 0.55
SHARED_SENTENCES = 0.33
GROUP = 256
PACKAGE_BATCHES = (128, 16)
PACKAGE = Path(__file__).parent.parent / "tests/metrics/parity/summac_package.py"


def make_pool(documents: int, duplicates: float, shared: float) -> list[tuple[str, str]]:
    """(document, candidate) pairs, a document's after one another."""
    from reset_pl.mini.sources import MiniSource

    examples = MiniSource(dataset="mini_cnn", split="test", size=200).load()
    words = sorted({word.strip(".") for example in examples for text in example.passages for word in text.split()})
    rng = random.Random(0)

    def sentence() -> str:
        length = max(round(rng.lognormvariate(2.46, 0.45)), 4)
        return " ".join(rng.choices(words, k=length)).capitalize() + "."

    pool = []
    for _ in range(documents):
        document = " ".join(sentence() for _ in range(10))
        used: list[str] = []
        candidates: list[str] = []
        for _ in range(CANDIDATES):
            if candidates and rng.random() < duplicates * CANDIDATES / (CANDIDATES - 1):
                candidates.append(rng.choice(candidates))
                continue
            own = [rng.choice(used) if used and rng.random() < shared else sentence() for _ in range(rng.randint(1, 3))]
            used += own
            candidates.append(" ".join(own))
        pool += [(document, candidate) for candidate in candidates]
    return pool


def describe(pool: list[tuple[str, str]]) -> str:
    """The shares of repeated candidates and of repeated sentence pairs."""
    from reset_pl.metrics.sentences import split_sentences

    pairs = [(document, sentence) for document, answer in pool for sentence in split_sentences(answer)]
    repeated = 1 - len(set(pool)) / len(pool)
    return f"{repeated:.0%} of candidates, {1 - len(set(pairs)) / len(pairs):.0%} of candidate sentences repeat"


def run_ours(model: str, pool: list[tuple[str, str]]) -> tuple[float, list[float]]:
    """Seconds and scores."""
    import torch

    from reset_pl.metrics.summac import SummacZS

    torch.set_num_threads(1)
    scorer = SummacZS(model, device="cpu")
    scorer.score([("A sentence to load the model.", "A sentence to load the model.")])
    start = time.process_time()
    scores = [score for i in range(0, len(pool), GROUP) for score in scorer.score(pool[i : i + GROUP])]
    return time.process_time() - start, scores


def run_package(python: str, model: str, pool: list[tuple[str, str]], batch_size: int) -> tuple[float, list[float]]:
    """Seconds and scores."""
    job = {"model": model, "pairs": pool, "batch_size": batch_size, "runs": [{"granularity": "sentence-sentence"}]}
    done = subprocess.run([python, PACKAGE], input=json.dumps(job), stdout=subprocess.PIPE, text=True, check=True)
    (run,) = json.loads(done.stdout.splitlines()[-1])
    return run["seconds"], run["scores"]


def main() -> None:
    """Both pools, by turns."""
    from reset_pl.mini import MODELS

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--summac", required=True, help="Python of the environment that has summac 0.0.4")
    parser.add_argument("--documents", type=int, default=200)
    parser.add_argument("--turns", type=int, default=1)
    args = parser.parse_args()
    model = str(MODELS / "nli")
    for duplicates, shared, bar in ((DUPLICATES, SHARED_SENTENCES, 4.0), (0.0, 0.0, 1.5)):
        pool = make_pool(args.documents, duplicates, shared)
        print(f"{len(pool)} pairs: {describe(pool)}", flush=True)
        package: dict[int, list[float]] = {batch_size: [] for batch_size in PACKAGE_BATCHES}
        own: list[float] = []
        for _ in range(args.turns):
            elapsed, scores = run_ours(model, pool)
            own.append(elapsed)
            for batch_size, times in package.items():
                elapsed, expected = run_package(args.summac, model, pool, batch_size)
                times.append(elapsed)
                difference = max(abs(a - b) for a, b in zip(scores, expected, strict=True))
                print(f"  summac, {batch_size} a batch: {elapsed:.1f} s, ours {own[-1]:.1f} s, ", end="")
                print(f"largest difference of a score {difference:.1e}", flush=True)
        for batch_size, times in package.items():
            ratio = statistics.median(times) / statistics.median(own)
            print(f"{ratio:.1f} times as fast as summac with {batch_size} a batch (bar {bar})", flush=True)


if __name__ == "__main__":
    main()
