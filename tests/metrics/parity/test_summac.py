"""SummaC-ZS against the ``summac`` package, which needs an environment of its own (``summac_package.py`` says how)."""

import json
import os
import random
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import get_args

import pytest

from reset_pl.metrics.sentences import split_sentences
from reset_pl.metrics.summac import Granularity, SummacZS
from reset_pl.mini import MODELS
from reset_pl.mini.sources import MiniSource

PYTHON = os.environ.get("SUMMAC_PYTHON", "")
NUM_PAIRS = 520

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not PYTHON, reason="SUMMAC_PYTHON does not name the Python of an environment with summac 0.0.4"),
]


def make_pairs(stock: Sequence[str], seed: int) -> list[tuple[str, str]]:
    """Documents and answers out of these sentences: one to nine of them, parted by spaces, line breaks or empty lines.

    Some documents have more than 100 sentences and 500 tokens, some answers are as long, some too short to count.
    """
    rng = random.Random(seed)

    def text(length: int) -> str:
        breaks = rng.choice([[" "], [" ", " ", "\n"], [" ", " ", "\n\n"], [" ", "\n", "\n\n"]])
        return "".join(sentence + rng.choice(breaks) for sentence in rng.choices(stock, k=length)).strip()

    pairs = [(text(rng.randrange(1, 10)), text(rng.randrange(1, 5))) for _ in range(NUM_PAIRS - 9)]
    pairs += [(text(130), text(2)), (text(130), text(1)), (text(2), text(90)), (text(45), text(40))]
    pairs += [(text(3), "Short one."), ("A b. C d.", text(2)), (text(4), "A b.\nC d."), *rng.sample(pairs, 2)]
    return pairs


def package_scores(
    folder: str, pairs: Sequence[tuple[str, str]], runs: Sequence[tuple[str, str, bool]]
) -> list[list[float]]:
    """The package's scores of the pairs in each run (granularity of document and answer, contradiction)."""
    settings = [{"granularity": f"{document}-{answer}", "use_con": con} for document, answer, con in runs]
    job = {"model": folder, "pairs": pairs, "batch_size": 128, "runs": settings}
    script = Path(__file__).parent / "summac_package.py"
    done = subprocess.run([PYTHON, script], input=json.dumps(job), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return [run["scores"] for run in json.loads(done.stdout.splitlines()[-1])]


def assert_equal_scores(
    folder: str, pairs: Sequence[tuple[str, str]], runs: Sequence[tuple[Granularity, Granularity, bool]]
) -> None:
    for (document, answer, con), expected in zip(runs, package_scores(folder, pairs, runs), strict=True):
        scorer = SummacZS(folder, 128, con, device="cpu", document_granularity=document, answer_granularity=answer)
        scores = scorer.score(pairs)
        assert len(set(expected)) > NUM_PAIRS / 4
        differences = [abs(ours - theirs) for ours, theirs in zip(scores, expected, strict=True)]
        assert max(differences) <= 1e-5, (document, answer, con, differences.index(max(differences)))


@pytest.mark.parametrize("use_contradiction", [True, False])
def test_every_granularity_pair(make_nli: Callable[..., str], use_contradiction: bool) -> None:
    words = [*"abcdefghij", "river", "flows", "north", "south", "mill", "stood", "there", "unheard"]
    rng = random.Random(0)
    stock = [" ".join(rng.choices(words, k=rng.randrange(4, 9))).capitalize() + rng.choice(".?") for _ in range(60)]
    runs = [
        (document, answer, use_contradiction) for document in get_args(Granularity) for answer in get_args(Granularity)
    ]
    assert_equal_scores(make_nli(positions=512), make_pairs(stock, seed=1), runs)


def test_the_miniature_model() -> None:
    examples = MiniSource(dataset="mini_cnn", split="test", size=40).load()
    stock = [sentence for example in examples for passage in example.passages for sentence in split_sentences(passage)]
    runs: list[tuple[Granularity, Granularity, bool]] = [
        ("sentence", "sentence", True),
        ("sentence", "sentence", False),
        ("document", "sentence", True),
        ("paragraph", "2sents", True),
    ]
    assert_equal_scores(str(MODELS / "nli"), make_pairs(stock, seed=2), runs)
