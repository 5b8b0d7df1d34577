"""Scores of a checkpoint: columns, macro averages, ranks."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from reset_pl import interruption
from reset_pl.errors import InputError
from reset_pl.evaluation.suite import EvaluationSettings, evaluate, is_evaluated
from reset_pl.interruption import Interrupted
from reset_pl.judging.grounding import SpanCoverageJudge
from reset_pl.judging.task import ExactMatchJudge
from reset_pl.records import NOT_IN_PASSAGES, Candidate, Example
from reset_pl.rounds.ranks import Ranks
from reset_pl.sampling.decoding import Plan
from tests.conftest import ScriptedJudge, ScriptedSampler, make_example

EXAMPLES = {
    "qa": [make_example(n) for n in range(5)],
    "unseen": [make_example(n, dataset="unseen") for n in range(3)],
    "open": [
        make_example(
            n, dataset="open", objective="instruction", question=None, passages=(), response=None, references=()
        )
        for n in range(2)
    ],
}


def answer(example: Example, draw: Any) -> str:
    """Right on even numbers."""
    number = int(example.id.split("/")[1])
    return f"w{number}" if number % 2 == 0 else "two words"


def faithful(example: Example, candidate: Candidate) -> float | None:
    return None if example.dataset == "open" else float(candidate.text == example.response)


def zero(example: Example, candidate: Candidate) -> float | None:
    return None if example.dataset == "open" else 0.0


def run(directory: Path, ranks: Ranks | None = None, answer: Callable[[Example, Any], str] = answer) -> Path:
    settings = EvaluationSettings(
        stage="mtl", step=7, policy="abc", commit="c0ffee", seen=frozenset({"qa"}), max_new_tokens=4, chunk_size=2
    )
    return evaluate(
        directory,
        settings,
        examples=EXAMPLES,
        opened=partial(nullcontext, ScriptedSampler(answer)),
        judges=[ExactMatchJudge(), ScriptedJudge(faithful, "one"), ScriptedJudge(zero, "two")],
        held_out_judges=[ScriptedJudge(lambda e, c: 0.25 if e.dataset != "open" else None, "held")],
        ranks=ranks,
        count_tokens=lambda text: len(text.split()),
    )


def test_scores_and_macro_averages_by_hand(tmp_path: Path) -> None:
    content = json.loads(run(tmp_path).read_text())
    assert {key: content[key] for key in ("stage", "step", "policy", "commit")} == {
        "stage": "mtl",
        "step": 7,
        "policy": "abc",
        "commit": "c0ffee",
    }
    qa, unseen, instruction = (content["datasets"][name] for name in ("qa", "unseen", "open"))
    assert (qa["n"], qa["seen"], qa["group"]) == (5, True, "extractive_qa")
    assert (unseen["n"], unseen["seen"]) == (3, False)
    assert qa["task"]["mean"] == pytest.approx(3 / 5)
    assert qa["faithfulness"]["mean"] == pytest.approx(3 / 10)  # the mean of two judges, one of which always says 0
    assert qa["faithfulness_held"]["mean"] == 0.25
    assert qa["length"]["mean"] == pytest.approx((3 * 1 + 2 * 2) / 5)
    assert instruction["faithfulness"] is None
    assert instruction["task"] is None
    assert (qa["n_faithfulness"], instruction["n_faithfulness"]) == (5, 0)
    assert qa["declined"] == {"mean": 0.0, "low": 0.0, "high": 0.0, "n": 5}
    assert qa["declined_unanswerable"] is instruction["declined"] is None
    macro = content["macro"]
    assert macro["faithfulness"]["mean"] == pytest.approx((3 / 10 + 1 / 3) / 2)  # over data sets, not rows
    assert macro["faithfulness_seen"]["mean"] == pytest.approx(3 / 10)
    assert macro["faithfulness_unseen"]["mean"] == pytest.approx(1 / 3)
    assert macro["faithfulness_extractive"] == macro["faithfulness"]
    assert macro["faithfulness_abstractive"] is None
    assert macro["faithfulness_held_unseen"]["mean"] == 0.25
    assert macro["instruction"] is None
    assert macro["task_seen"]["mean"] == pytest.approx(3 / 5)
    assert macro["task_unseen"]["mean"] == pytest.approx(2 / 3)
    assert (macro["faithfulness"]["n"], macro["faithfulness_unseen"]["n"], macro["length"]["n"]) == (8, 3, 10)
    assert macro["finished_stop"]["mean"] == 1.0
    assert macro["finished_length"]["mean"] == qa["truncated"] == 0.0
    assert macro["declined"]["mean"] == 0.0
    assert macro["declined_unanswerable"] is None


def test_rows_hold_every_answer(tmp_path: Path) -> None:
    run(tmp_path)
    rows = pq.read_table(tmp_path / "mtl.parquet").to_pylist()
    assert len(rows) == 10
    row = next(row for row in rows if row["example_id"] == "qa/1")
    assert (row["text"], row["token_count"], row["finish_reason"], row["task"]) == ("two words", 2, "stop", 0.0)
    assert (row["answerable"], row["declined"]) == (True, False)
    assert all(row["declined"] is None for row in rows if row["dataset"] == "open")
    assert all(row["reference_token_count"] == (None if row["dataset"] == "open" else 1) for row in rows)
    assert not list(tmp_path.glob(".*"))


def run_ranks(directory: Path, world_size: int, slow: Callable[[int], float] = lambda rank: 0.0) -> list[str]:
    """Threads in place of processes, whose collectives give up after a second; returns how each one fared."""
    meeting = threading.Barrier(world_size, timeout=1.0)
    outcomes = [""] * world_size
    said_by = [False] * world_size

    def one(rank: int) -> None:
        ranks = Ranks(rank=rank, world_size=world_size, barrier=lambda: meeting.wait() and None)

        def anyone(said: bool) -> bool:
            said_by[rank] = said
            meeting.wait()
            answer = any(said_by)
            meeting.wait()
            return answer

        def late(example: Example, draw: Any) -> str:
            time.sleep(slow(rank))
            return answer(example, draw)

        try:
            run(directory, replace(ranks, anyone=anyone), late)
        except Exception as error:
            outcomes[rank] = str(error)

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(world_size)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


@pytest.mark.parametrize("world_size", [2, 7])  # six chunks: one of seven ranks has none
def test_ranks_give_the_same_files_however_late_one_of_them_is(tmp_path: Path, world_size: int) -> None:
    run(tmp_path / "one")
    assert run_ranks(tmp_path / "all", world_size, lambda rank: 0.4 if rank == 1 else 0.0) == [""] * world_size
    for name in ("mtl.json", "mtl.parquet"):
        assert (tmp_path / "all" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    assert not list((tmp_path / "all").glob(".*"))


def test_a_rank_that_stops_stops_the_others(tmp_path: Path) -> None:
    def fail(rank: int) -> float:
        if rank == 1:
            raise InputError("out of answers")
        return 0.0

    outcomes = run_ranks(tmp_path, 2, fail)
    assert outcomes == ["rank 1 has stopped, and this rank with it: InputError: out of answers", "out of answers"]


def test_declines_are_counted_apart_and_are_no_faithfulness(tmp_path: Path) -> None:
    """Set ``a``: four answerable questions, one dodged. Set ``b``: two answerable, three open with two declined."""
    examples = {
        "a": [make_example(n, dataset="a") for n in range(4)],
        "b": [make_example(n, dataset="b", answerable=n < 2, references=(), response=None) for n in range(5)],
    }
    declined = {"a/3", "b/3", "b/4"}
    directory = tmp_path / "evaluation"
    path = evaluate(
        directory,
        EvaluationSettings(
            stage="mtl", step=1, policy="p", commit=None, seen=frozenset(), max_new_tokens=4, chunk_size=3
        ),
        examples=examples,
        opened=lambda: nullcontext(
            ScriptedSampler(lambda e, d: NOT_IN_PASSAGES if e.id in declined else f"w{e.id[-1]}")
        ),
        judges=[ExactMatchJudge(), SpanCoverageJudge()],
        held_out_judges=[],
    )
    content = json.loads(path.read_text())
    a, b, macro = content["datasets"]["a"], content["datasets"]["b"], content["macro"]
    assert (a["n"], a["n_faithfulness"], a["faithfulness"]["mean"], a["task"]["mean"]) == (4, 3, 1.0, 3 / 4)
    assert (a["declined"]["mean"], a["declined_unanswerable"]) == (1 / 4, None)
    assert a["declined"]["low"] <= 1 / 4 <= a["declined"]["high"]
    # The made-up answer to b/2 is a span of the passages all the same, and no right answer.
    assert (b["n"], b["n_faithfulness"], b["faithfulness"]["mean"]) == (5, 3, 1.0)
    assert b["task"]["mean"] == pytest.approx(2 / 3)  # the two answerable ones have no reference
    assert (b["declined"]["mean"], b["declined_unanswerable"]["mean"]) == (0.0, pytest.approx(2 / 3))
    assert (macro["declined"]["mean"], macro["declined_unanswerable"]["mean"]) == (1 / 8, pytest.approx(2 / 3))
    rows = {row["example_id"]: row for row in pq.read_table(directory / "mtl.parquet").to_pylist()}
    assert {key for key, row in rows.items() if row["declined"]} == declined
    assert {key for key, row in rows.items() if not row["answerable"]} == {"b/2", "b/3", "b/4"}
    assert (rows["a/3"]["faithfulness"], rows["b/3"]["faithfulness"], rows["b/2"]["faithfulness"]) == (None, None, 1.0)


def test_coverage_is_that_of_extractive_answers_that_do_not_decline(tmp_path: Path) -> None:
    texts = {"qa/0": "It was w0", "qa/1": NOT_IN_PASSAGES}  # of "It is w0 here.": two of three words, no pair
    run(tmp_path, answer=lambda example, draw: texts.get(example.id, answer(example, draw)))
    rows = {row["example_id"]: row for row in pq.read_table(tmp_path / "mtl.parquet").to_pylist()}
    assert (rows["qa/0"]["unigram_coverage"], rows["qa/0"]["bigram_coverage"]) == (pytest.approx(2 / 3), 0.0)
    assert rows["qa/1"]["unigram_coverage"] is rows["open/0"]["bigram_coverage"] is None
    content = json.loads((tmp_path / "mtl.json").read_text())
    assert content["datasets"]["qa"]["unigram_coverage"]["mean"] == pytest.approx((2 / 3 + 1 + 0 + 1) / 4)
    assert content["datasets"]["open"]["bigram_coverage"] is None


# ---------------------------------------------------------------- what is kept


class Lossy(ScriptedSampler):
    """Loses some of its answers."""

    def __init__(self, lost: set[str]) -> None:
        super().__init__(answer)
        self.lost = lost

    def sample(self, examples: Sequence[Example], plan: Plan) -> Iterable[Candidate]:
        return [one for one in super().sample(examples, plan) if one.example_id not in self.lost]


def settings_of(**changes: Any) -> EvaluationSettings:
    fields: dict[str, Any] = {"stage": "mtl", "step": 7, "policy": "abc", "commit": None, "seen": frozenset({"qa"})}
    return EvaluationSettings(**{**fields, "max_new_tokens": 4, "chunk_size": 2, **changes})


def evaluated(directory: Path, sampler: ScriptedSampler, *judges: ScriptedJudge, **changes: Any) -> dict[str, Any]:
    examples = changes.pop("examples", EXAMPLES)
    path = evaluate(
        directory,
        settings_of(**changes),
        examples=examples,
        opened=partial(nullcontext, sampler),
        judges=[*judges] or [ScriptedJudge(faithful, "one")],
        held_out_judges=[],
    )
    return json.loads(path.read_text())


def test_a_second_evaluation_asks_nobody_anything(tmp_path: Path) -> None:
    sampler, judge = ScriptedSampler(answer), ScriptedJudge(faithful, "one")
    first = evaluated(tmp_path, sampler, judge)
    assert (len(sampler.drawn), len(judge.judged)) == (10, 10)
    second = evaluated(tmp_path, sampler, judge, stage="mtl-000007")  # the same weights under another name
    assert (len(sampler.drawn), len(judge.judged)) == (10, 10)
    assert {**second, "stage": "mtl"} == first
    another = ScriptedJudge(zero, "two")
    third = evaluated(tmp_path, sampler, judge, another)
    assert (len(sampler.drawn), len(judge.judged), len(another.judged)) == (10, 10, 10)
    assert third["datasets"]["qa"]["faithfulness"]["mean"] == first["datasets"]["qa"]["faithfulness"]["mean"] / 2
    judge.version = "2"
    evaluated(tmp_path, sampler, judge)
    assert (len(sampler.drawn), len(judge.judged)) == (10, 20)


@pytest.mark.parametrize("changes", [{"policy": "def"}, {"max_new_tokens": 5}, {"encoding": 1}])
def test_other_weights_limits_and_templates_are_answered_anew(tmp_path: Path, changes: dict[str, Any]) -> None:
    sampler = ScriptedSampler(answer)
    evaluated(tmp_path, sampler)
    evaluated(tmp_path, sampler, **changes)
    assert len(sampler.drawn) == 20


def test_only_changed_prompts_are_answered_and_only_changed_references_judged(tmp_path: Path) -> None:
    sampler, judge = ScriptedSampler(answer), ScriptedJudge(faithful, "one")
    evaluated(tmp_path, sampler, judge)
    first, second, *rest = EXAMPLES["qa"]
    changed = [replace(first, question="Which word now?"), replace(second, response="two words"), *rest]
    content = evaluated(tmp_path, sampler, judge, examples={**EXAMPLES, "qa": changed})
    assert sampler.drawn[10:] == ["greedy/qa/0"]
    assert judge.judged[10:] == ["greedy/qa/0", "greedy/qa/1"]
    assert content["datasets"]["qa"]["faithfulness"]["mean"] == 4 / 5
    evaluated(tmp_path, sampler, judge, examples={**EXAMPLES, "more": [make_example(9, dataset="more")]})
    assert sampler.drawn[11:] == ["greedy/more/9"]  # the old prompts of the first two are kept, too


def test_an_evaluation_that_was_stopped_goes_on(tmp_path: Path, caught_signals: None) -> None:
    """Told to stop in its third chunk of six, which it finishes; then in its judging."""
    sampler = ScriptedSampler(answer)
    draw, judge = sampler.answer, ScriptedJudge(faithful, "one")

    def signalled(example: Example, one: Any) -> str:
        if len(sampler.drawn) == 5:
            os.kill(os.getpid(), signal.SIGUSR1)
        return draw(example, one)

    sampler.answer = signalled
    with pytest.raises(Interrupted):
        evaluated(tmp_path, sampler, judge)
    assert not (tmp_path / "mtl.json").exists()
    assert (len(sampler.drawn), len(judge.judged)) == (6, 0)
    interruption._received.clear()
    content = evaluated(tmp_path, sampler, judge)
    assert len(sampler.drawn) == len(set(sampler.drawn)) == 10
    assert content == evaluated(tmp_path / "whole", ScriptedSampler(answer))


def test_an_example_without_an_answer_is_named_and_asked_again(tmp_path: Path) -> None:
    sampler = Lossy({"qa/1", "unseen/2"})
    with pytest.raises(
        InputError, match="Lossy gave none to 2 of 10: qa/1, unseen/2; the answers that it gave are kept"
    ):
        evaluated(tmp_path, sampler)
    assert not (tmp_path / "mtl.json").exists()
    sampler.lost = set()
    assert evaluated(tmp_path, sampler)["datasets"]["qa"]["n"] == 5
    assert sampler.drawn[10:] == ["greedy/qa/1", "greedy/unseen/2"]


def test_a_failed_judgement_is_tried_again_and_counts_in_no_mean(tmp_path: Path) -> None:
    sampler, fails = ScriptedSampler(answer), {"qa/0"}

    def rate(example: Example, candidate: Candidate) -> float | None:
        if example.id in fails:
            raise RuntimeError("out of memory")
        return faithful(example, candidate)

    judge = ScriptedJudge(rate, "one")
    qa = evaluated(tmp_path, sampler, judge)["datasets"]["qa"]
    assert (qa["n"], qa["faithfulness"]["n"], qa["faithfulness"]["mean"]) == (5, 4, 2 / 4)
    fails.clear()
    qa = evaluated(tmp_path, sampler, judge)["datasets"]["qa"]
    assert (qa["faithfulness"]["n"], qa["faithfulness"]["mean"]) == (5, 3 / 5)
    assert judge.judged[10:] == ["greedy/qa/0"]


def test_a_part_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    evaluated(tmp_path, ScriptedSampler(answer))
    part = min((tmp_path / "predictions" / "abc").glob("answers-*"))
    part.write_bytes(part.read_bytes()[:50])
    with pytest.raises(InputError, match=f"{part.name}, but it cannot be read .*: delete it"):
        evaluated(tmp_path, ScriptedSampler(answer))


def test_what_has_been_evaluated(tmp_path: Path) -> None:
    judges: dict[str, Any] = {"judges": [ScriptedJudge(faithful, "one")], "held_out_judges": []}
    asked = partial(is_evaluated, tmp_path, examples=EXAMPLES)
    assert not asked(settings_of(), **judges)
    evaluated(tmp_path, ScriptedSampler(answer))
    assert asked(settings_of(), **judges)
    assert not asked(settings_of(), judges=judges["judges"], held_out_judges=[ScriptedJudge(zero, "two")])
    with pytest.raises(InputError, match="holds scores of others .abc."):
        asked(settings_of(policy="def"), **judges)
    with pytest.raises(InputError, match="same test examples, template and length limit"):
        asked(settings_of(max_new_tokens=5), **judges)
    content = json.loads((tmp_path / "mtl.json").read_text())
    del content["examples"], content["judges"]
    (tmp_path / "mtl.json").write_text(json.dumps(content))  # as older versions wrote it
    assert asked(settings_of(), **judges)
