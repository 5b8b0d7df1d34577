"""One RESET round (paper, section 5.1, Figure 8): draw prompts, sample, judge, select, append."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from reset_pl.errors import InputError
from reset_pl.progress import Progress, say
from reset_pl.records import Candidate, Decoding, Example, Judge
from reset_pl.rounds.decision import Decisions
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.prompts import Chunk, RoundSettings, draw_prompts, make_chunks
from reset_pl.rounds.selection import REFERENCE, Selector
from reset_pl.rounds.statistics import undecided
from reset_pl.rounds.tables import (
    candidate_from_row,
    candidate_row,
    prompt_row,
    selected_row,
    verdict_from_row,
    verdict_row,
)
from reset_pl.sampling.decoding import BoundPlan, DecodingPlan, Sampler


@dataclass(frozen=True, kw_only=True)
class Ranks:
    """This process among those that share a round."""

    rank: int = 0
    """Number of this process."""
    world_size: int = 1
    """Number of processes."""
    barrier: Callable[[], None] = field(default=lambda: None)
    """Waits for all of them."""


def run_round(
    directory: Path,
    settings: RoundSettings,
    *,
    pools: Mapping[str, Sequence[Example]],
    plan: DecodingPlan,
    sampler: Sampler,
    judges: Sequence[Judge],
    selector: Selector,
    ranks: Ranks | None = None,
) -> Ledger:
    """Carry a round to its end, from wherever its ledger says it stands.

    Each rank samples and judges its chunks; judging runs beside sampling. Then rank 0 selects and compacts.

    Args:
        directory: The round's folder.
        settings: Number, seed and sizes.
        pools: Data set → the training examples that prompts are drawn from.
        plan: What is drawn for each prompt.
        sampler: Draws it; holds the policy already.
        judges: Rate the candidates.
        selector: Chooses one a prompt.
        ranks: This process among several; alone when not given.

    Returns:
        The finished ledger.

    Raises:
        InputError: The ledger belongs to other weights, or nothing could be selected.
    """
    ranks = ranks or Ranks()
    ledger = Ledger(directory)
    if ledger.complete:
        return ledger
    prompts = draw_prompts(pools, settings)
    chunks = make_chunks(prompts, settings.chunk_size)
    started = time.monotonic()
    if ranks.rank == 0:
        _begin(ledger, settings, judges, prompts)
    ranks.barrier()
    worker = _Worker(ledger, settings, plan.bind(round=settings.number, seed=settings.seed), sampler, judges)
    seconds = worker.run([chunk for k, chunk in enumerate(chunks) if k % ranks.world_size == ranks.rank])
    ranks.barrier()
    if ranks.rank == 0:
        _finish(ledger, chunks, judges, selector, seconds, started)
    ranks.barrier()
    return ledger


def _begin(ledger: Ledger, settings: RoundSettings, judges: Sequence[Judge], prompts: Sequence[Example]) -> None:
    manifest = ledger.read_manifest()
    if manifest is None:
        ledger.write_manifest(
            {
                "round": settings.number,
                "status": "running",
                "policy": settings.policy,
                "seed": settings.seed,
                "judges": [{"name": j.name, "version": j.version, "aspect": str(j.aspect)} for j in judges],
            }
        )
        ledger.write_table([prompt_row(example) for example in prompts], "prompts")
    elif manifest["policy"] != settings.policy:
        raise InputError(
            f"{ledger.directory} was begun with the policy {manifest['policy']}, but the weights now are "
            f"{settings.policy}: go on from the checkpoint that began the round, or start in a new run directory"
        )


class _Worker:
    """One rank's share of a round: sample a chunk, commit it, judge it in the background, commit that."""

    def __init__(
        self, ledger: Ledger, settings: RoundSettings, plan: BoundPlan, sampler: Sampler, judges: Sequence[Judge]
    ) -> None:
        self.ledger, self.settings, self.plan, self.sampler, self.judges = ledger, settings, plan, sampler, judges
        self.seconds = {"sample": 0.0, "judge": 0.0}

    def run(self, chunks: Sequence[Chunk]) -> dict[str, float]:
        """Do what the ledger lacks of these chunks; returns the seconds spent sampling and judging."""
        total = sum(len(chunk.examples) for chunk in chunks)
        label = f"round {self.settings.number}"
        with (
            ThreadPoolExecutor(max_workers=1, thread_name_prefix="judges") as background,
            Progress(total, f"{label} sampling", "prompts") as sampled,
            Progress(total, f"{label} judging", "prompts") as judged,
        ):
            pending: list[Future[None]] = []
            for chunk in chunks:
                candidates = self._sample(chunk)
                sampled.advance(len(chunk.examples))
                pending.append(background.submit(self._judge, chunk, candidates, judged))
                _raise_failures(pending)
            for future in pending:
                future.result()
        return self.seconds

    def _sample(self, chunk: Chunk) -> list[Candidate]:
        rows = self.ledger.read_part("candidates", chunk.name)
        if rows is not None:
            return [candidate_from_row(row) for row in rows]
        started = time.monotonic()
        candidates = list(self.sampler.sample(chunk.examples, self.plan))
        if self.settings.judge_references:
            candidates += [c for c in map(self._reference, chunk.examples) if c is not None]
        candidates.sort(key=lambda candidate: candidate.id)
        dataset = chunk.examples[0].dataset
        self.ledger.write_part([candidate_row(c, dataset) for c in candidates], "candidates", chunk.name)
        self.seconds["sample"] += time.monotonic() - started
        return candidates

    def _reference(self, example: Example) -> Candidate | None:
        if example.response is None:
            return None
        return Candidate(
            id=f"{self.settings.number}/{example.id}/{REFERENCE}/0",
            example_id=example.id,
            round=self.settings.number,
            procedure=REFERENCE,
            decoding=Decoding(temperature=0.0, label=REFERENCE),
            text=example.response,
            token_ids=(),
            finish_reason="stop",
            seed=0,
        )

    def _judge(self, chunk: Chunk, candidates: Sequence[Candidate], progress: Progress) -> None:
        examples = {example.id: example for example in chunk.examples}
        pairs = [(examples[candidate.example_id], candidate) for candidate in candidates]
        started = time.monotonic()
        for judge in self.judges:
            if not self.ledger.part_path("verdicts", chunk.name, judge.name).exists():
                rows = sorted((verdict_row(v) for v in judge.judge(pairs)), key=lambda row: row["candidate_id"])
                self.ledger.write_part(rows, "verdicts", chunk.name, judge.name)
        self.seconds["judge"] += time.monotonic() - started
        progress.advance(len(chunk.examples))


