"""One RESET round (paper, section 5.1, Figure 8): draw prompts, sample, judge, select, append."""

from __future__ import annotations

import shutil
import time
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from reset_pl.errors import InputError
from reset_pl.judging.remote import RemoteJudge
from reset_pl.progress import say
from reset_pl.records import Example, Judge
from reset_pl.rounds.decision import Decisions
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.outlook import check_budget, describe, forecast_round
from reset_pl.rounds.prompts import Chunk, RoundSettings, draw_prompts, make_chunks
from reset_pl.rounds.ranks import Ranks, leaving_together, wait_until
from reset_pl.rounds.selection import Selector
from reset_pl.rounds.statistics import undecided
from reset_pl.rounds.tables import candidate_from_row, prompt_row, selected_row, verdict_from_row
from reset_pl.rounds.work import Worker, check_models
from reset_pl.sampling.decoding import BoundPlan, DecodingPlan, Sampler


def run_round(
    directory: Path,
    settings: RoundSettings,
    *,
    pools: Mapping[str, Sequence[Example]],
    plan: DecodingPlan,
    sampler: Sampler,
    judges: Sequence[Judge],
    selector: Selector,
    held_out_judges: Sequence[Judge] = (),
    ranks: Ranks | None = None,
    start_seconds: float = 0.0,
) -> Ledger:
    """Carry a round to its end, from wherever its ledger says it stands.

    Each rank samples and judges its chunks; judging runs beside sampling. Then rank 0 selects and compacts, once the
    ledger holds what the others have done.

    Args:
        directory: The round's folder.
        settings: Number, seed and sizes.
        pools: Data set → the training examples that prompts are drawn from.
        plan: What is drawn for each prompt.
        sampler: Draws it; holds the policy already.
        judges: Rate the candidates.
        selector: Chooses one a prompt.
        held_out_judges: Rate the candidates too; their verdicts are kept, and never reach the selector.
        ranks: This process among several; alone when not given.
        start_seconds: What it took the sampler to take the policy, for the manifest.

    Returns:
        The finished ledger.

    Raises:
        InputError: The ledger belongs to other weights, a budget does not cover the round, a judge cannot go on, or
            nothing could be selected.
        Interrupted: The process, or another rank, was asked to stop; every chunk begun has been committed.
    """
    ranks = ranks or Ranks()
    ledger = Ledger(directory)
    if ledger.complete:
        return ledger
    started = time.monotonic()
    prompts = draw_prompts(pools, settings)
    chunks = make_chunks(prompts, settings.chunk_size)
    everyone = _Judges(judges, held_out_judges)
    bound = plan.bind(round=settings.number, seed=settings.seed)
    spent = {judge.name: _spent(ledger, judge) for judge in everyone.all}
    if ranks.rank == 0:
        _begin(ledger, settings, everyone, prompts)
        _say_what_is_left(ledger, settings, everyone, chunks, bound, spent)
        ledger.forget_stops()
    ranks.barrier()
    with leaving_together(ledger, ranks):
        for judge in everyone.all:
            if isinstance(judge, RemoteJudge):
                judge.share(ranks.world_size, spent[judge.name])
        worker = Worker(ledger, settings, bound, sampler, everyone.all)
        worker.run(ranks.own(chunks))
        if ranks.rank == 0:
            expected = {path.name for judge in everyone.all for path in _verdict_parts(ledger, chunks, judge)}
            with worker.busy:  # the others are
                wait_until(lambda: expected <= {path.name for path in ledger.parts.glob("verdicts-*.parquet")}, ledger)
            _finish(ledger, chunks, everyone, selector, worker, started, start_seconds)
        else:
            wait_until(lambda: ledger.complete, ledger)
    return ledger


class _Judges:
    """The judges of a round: those that selection listens to, and those held out."""

    def __init__(self, judges: Sequence[Judge], held_out: Sequence[Judge]) -> None:
        self.all = [*judges, *held_out]
        self.held_out = frozenset(judge.name for judge in held_out)

    def entry(self, judge: Judge) -> dict[str, Any]:
        """What the manifest says of a judge."""
        return {
            "name": judge.name,
            "version": judge.version,
            "aspect": str(judge.aspect),
            "held_out": judge.name in self.held_out,
        }


def _verdict_parts(ledger: Ledger, chunks: Sequence[Chunk], judge: Judge) -> list[Path]:
    return [ledger.part_path("verdicts", chunk.name, judge.name) for chunk in chunks]


# ---------------------------------------------------------------------- beginning


def _begin(ledger: Ledger, settings: RoundSettings, judges: _Judges, prompts: Sequence[Example]) -> None:
    manifest = ledger.read_manifest()
    if manifest is None:
        ledger.write_manifest(
            {
                "round": settings.number,
                "status": "running",
                "policy": settings.policy,
                "seed": settings.seed,
                "judges": [judges.entry(judge) for judge in judges.all],
            }
        )
    elif manifest["policy"] != settings.policy:
        raise InputError(
            f"{ledger.directory} was begun with the policy {manifest['policy']}, but the weights now are "
            f"{settings.policy}: go on from the checkpoint that began the round, or start in a new run directory"
        )
    if not (ledger.directory / "prompts.parquet").exists():  # an attempt may have ended right after the manifest
        ledger.write_table([prompt_row(example) for example in prompts], "prompts")


