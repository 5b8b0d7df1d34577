"""Rounds carried out by ``run_round``, so that what is selected again can be held against what a round selected."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from reset_pl.records import Candidate, Example, stable_hash
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.prompts import RoundSettings
from reset_pl.rounds.round import run_round
from reset_pl.rounds.selectors import WeightedSelector
from reset_pl.sampling.decoding import DecodingPlan, Draw
from tests.conftest import ScriptedJudge, ScriptedSampler, make_example

POOLS = {
    "qa": [make_example(n, dataset="qa") for n in range(12)],
    "instruct": [
        make_example(n, dataset="instruct", objective="instruction", question=None, passages=()) for n in range(8)
    ],
}


def answer(example: Example, draw: Draw) -> str:
    """One of three texts, some of them cut off; of two prompts always the same."""
    if example.id in ("qa/0", "instruct/0"):
        return "one and only"
    kind = stable_hash(example.id, draw.decoding.label) % 7
    return f"answer {kind % 3} of {example.id}{'…' if kind == 6 else ''}"


def scores(name: str) -> Callable[[Example, Candidate], float]:
    """A quarter, the same for the same text; now and then the judge fails."""

    def rate(example: Example, candidate: Candidate) -> float:
        rolled = stable_hash(name, candidate.text) % 23
        if rolled == 22:
            raise RuntimeError("no answer")
        return rolled % 5 / 4

    return rate


def judges() -> list[Any]:
    return [
        ScriptedJudge(scores("t"), name="t", aspect="task"),
        ScriptedJudge(scores("f"), name="f", aspect="faithfulness"),
        ScriptedJudge(lambda e, c: scores("i")(e, c) if not e.passages else None, name="i", aspect="instruction"),
    ]


Make = Callable[..., Path]


@pytest.fixture
def make_round(tmp_path: Path) -> Make:
    """Carries out a round in ``<tmp>/run/rounds/round-000`` and returns that folder."""

    def make(selector: Any = None, *, judged_by: Sequence[Any] | None = None, held_out: Sequence[Any] = ()) -> Path:
        directory = tmp_path / "run" / "rounds" / "round-000"
        run_round(
            directory,
            RoundSettings(
                number=0, seed=1, prompts_per_dataset=10, chunk_size=3, judge_references=True, policy="sha256:abc"
            ),
            pools=POOLS,
            plan=DecodingPlan(temperatures=(0.1, 0.2, 0.3, 0.4, 0.5), top_ks=()),
            sampler=ScriptedSampler(answer),
            judges=judges() if judged_by is None else judged_by,
            selector=selector or WeightedSelector(),
            held_out_judges=held_out,
        )
        return directory

    return make


@pytest.fixture
def round_dir(make_round: Make) -> Path:
    """A round as the paper selects."""
    return make_round()


def rows(folder: Path, table: str) -> list[dict[str, Any]]:
    return Ledger(folder).read_table(table)
