"""A round with a scripted sampler and judges: order, restart at every point, ranks, what is left out."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from reset_pl.data.curated import CuratedSource
from reset_pl.errors import InputError
from reset_pl.judging.forecast import Forecast
from reset_pl.judging.grounding import SpanCoverageJudge
from reset_pl.judging.task import ExactMatchJudge
from reset_pl.records import NOT_IN_PASSAGES, Candidate, Example
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.prompts import RoundSettings, draw_prompts, make_chunks
from reset_pl.rounds.ranks import Ranks
from reset_pl.rounds.round import run_round
from reset_pl.rounds.selectors import WeightedSelector
from reset_pl.sampling.decoding import DecodingPlan, Draw
from tests.conftest import ScriptedJudge, ScriptedSampler, make_example

POOLS = {name: [make_example(n, dataset=name) for n in range(20)] for name in ("qa", "more")}
PLAN = DecodingPlan(temperatures=(0.2, 0.5, 0.7), top_ks=())


def settings(**changes: Any) -> RoundSettings:
    fields: dict[str, Any] = {
        "number": 0,
        "seed": 1,
        "prompts_per_dataset": 10,
        "chunk_size": 4,
        "judge_references": True,
        "policy": "abc",
    }
    return RoundSettings(**{**fields, **changes})


def answer(example: Example, draw: Draw) -> str:
    """The right word at temperature 0.5 only."""
    assert example.response is not None
    return example.response if draw.decoding.temperature == 0.5 else f"wrong {draw.decoding.label}"


def is_right(example: Example, candidate: Candidate) -> float:
    return float(candidate.text == example.response)


def run(directory: Path, sampler: Any = None, judges: Any = None, ranks: Ranks | None = None, **changes: Any) -> Ledger:
    return run_round(
        directory,
        settings(**changes),
        pools=POOLS,
        plan=PLAN,
        sampler=sampler or ScriptedSampler(answer),
        judges=judges if judges is not None else [ScriptedJudge(is_right)],
        selector=WeightedSelector(),
        ranks=ranks,
    )


def tables(ledger: Ledger) -> dict[str, Any]:
    return {name: ledger.read_table(name) for name in ("prompts", "candidates", "verdicts", "selected")}


def test_round_selects_the_best_and_counts(tmp_path: Path) -> None:
    ledger = run(tmp_path / "round-000")
    selected = ledger.read_table("selected")
    assert len(selected) == 20
    assert all(row["text"] == f"w{row['example_id'].split('/')[1]}" for row in selected)
    assert all(row["candidate_id"].endswith("/temperature/1") for row in selected)
    manifest = ledger.read_manifest()
    assert manifest is not None
    assert manifest["status"] == "complete"
    assert manifest["counts"] == {"prompts": 20, "candidates": 60, "verdicts": 60, "selected": 20, "answers": 20}
    assert manifest["win_rate"] == {name: {"temperature=0.5": 1.0} for name in POOLS}
    assert manifest["mean_score"] == {"best": 2.0, "random": pytest.approx(2 / 3), "gold": 2.0}
    names = ("tie", "all_equal", "duplicate", "truncated", "failed", "abstained", "declined")
    assert manifest["rates"] == {**dict.fromkeys(names, 0.0), "declined_unanswerable": None}
    assert not ledger.parts.exists()


def test_curated_source_reads_the_choice(tmp_path: Path) -> None:
    run(tmp_path / "round-000")
    curated = CuratedSource(str(tmp_path / "round-000")).load()
    originals = {example.id: example for rows in POOLS.values() for example in rows}
    assert len(curated) == 20
    assert all(example == originals[example.id] for example in curated)  # the right answer is the reference here


def test_finished_round_is_not_done_again(tmp_path: Path) -> None:
    before = tables(run(tmp_path / "round-000"))
    sampler = ScriptedSampler(answer)
    assert tables(run(tmp_path / "round-000", sampler)) == before
    assert sampler.drawn == []


class KilledError(Exception):
    """Stands for a kill at a chosen moment."""


@pytest.mark.parametrize("survive", [0, 1, 2, 5, 7, 11, 12, 13, 14])
def test_restart_after_a_kill_at_any_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, survive: int) -> None:
    expected = tables(run(tmp_path / "whole" / "round-000"))
    samplers, judges = [ScriptedSampler(answer) for _ in "ab"], [ScriptedJudge(is_right) for _ in "ab"]
    directory = tmp_path / "killed" / "round-000"
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "write_part", _dying(Ledger.write_part, survive))
        patch.setattr(Ledger, "compact", _dying(Ledger.compact, max(survive - 12, 0)))
        patch.setattr(Ledger, "write_table", _dying(Ledger.write_table, 1))  # the prompts; not the selected
        with pytest.raises(KilledError):
            run(directory, samplers[0], [judges[0]])
    committed = {path.name for path in directory.glob("parts/*.parquet")}
    ledger = run(directory, samplers[1], [judges[1]])
    assert tables(ledger) == expected
    # What was committed before the kill has not been drawn or judged again.
    chunks = {chunk.name: chunk for chunk in make_chunks(draw_prompts(POOLS, settings()), 4)}
    for name, chunk in chunks.items():
        ids = {f"0/{example.id}/temperature/0" for example in chunk.examples}
        if f"candidates-{name}.parquet" in committed:
            assert not ids & set(samplers[1].drawn)
        if f"verdicts-scripted-{name}.parquet" in committed:
            assert not ids & set(judges[1].judged)


def test_restart_after_a_kill_before_the_prompts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "write_table", _dying(Ledger.write_table, 0))
        with pytest.raises(KilledError):
            run(tmp_path / "killed" / "round-000")
    assert tables(run(tmp_path / "killed" / "round-000")) == tables(run(tmp_path / "whole" / "round-000"))


def _dying(write: Callable[..., None], survive: int) -> Callable[..., None]:
    count = 0

    def dying(*args: Any) -> None:
        nonlocal count
        if count == survive:
            raise KilledError
        count += 1
        write(*args)

    return dying


def test_ranks_share_the_round_and_agree_with_one_process(tmp_path: Path) -> None:
    expected = tables(run(tmp_path / "one" / "round-000"))
    directory = tmp_path / "two" / "round-000"
    samplers = [ScriptedSampler(answer) for _ in "ab"]
    errors = run_ranks(directory, samplers, [[ScriptedJudge(is_right)] for _ in "ab"])
    assert errors == [None, None]
    assert tables(Ledger(directory)) == expected
    assert sorted(samplers[0].drawn + samplers[1].drawn) == sorted(
        row["candidate_id"] for row in expected["candidates"] if row["procedure"] != "reference"
    )
    assert all(sampler.drawn for sampler in samplers)


def test_rank_that_fails_stops_the_others_and_the_round_goes_on_later(tmp_path: Path) -> None:
    def unpaid(example: Example, candidate: Candidate) -> float:
        raise InputError("the key is wrong")

    directory = tmp_path / "round-000"
    errors = run_ranks(
        directory, [ScriptedSampler(answer) for _ in "ab"], [[ScriptedJudge(is_right)], [ScriptedJudge(unpaid)]]
    )
    assert "rank 1 has stopped, and this rank with it: InputError: the key is wrong" in str(errors[0])
    assert str(errors[1]) == "the key is wrong"
    assert tables(run(directory)) == tables(run(tmp_path / "one" / "round-000"))


def test_rank_without_work_waits_for_the_others(tmp_path: Path) -> None:
    samplers = [ScriptedSampler(answer) for _ in range(3)]
    errors = run_ranks(
        tmp_path / "round-000", samplers, [[ScriptedJudge(is_right)] for _ in range(3)], chunk_size=10
    )  # two chunks for three ranks
    assert errors == [None, None, None]
    assert samplers[2].drawn == []


def run_ranks(directory: Path, samplers: list[Any], judges: list[Any], **changes: Any) -> list[BaseException | None]:
    """The round with a thread a rank; returns what each rank raised."""
    errors: list[BaseException | None] = [None] * len(samplers)
    barrier = threading.Barrier(len(samplers))

    def one(rank: int) -> None:
        ranks = Ranks(rank=rank, world_size=len(samplers), barrier=lambda: barrier.wait(10) and None)
        try:
            run(directory, samplers[rank], judges[rank], ranks, **changes)
        except BaseException as error:
            errors[rank] = error

    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(len(samplers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    return errors


def test_prompts_do_not_depend_on_order_and_differ_between_rounds() -> None:
    shuffled = {name: rows[::-1] for name, rows in reversed(POOLS.items())}
    assert draw_prompts(POOLS, settings()) == draw_prompts(shuffled, settings())
    ids = [{e.id for e in draw_prompts(POOLS, settings(number=number))} for number in (0, 1)]
    assert ids[0] != ids[1]
    assert len(draw_prompts(POOLS, settings(prompts_per_dataset=50))) == 40


def test_chunks_hold_one_dataset_each_and_cover_all() -> None:
    prompts = draw_prompts(POOLS, settings())
    chunks = make_chunks(prompts, 4)
    assert sorted(e.id for chunk in chunks for e in chunk.examples) == sorted(e.id for e in prompts)
    assert all(len({e.dataset for e in chunk.examples}) == 1 for chunk in chunks)
    assert [chunk.name for chunk in chunks] == [f"{name}-{i:04d}" for name in ("more", "qa") for i in range(3)]


def test_judge_failing_on_some_candidates_is_counted(tmp_path: Path) -> None:
    def rate(example: Example, candidate: Candidate) -> float:
        if candidate.procedure == "temperature" and candidate.text == example.response:
            raise RuntimeError("no answer")
        return 0.5

    manifest = run(tmp_path / "round-000", judges=[ScriptedJudge(rate)]).read_manifest()
    assert manifest is not None
    assert manifest["counts"]["selected"] == 20
    assert manifest["rates"]["failed"] == pytest.approx(1 / 3)


def test_judge_failing_on_a_whole_example_leaves_it_out(tmp_path: Path) -> None:
    def rate(example: Example, candidate: Candidate) -> float:
        if example.dataset == "qa":
            raise RuntimeError("no answer")
        return 0.5

    ledger = run(tmp_path / "round-000", judges=[ScriptedJudge(rate)])
    manifest = ledger.read_manifest()
    assert manifest is not None
    assert {row["dataset"] for row in ledger.read_table("selected")} == {"more"}
    assert manifest["left_out"] == {"judges_failed": 10}


def test_round_that_keeps_nothing_says_why(tmp_path: Path) -> None:
    truncated = ScriptedSampler(lambda example, draw: "cut …")
    with pytest.raises(InputError, match=r"kept nothing of 20 prompts \(all_truncated: 20\)"):
        run(tmp_path / "round-000", truncated)
    assert len(Ledger(tmp_path / "round-000").read_table("candidates")) == 80
    assert not Ledger(tmp_path / "round-000").complete


def test_round_that_keeps_no_unanswerable_question_says_what_to_do(tmp_path: Path) -> None:
    pools = {"open": [question(n, "open", answerable=False) for n in range(5)]}
    with pytest.raises(InputError) as raised:
        run_round(
            tmp_path / "round-000",
            settings(),
            pools=pools,
            plan=PLAN,
            sampler=ScriptedSampler(lambda example, draw: "w1"),
            judges=[ScriptedJudge(lambda e, c: 0.5)],
            selector=WeightedSelector(),
        )
    message = str(raised.value)
    assert "kept nothing of 5 prompts (none_declined: 5)" in message
    assert "no candidate said that the passages do not answer the question" in message
    assert "--trainer.max_epochs 1" in message
    assert "mend the judges" not in message


def test_judges_that_cannot_tell_candidates_apart_are_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judge = ScriptedJudge(lambda e, c: 0.0 if e.dataset == "qa" else is_right(e, c))
    run(tmp_path / "round-000", judges=[judge])
    captured = capsys.readouterr()
    said = captured.out + captured.err
    assert said.count("the judges cannot tell the candidates of qa apart") == 1
    run(tmp_path / "decided")
    captured = capsys.readouterr()
    assert "cannot tell" not in captured.out + captured.err


def test_ledger_of_other_weights_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "write_part", _dying(Ledger.write_part, 2))
        with pytest.raises(KilledError):
            run(tmp_path / "round-000")
    with pytest.raises(InputError, match="begun with the policy abc, but the weights now are xyz"):
        run(tmp_path / "round-000", policy="xyz")


def test_rates_count_duplicates_ties_and_equal_sets(tmp_path: Path) -> None:
    def answer_by_set(example: Example, draw: Draw) -> str:
        return "same" if example.dataset == "qa" else draw.decoding.label

    ledger = run(tmp_path / "round-000", ScriptedSampler(answer_by_set), [ScriptedJudge(lambda e, c: 0.5)])
    manifest = ledger.read_manifest()
    assert manifest is not None
    rates = manifest["rates_per_dataset"]
    assert (rates["qa"]["all_equal"], rates["qa"]["duplicate"], rates["qa"]["tie"]) == (1.0, pytest.approx(2 / 3), 0.0)
    assert (rates["more"]["all_equal"], rates["more"]["duplicate"], rates["more"]["tie"]) == (0.0, 0.0, 1.0)


def question(number: int, dataset: str, *, answerable: bool) -> Example:
    """A question without a reference answer, as a user of retrieved passages has it."""
    return make_example(number, dataset=dataset, answerable=answerable, response=None, references=())


def test_honest_declines_are_chosen_and_dodges_never(tmp_path: Path) -> None:
    """Real judges; the second draw of each prompt declines, only on even numbers."""

    def answer_or_decline(example: Example, draw: Draw) -> str:
        number = int(example.id.split("/")[1])
        if draw.decoding.temperature == 0.5 and number % 2 == 0:
            return NOT_IN_PASSAGES
        return f"w{number}" if draw.decoding.temperature == 0.2 else "nowhere"

    def always_decline(example: Example, draw: Draw) -> str:
        return "No answer." if example.dataset == "dodged" else answer_or_decline(example, draw)

    pools = {
        "answered": [question(n, "answered", answerable=True) for n in range(10)],
        "open": [question(n, "open", answerable=False) for n in range(10)],
        "dodged": [question(n, "dodged", answerable=True) for n in range(10)],
    }
    ledger = run_round(
        tmp_path / "round-000",
        settings(),
        pools=pools,
        plan=PLAN,
        sampler=ScriptedSampler(always_decline),
        judges=[ExactMatchJudge(), SpanCoverageJudge()],
        selector=WeightedSelector(),
    )
    selected = {row["example_id"]: row for row in ledger.read_table("selected")}
    assert {key: row["text"] for key, row in selected.items()} == {
        **{f"answered/{n}": f"w{n}" for n in range(10)},
        **{f"open/{n}": NOT_IN_PASSAGES for n in range(0, 10, 2)},
    }
    grounded, honest = selected["answered/0"], selected["open/0"]
    assert (grounded["score"], grounded["task"], grounded["faithfulness"]) == (2.0, None, 1.0)  # no reference
    assert (honest["score"], honest["task"], honest["faithfulness"]) == (1.0, 1.0, None)
    statuses = {(row["candidate_id"], row["judge"]): row["status"] for row in ledger.read_table("verdicts")}
    assert statuses["0/open/0/temperature/1", "span_coverage"] == "declined"
    assert statuses["0/open/0/temperature/0", "span_coverage"] == "scored"
    manifest = ledger.read_manifest()
    assert manifest is not None
    assert manifest["left_out"] == {"none_declined": 5, "all_declined": 10}
    rates = {
        name: (own["declined"], own["declined_unanswerable"]) for name, own in manifest["rates_per_dataset"].items()
    }
    assert rates == {
        "answered": (pytest.approx(1 / 6), None),
        "open": (None, pytest.approx(1 / 6)),
        "dodged": (1.0, None),
    }
    assert manifest["rates"]["declined"] == pytest.approx((5 + 30) / 60)
    assert manifest["rates"]["failed"] == 0.0
    assert manifest["rates"]["abstained"] == pytest.approx(60 / 180)  # exact match, on the two sets with answers
    curated = {example.id: example for example in CuratedSource(str(tmp_path / "round-000")).load()}
    assert (curated["open/0"].response, curated["open/0"].answerable) == (NOT_IN_PASSAGES, False)


def test_held_out_judge_is_kept_and_never_selects(tmp_path: Path) -> None:
    contrary = ScriptedJudge(lambda e, c: 1 - is_right(e, c), name="contrary")
    ledger = run_round(
        tmp_path / "round-000",
        settings(),
        pools=POOLS,
        plan=PLAN,
        sampler=ScriptedSampler(answer),
        judges=[ScriptedJudge(is_right)],
        held_out_judges=[contrary],
        selector=WeightedSelector(),
    )
    assert ledger.read_table("selected") == run(tmp_path / "without").read_table("selected")
    by_judge = Counter(row["judge"] for row in ledger.read_table("verdicts"))
    assert by_judge == {"scripted": 80, "contrary": 80}
    manifest = ledger.read_manifest()
    assert manifest is not None
    assert {entry["name"]: entry["held_out"] for entry in manifest["judges"]} == {"scripted": False, "contrary": True}


class PaidJudge(ScriptedJudge):
    """Asks models by turns, for a cent each; two threads may call it."""

    chunks_at_once = 2
    allow_model_change = False

    def __init__(self, models: Sequence[str], budget: float | None = None) -> None:
        super().__init__(is_right, name="paid")
        self.models, self.budget = models, budget
        self.shares: list[tuple[int, float]] = []

    def share(self, world_size: int, spent: float = 0.0) -> None:
        self.shares.append((world_size, spent))

    def note(self) -> str:
        return f"{len(self.judged)} requests"

    def forecast(self, pairs: Any, times: int = 1) -> Forecast:
        calls = times * len(list(pairs))
        return Forecast(judge=self.name, calls=calls, unit="requests", dollars=calls / 100)

    def judge(self, pairs: Any) -> Any:
        for verdict in super().judge(pairs):
            model = self.models[len(self.judged) % len(self.models)]
            yield replace(verdict, cost=0.01, model=model)


def test_cost_and_models_stand_in_the_manifest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judge = PaidJudge(["big-1"], budget=0.80)
    manifest = run(tmp_path / "round-000", judges=[judge]).read_manifest()
    assert manifest is not None
    (entry,) = manifest["judges"]
    assert (entry["models"], entry["cost"]) == ({"big-1": 80}, pytest.approx(0.80))
    assert judge.shares == [(1, 0.0)]
    (forecast,) = manifest["forecast"]
    assert (forecast["calls"], forecast["dollars"]) == (80, 0.8)  # 20 prompts × (3 draws + the reference)
    said = capsys.readouterr().err
    assert "paid: at most 80 requests, $0.80" in said
    assert "paid: 80 requests" in said


def test_budget_that_does_not_cover_the_round_is_refused_before_the_first_call(tmp_path: Path) -> None:
    judge, sampler = PaidJudge(["big-1"], budget=0.79), ScriptedSampler(answer)
    with pytest.raises(InputError, match=r"covers the round, \$0.80 at most \(80 requests\), but it is \$0.79"):
        run(tmp_path / "round-000", sampler, [judge])
    assert (judge.judged, sampler.drawn) == ([], [])


def test_money_spent_before_a_restart_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run(tmp_path / "round-000", judges=[PaidJudge(["big-1"])])
    directory = tmp_path / "round-001"
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "write_part", _dying(Ledger.write_part, 9))
        with pytest.raises(KilledError):
            run(directory, judges=[PaidJudge(["big-1"])], number=1)
    parts = sum(len(pq.read_table(path)) for path in directory.glob("parts/verdicts-paid-*.parquet"))
    assert parts > 0
    judge = PaidJudge(["big-1"], budget=1.60)
    run(directory, judges=[judge], number=1)
    assert judge.shares == [(1, pytest.approx(0.80 + parts / 100))]
    assert len(judge.judged) == 80 - parts


def test_two_models_behind_a_judge_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="one model behind judge paid in a round, but big-1 and big-2 answered"):
        run(tmp_path / "round-000", judges=[PaidJudge(["big-1", "big-2"])])
    allowed = PaidJudge(["big-1", "big-2"])
    allowed.allow_model_change = True
    manifest = run(tmp_path / "allowed", judges=[allowed]).read_manifest()
    assert manifest is not None
    assert set(manifest["judges"][0]["models"]) == {"big-1", "big-2"}


def test_model_that_changed_since_the_last_attempt_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, "compact", _dying(Ledger.compact, 0))
        with pytest.raises(KilledError):
            run(tmp_path / "round-000", judges=[PaidJudge(["big-1"])])
    next((tmp_path / "round-000" / "parts").glob("verdicts-paid-qa-0002.parquet")).unlink()
    with pytest.raises(InputError, match="big-1 and big-2 answered"):
        run(tmp_path / "round-000", judges=[PaidJudge(["big-2"])])


def test_slow_judge_keeps_neither_sampling_nor_the_other_judges_waiting(tmp_path: Path) -> None:
    """The slow judge waits until everything else is done: a round that took turns would never end."""
    done = threading.Event()
    quick = ScriptedJudge(lambda e, c: float(len(quick.judged) == 80 and done.set() is None), name="quick")

    def wait(example: Example, candidate: Candidate) -> float:
        assert done.wait(10)
        return 0.5

    manifest = run(tmp_path / "round-000", judges=[ScriptedJudge(wait, name="slow"), quick]).read_manifest()
    assert manifest is not None
    assert manifest["counts"]["verdicts"] == 120  # references are not counted
    assert {entry["name"] for entry in manifest["judges"]} == {"slow", "quick"}
