"""How much a fit has to do: stages of training, rounds, evaluations."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from reset_pl.configured import Fit
from reset_pl.data.batching import ResumableLoader
from reset_pl.data.encoding import Encoder
from reset_pl.judging.forecast import Forecast
from reset_pl.planning.hardware import Hardware
from reset_pl.records import Example
from reset_pl.rounds.outlook import forecast_round
from reset_pl.rounds.prompts import Chunk, RoundSettings, draw_prompts, make_chunks
from reset_pl.sampling.decoding import GreedyPlan

_LOOKED_AT = 256
"""Prompts from which the length of a curated row is estimated."""
_LIGHTNINGS_EPOCHS = 1000
"""What the trainer runs without ``max_epochs`` and ``max_steps``."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A stage of training."""

    name: str
    epochs: int
    steps: int
    """Optimizer steps of all epochs."""
    rows: int
    """Rows read in all epochs."""
    tokens: int
    """Tokens of these rows."""
    is_exact: bool
    """Whether rows and tokens are those of the encoded data; else rows are at most so many, and tokens about."""


@dataclass(frozen=True, kw_only=True)
class RoundWork:
    """A RESET round."""

    number: int
    prompts: int
    candidates: int
    tokens: int
    """To generate, at most."""
    forecasts: list[Forecast]
    """What its judges are asked, at most."""


@dataclass(frozen=True, kw_only=True)
class EvaluationWork:
    """All evaluations together."""

    times: int
    """Stages that are evaluated, the start included."""
    answers: int
    """Of each."""
    tokens: int
    """To generate in all of them, at most."""
    forecasts: list[Forecast]
    """What the judges are asked each time, at most."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """Which stages there are."""

    epochs: int
    """Epochs before the first round."""
    rounds: int
    """Rounds, each with a stage behind it."""

    @property
    def stages(self) -> int:
        """Stages of training."""
        return (self.epochs > 0) + self.rounds


def course_of(fit: Fit) -> Course:
    """The stages that a fit will have."""
    trainer, rounds = fit.settings.trainer, fit.callback("ResetRounds")
    epochs = trainer.max_epochs
    if epochs is None:
        epochs = _LIGHTNINGS_EPOCHS
    return Course(epochs=int(epochs), rounds=rounds.rounds if rounds else 0)


def most_candidates(fit: Fit) -> int:
    """Candidates of all rounds, if every training set has as many prompts as are wanted; no data is read."""
    rounds = fit.callback("ResetRounds")
    if rounds is None:
        return 0
    axes = sorted(map(len, rounds.plan.axes.values()), reverse=True)
    prompts = rounds.rounds * rounds.prompts_per_dataset * len(fit.data.train_sources)
    return prompts * sum(axes[: rounds.plan.procedures])


# ---------------------------------------------------------------------- rounds


def rounds_of(fit: Fit) -> list[RoundWork]:
    """The rounds, with the very prompts that they will draw.

    Raises:
        InputError: The data cannot be read.
    """
    rounds = fit.callback("ResetRounds")
    return [_round_work(fit, rounds, number) for number in range(rounds.rounds)] if rounds else []


def _round_work(fit: Fit, rounds: Any, number: int) -> RoundWork:
    prompts = drawn_prompts(fit, number)
    plan = rounds.plan.bind(round=number, seed=_seed(fit, rounds))
    limits = [draw.decoding.max_new_tokens for example in prompts for draw in plan.draws(example)]
    chunks = make_chunks(prompts, rounds.chunk_size)
    judges = [*rounds.judges, *rounds.held_out_judges]
    return RoundWork(
        number=number,
        prompts=len(prompts),
        candidates=len(limits),
        tokens=sum(limits),
        forecasts=forecast_round(
            {judge.name: chunks for judge in judges}, judges, plan, references=rounds.judge_references
        ),
    )


def drawn_prompts(fit: Fit, number: int) -> list[Example]:
    """The prompts of a round."""
    rounds = fit.callback("ResetRounds")
    settings = RoundSettings(
        number=number,
        seed=_seed(fit, rounds),
        prompts_per_dataset=rounds.prompts_per_dataset,
        chunk_size=rounds.chunk_size,
        judge_references=rounds.judge_references,
        policy="",
    )
    return draw_prompts(fit.data.examples("train"), settings)


def _seed(fit: Fit, rounds: Any) -> int:
    return int(fit.settings.seed_everything) if rounds.seed is None else rounds.seed


# ---------------------------------------------------------------------- stages


def stages_of(fit: Fit, hardware: Hardware) -> list[Stage]:
    """The stages; the first from the encoded data, which are encoded where they have not been.

    Raises:
        InputError: The data cannot be read, or the batch is too small for the processes.
    """
    course = course_of(fit)
    first = [_first_stage(fit, hardware, course)] if course.epochs else []
    return [*first, *_curated_stages(fit, hardware)]


def _first_stage(fit: Fit, hardware: Hardware, course: Course) -> Stage:
    data, trainer = fit.data, fit.settings.trainer
    accumulate = int(trainer.accumulate_grad_batches)
    # What the loader asks of a trainer; the real one would want the devices.
    data.trainer = SimpleNamespace(  # type: ignore[assignment]
        global_rank=0,
        world_size=hardware.processes,
        accumulate_grad_batches=accumulate,
        reload_dataloaders_every_n_epochs=1,
        current_epoch=0,
        max_epochs=course.epochs,
        strategy=SimpleNamespace(handles_gradient_accumulation=hardware.zero_stage > 0),
    )
    try:
        loader = data.train_dataloader()
    finally:
        data.trainer = None
    assert isinstance(loader, ResumableLoader)
    sampler = loader.batch_sampler
    steps = -(-_limited(len(sampler), trainer.limit_train_batches) // accumulate)
    total = steps * course.epochs
    if int(trainer.max_steps) != -1:
        total = min(total, int(trainer.max_steps))
    rows = min(steps * data.batch_size, len(sampler.order))
    tokens = int(np.asarray(sampler.lengths)[sampler.order[:rows]].sum())
    share = total / max(steps, 1)
    return Stage(
        name=_stage_name(fit.settings.model.class_path),
        epochs=course.epochs,
        steps=total,
        rows=round(rows * share),
        tokens=round(tokens * share),
        is_exact=total == steps,
    )


def _limited(batches: int, limit: float | None) -> int:
    """Batches of an epoch under Lightning's ``limit_train_batches``, a number or a share."""
    if limit is None:
        return batches
    return min(int(limit), batches) if isinstance(limit, int) else int(batches * limit)


