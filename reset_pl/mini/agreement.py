"""How often the NLI model and the oracle agree on sentences that a model wrote.

``python -m reset_pl.mini.agreement FILE [--nli DIR] [--limit 1000]`` reads any table of answers with the columns
``example_id`` and ``text`` (a run's ``evaluation/*.parquet`` or ``rounds/*/candidates.parquet``, or JSON lines), takes
sentences of the sets that are answered in sentences, and compares "SummaC above one half" with "the passages say so".
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from reset_pl.judging.grounding import grounding_document
from reset_pl.metrics.summac import SummacZS
from reset_pl.mini import MODELS
from reset_pl.mini.grammar import split_sentences
from reset_pl.mini.oracle import is_supported
from reset_pl.mini.sources import MiniSource
from reset_pl.records import Example, Objective

_IN_SENTENCES = (Objective.ABSTRACTIVE_QA, Objective.SUMMARIZATION)


@dataclass(frozen=True, kw_only=True)
class Agreement:
    """Two judges' decisions on the same sentences."""

    both_support: int
    """Sentences that both find supported."""
    neither: int
    """Sentences that both find unsupported."""
    nli_only: int
    """Sentences that the NLI model alone finds supported."""
    oracle_only: int
    """Sentences that the oracle alone finds supported."""

    @property
    def share(self) -> float:
        """Share of sentences on which they agree."""
        agreed = self.both_support + self.neither
        return agreed / (agreed + self.nli_only + self.oracle_only)


def agreement(pairs: list[tuple[Example, str]], nli: str) -> Agreement:
    """Compare the NLI model with the oracle on (example, sentence) pairs.

    Args:
        pairs: Sentences with the examples that they answer; one at least.
        nli: Folder of the NLI model.
    """
    scores = SummacZS(nli).score([(grounding_document(example), sentence) for example, sentence in pairs])
    counts = Counter(
        (score > 0.5, is_supported(example, sentence)) for score, (example, sentence) in zip(scores, pairs, strict=True)
    )
    return Agreement(
        both_support=counts[True, True],
        neither=counts[False, False],
        nli_only=counts[True, False],
        oracle_only=counts[False, True],
    )


def find_examples(ids: Iterable[str]) -> dict[str, Example]:
    """The examples that ids of the miniature world name, made again."""
    largest: dict[tuple[str, str, int], int] = defaultdict(int)
    for dataset, split, seed, number in map(_parse_id, ids):
        largest[dataset, split, seed] = max(largest[dataset, split, seed], number)
    return {
        example.id: example
        for (dataset, split, seed), number in largest.items()
        for example in MiniSource(dataset, split, number + 1, seed).load()
    }


def _parse_id(example_id: str) -> tuple[str, str, int, int]:
    dataset, rest = example_id.split("/")
    split, seed, number = rest.split("-")
    return dataset, split, int(seed), int(number)


def written_sentences(answers: list[tuple[str, str]], limit: int) -> list[tuple[Example, str]]:
    """At most so many sentences, drawn at random, of (example id, answer) pairs."""
    examples = find_examples({example_id for example_id, _ in answers})
    pairs = [
        (examples[example_id], sentence)
        for example_id, text in answers
        if examples[example_id].objective in _IN_SENTENCES
        for sentence in split_sentences(text)
    ]
    return random.Random(0).sample(pairs, min(limit, len(pairs)))


def read_answers(path: Path) -> list[tuple[str, str]]:
    """The (example id, answer) pairs of a Parquet file or of JSON lines."""
    if path.suffix == ".parquet":
        import pyarrow.parquet as pq

        rows = pq.read_table(path, columns=["example_id", "text"]).to_pylist()
    else:
        rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [(row["example_id"], row["text"]) for row in rows]


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and report."""
    parser = argparse.ArgumentParser(
        prog="python -m reset_pl.mini.agreement", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("file", type=Path, help="answers: Parquet or JSON lines with example_id and text")
    parser.add_argument("--nli", default=str(MODELS / "nli"), help="folder of the NLI model (default: %(default)s)")
    parser.add_argument("--limit", type=int, default=1000, help="number of sentences (default: %(default)s)")
    options = parser.parse_args(arguments)
    pairs = written_sentences(read_answers(options.file), options.limit)
    found = agreement(pairs, options.nli)
    sys.stdout.write(f"{len(pairs)} sentences, agreement {found.share:.3f}: {found}\n")


if __name__ == "__main__":
    main()
