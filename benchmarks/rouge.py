"""ROUGE-L of summaries, beside the ``rouge-score`` package.

    python benchmarks/rouge.py [--pairs 20000] [--turns 1]

Pairs of a summary and its reference, each of 20 to 140 words (log-normal, median 56 as in CNN/DailyMail, sigma 0.45),
drawn from 2,000 words with the frequencies of Zipf's law, as prose has them; a third of the words of the shorter text
are the reference's own, in their order. Both sides run in this process, on one thread, by turns; seconds are the
process's.
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from itertools import accumulate

from rouge_score.rouge_scorer import RougeScorer

from reset_pl.metrics.rouge import rouge_l


def make_pairs(count: int) -> list[tuple[str, str]]:
    """(answer, reference) pairs."""
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=rng.randint(2, 9))) for _ in range(2000)]
    frequencies = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))

    def text() -> list[str]:
        length = min(max(round(rng.lognormvariate(4.03, 0.45)), 20), 140)
        return rng.choices(words, cum_weights=frequencies, k=length)

    pairs = []
    for _ in range(count):
        answer, reference = text(), text()
        shared = sorted(rng.sample(range(len(reference)), min(len(answer), len(reference)) // 3))
        places = sorted(rng.sample(range(len(answer)), len(shared)))
        for place, source in zip(places, shared, strict=True):
            answer[place] = reference[source]
        pairs.append((f"{' '.join(answer).capitalize()}.", f"{' '.join(reference).capitalize()}."))
    return pairs


def main() -> None:
    """Both sides, by turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pairs", type=int, default=20_000)
    parser.add_argument("--turns", type=int, default=1)
    args = parser.parse_args()
    pairs = make_pairs(args.pairs)
    words = [len(text.split()) for pair in pairs for text in pair]
    print(f"{len(pairs)} pairs, {statistics.mean(words):.0f} words a text ({min(words)} to {max(words)})", flush=True)
    scorer = RougeScorer(["rougeL"])
    theirs: list[float] = []
    ours: list[float] = []
    for _ in range(args.turns):
        start = time.process_time()
        scores = [rouge_l(answer, reference) for answer, reference in pairs]
        ours.append(time.process_time() - start)
        start = time.process_time()
        expected = [scorer.score(reference, answer)["rougeL"].fmeasure for answer, reference in pairs]
        theirs.append(time.process_time() - start)
        difference = max(abs(a - b) for a, b in zip(scores, expected, strict=True))
        print(f"  rouge-score {theirs[-1]:.1f} s, ours {ours[-1]:.2f} s, mean {statistics.mean(scores):.3f}, ", end="")
        print(f"largest difference of a score {difference:.1e}", flush=True)
    print(f"{statistics.median(theirs) / statistics.median(ours):.1f} times as fast as rouge-score (bar 10)")


if __name__ == "__main__":
    main()