def _raise_failures(pending: list[Future[None]]) -> None:
    """Raise what a finished judgement raised, at once and not after the last chunk."""
    for future in [f for f in pending if f.done()]:
        future.result()
        pending.remove(future)


def _finish(
    ledger: Ledger,
    chunks: Sequence[Chunk],
    judges: Sequence[Judge],
    selector: Selector,
    seconds: dict[str, float],
    started: float,
) -> None:
    """Select from the whole ledger, write its four tables, and turn the manifest to complete."""
    selecting = time.monotonic()
    candidate_rows = [row for chunk in chunks for row in ledger.read_part("candidates", chunk.name) or ()]
    verdict_rows = [
        row
        for chunk in chunks
        for judge in judges
        for row in ledger.read_part("verdicts", chunk.name, judge.name) or ()
    ]
    examples = {example.id: example for chunk in chunks for example in chunk.examples}
    decisions = Decisions(selector)
    selections = decisions.add(
        list(examples.values()), map(candidate_from_row, candidate_rows), map(verdict_from_row, verdict_rows)
    )
    statistics = decisions.statistics()
    kept = [selection for selection in selections if selection.text is not None]
    ledger.write_table(candidate_rows, "candidates")
    ledger.write_table(verdict_rows, "verdicts")
    if not kept:
        raise InputError(f"{ledger.directory}: {_kept_nothing(statistics['left_out'], len(examples))}")
    warning = undecided(statistics["mean_score_per_dataset"], statistics["rates_per_dataset"])
    if warning:
        say(f"round {candidate_rows[0]['round']}: {warning}")
    ledger.write_table([selected_row(s, examples[s.example_id].dataset) for s in kept], "selected")
    spent = {**seconds, "select": time.monotonic() - selecting}
    spent["other"] = max(time.monotonic() - started - max(spent["sample"], spent["judge"]) - spent["select"], 0.0)
    manifest = ledger.read_manifest() or {}
    ledger.write_manifest(
        {**manifest, "status": "complete", **statistics, "seconds": {"start": 0.0, **spent, "tune": None}}
    )
    shutil.rmtree(ledger.parts, ignore_errors=True)


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
