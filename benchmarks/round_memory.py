"""Memory of a whole round that makes a million verdicts: sampled by a script, judged by rule, selected, compacted.

    python benchmarks/round_memory.py [--prompts 22000]

Fourteen candidates and the reference a prompt, three judges: 22,000 prompts make 990,000 verdicts. Prints the process's
anonymous memory when the prompts stand, its highest value afterwards, and the growth, which should be at most 300 MB.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from reset_pl.judging.grounding import SpanCoverageJudge
from reset_pl.judging.task import ExactMatchJudge
from reset_pl.records import Aspect, Candidate, Example, Judge, Objective, Verdict, stable_hash
from reset_pl.rounds.prompts import RoundSettings
from reset_pl.rounds.round import run_round
from reset_pl.rounds.selectors import WeightedSelector
from reset_pl.sampling.decoding import DecodingPlan, Plan, Sampler

BAR = 300


def anonymous_mb() -> float:
    """RssAnon of this process: what the page cache does not hold for it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("RssAnon"))
    return int(line.split()[1]) / 1024


def make_example(number: int) -> Example:
    """A question over a passage of some fifty words."""
    words = [f"w{stable_hash(number, k) % 5000}" for k in range(50)]
    return Example(
        id=f"qa/{number}",
        dataset="qa",
        objective=Objective.EXTRACTIVE_QA,
        instruction="Answer.",
        question=f"Which word {number}?",
        passages=(" ".join(words),),
        response=words[7],
        references=(words[7],),
    )


class WordSampler(Sampler):
    """Answers with words of the passage."""

    def open(self, policy: Any, encoder: Any) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    def sample(self, examples: Sequence[Example], plan: Plan) -> Iterable[Candidate]:
        """Thirty words a draw, from wherever its seed says."""
        for example in examples:
            words = example.passages[0].split()
            for draw in plan.draws(example):
                start = draw.seed % 20
                yield Candidate(
                    id=draw.candidate_id,
                    example_id=example.id,
                    round=draw.round,
                    procedure=draw.procedure,
                    decoding=draw.decoding,
                    text=" ".join(words[start : start + 30]),
                    token_ids=tuple(range(40)),
                    finish_reason="stop",
                    seed=draw.seed,
                )


class UnigramJudge(SpanCoverageJudge):
    """A third judge, so that every candidate has three verdicts."""

    name = "second_span"
    aspect = Aspect.INSTRUCTION

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        """As span coverage does."""
        return super().judge(pairs)


def main() -> None:
    """Run the round and watch."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=22000)
    args = parser.parse_args()
    judges: list[Judge] = [SpanCoverageJudge(), ExactMatchJudge(), UnigramJudge()]
    pool = [make_example(number) for number in range(args.prompts)]
    before = highest = anonymous_mb()
    stop = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not stop.wait(0.2):
            highest = max(highest, anonymous_mb())

    watcher = threading.Thread(target=watch)
    watcher.start()
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        ledger = run_round(
            Path(folder) / "rounds" / "round-000",
            RoundSettings(
                number=0,
                seed=0,
                prompts_per_dataset=args.prompts,
                chunk_size=32,
                judge_references=True,
                policy="benchmark",
            ),
            pools={"qa": pool},
            plan=DecodingPlan(procedures=2, max_new_tokens=40),
            sampler=WordSampler(),
            judges=judges,
            selector=WeightedSelector(),
        )
        seconds = time.monotonic() - started
        verdicts = count(ledger.directory)
    stop.set()
    watcher.join()
    print(f"{verdicts:,} verdicts in {seconds:.0f} s; anonymous memory {before:.0f} MB with the prompts, at most "
          f"{highest:.0f} MB: grown by {highest - before:.0f} MB (at most {BAR})")  # fmt: skip


def count(directory: Path) -> int:
    """Rows of the verdicts, from the file's own footer."""
    import pyarrow.parquet as pq

    return pq.read_metadata(directory / "verdicts.parquet").num_rows


if __name__ == "__main__":
    main()