def _stage_name(class_path: str) -> str:
    module, _, name = class_path.rpartition(".")
    return str(getattr(importlib.import_module(module), name).stage_name)


def _curated_stages(fit: Fit, hardware: Hardware) -> list[Stage]:
    rounds = fit.callback("ResetRounds")
    stages: list[Stage] = []
    rows = 0
    for number in range(rounds.rounds if rounds else 0):
        prompts = drawn_prompts(fit, number)
        chosen = len(prompts) * getattr(rounds.selector, "k", 1)
        rows = rows + chosen if rounds.accumulate else chosen
        whole, rest = divmod(rows, fit.data.batch_size)
        length = _mean_length(fit.data.encoder, prompts, rounds.plan.max_new_tokens)
        stages.append(
            Stage(
                name=f"round-{number:03d}",
                epochs=1,
                steps=whole + (rest >= hardware.processes),
                rows=rows,
                tokens=round(rows * length),
                is_exact=False,
            )
        )
    return stages


def _mean_length(encoder: Encoder, prompts: Sequence[Example], max_new_tokens: int) -> float:
    """Tokens of a row, with an answer as long as the example's response, or as long as it may be."""
    looked_at = prompts[:: max(len(prompts) // _LOOKED_AT, 1)]
    lengths = [
        len(encoder.prompt_ids(example, max_new_tokens))
        + (max_new_tokens if example.response is None else len(encoder.response_ids(example.response)))
        for example in looked_at
    ]
    return float(np.mean(lengths)) if lengths else 0.0


# ---------------------------------------------------------------------- evaluations


def evaluations_of(fit: Fit) -> EvaluationWork | None:
    """The evaluations, if the fit has any.

    Raises:
        InputError: The data cannot be read.
    """
    evaluation = fit.callback("CheckpointEvaluation")
    examples = [example for rows in fit.data.examples("test").values() for example in rows] if evaluation else []
    if not examples:
        return None
    judges = [*evaluation.judges, *evaluation.held_out_judges]
    plan = GreedyPlan(evaluation.max_new_tokens)
    chunk = Chunk(name="test", examples=tuple(examples))
    times = course_of(fit).stages + evaluation.evaluate_start
    return EvaluationWork(
        times=times,
        answers=len(examples),
        tokens=times * len(examples) * evaluation.max_new_tokens,
        forecasts=forecast_round({judge.name: [chunk] for judge in judges}, judges, plan, references=False),
    )