def _say_what_is_left(
    ledger: Ledger,
    settings: RoundSettings,
    judges: _Judges,
    chunks: Sequence[Chunk],
    plan: BoundPlan,
    spent: Mapping[str, float],
) -> None:
    """The judges' forecast for what the ledger lacks: on the screen, and on a first start in the manifest."""
    left = {
        judge.name: [
            chunk
            for chunk, part in zip(chunks, _verdict_parts(ledger, chunks, judge), strict=True)
            if not part.exists()
        ]
        for judge in judges.all
    }
    forecasts = forecast_round(left, judges.all, plan, references=settings.judge_references)
    for forecast in forecasts:
        say(f"round {settings.number}: {describe(forecast)}")
        judge = next(judge for judge in judges.all if judge.name == forecast.judge)
        fewer = "draw fewer prompts (--trainer.callbacks.prompts_per_dataset)"
        check_budget(forecast, judge, spent[judge.name], work="round", cut=fewer)
    manifest = ledger.read_manifest() or {}
    if "forecast" not in manifest:
        ledger.write_manifest({**manifest, "forecast": [asdict(forecast) for forecast in forecasts]})


def _spent(ledger: Ledger, judge: Judge) -> float:
    """Dollars that the run's ledgers say were spent on a judge, so that a restart does not begin a budget anew."""
    if not isinstance(judge, RemoteJudge):
        return 0.0
    tables = [*ledger.directory.parent.glob("round-*/verdicts.parquet"), *ledger.parts.glob(f"verdicts-{judge.name}-*")]
    total = 0.0
    for path in tables:
        table = pq.read_table(path, columns=["judge", "cost"])
        total += sum(c for name, c in zip(*(column.to_pylist() for column in table), strict=True) if name == judge.name)
    return total


# ---------------------------------------------------------------------- the end


def _finish(
    ledger: Ledger,
    chunks: Sequence[Chunk],
    judges: _Judges,
    selector: Selector,
    worker: Worker,
    started: float,
    start_seconds: float,
) -> None:
    """Select chunk by chunk, write the round's tables, and turn the manifest to complete."""
    selecting = time.monotonic()
    decisions = Decisions(selector, judges.held_out)
    replies = _Replies()
    selected = []
    for chunk in chunks:
        datasets = {example.id: example.dataset for example in chunk.examples}
        candidates = ledger.read_part("candidates", chunk.name) or []
        verdicts = [row for judge in judges.all for row in ledger.read_part("verdicts", chunk.name, judge.name) or ()]
        replies.add(verdicts)
        selections = decisions.add(chunk.examples, map(candidate_from_row, candidates), map(verdict_from_row, verdicts))
        selected += [selected_row(s, datasets[s.example_id]) for s in selections if s.text is not None]
    for judge in judges.all:
        check_models(judge, set(replies.models[judge.name]), ledger)
    ledger.compact("candidates", [ledger.part_path("candidates", chunk.name) for chunk in chunks])
    ledger.compact("verdicts", [ledger.part_path("verdicts", c.name, j.name) for c in chunks for j in judges.all])
    statistics = decisions.statistics()
    if not selected:
        prompts = sum(len(chunk.examples) for chunk in chunks)
        raise InputError(f"{ledger.directory}: {_kept_nothing(statistics['left_out'], prompts)}")
    manifest = ledger.read_manifest() or {}
    warning = undecided(statistics["mean_score_per_dataset"], statistics["rates_per_dataset"])
    if warning:
        say(f"round {manifest['round']}: {warning}")
    ledger.write_table(selected, "selected")
    entries = [{**judges.entry(j), **replies.of(j), "seconds": worker.seconds_of_judges[j.name]} for j in judges.all]
    spent = {**worker.seconds, "select": time.monotonic() - selecting}
    spent["other"] = max(time.monotonic() - started - worker.busy.seconds - spent["select"], 0.0)
    ledger.write_manifest(
        {
            **manifest,
            "status": "complete",
            "judges": entries,
            **statistics,
            "seconds": {"start": start_seconds, **spent, "tune": None},
        }
    )
    shutil.rmtree(ledger.parts, ignore_errors=True)


class _Replies:
    """Which models answered for each judge, how often, and for how much money."""

    def __init__(self) -> None:
        self.models: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.cost: defaultdict[str, float] = defaultdict(float)

    def add(self, rows: Sequence[dict[str, Any]]) -> None:
        """Count some verdicts."""
        for row in rows:
            self.cost[row["judge"]] += row["cost"] or 0.0
            if row.get("model"):
                self.models[row["judge"]][row["model"]] += 1

    def of(self, judge: Judge) -> dict[str, Any]:
        """What the manifest says."""
        return {"models": dict(self.models[judge.name]), "cost": self.cost[judge.name]}


def _kept_nothing(left_out: Mapping[str, int], prompts: int) -> str:
    """What to do depends on what most prompts were left out for."""
    reasons = ", ".join(f"{reason}: {count}" for reason, count in left_out.items())
    if max(left_out, key=lambda reason: left_out[reason], default="") == "none_declined":
        advice = (
            "no candidate said that the passages do not answer the question, and of unanswerable questions nothing "
            "else is kept; teach the model to say so in an epoch with targets first (--trainer.max_epochs 1)"
        )
    else:
        advice = "look into candidates.parquet and verdicts.parquet there, mend the judges or max_new_tokens"
    return (
        f"the round kept nothing of {prompts} prompts ({reasons}), so nothing is left to tune on: {advice}, and start "
        "in a new run directory"
    )
