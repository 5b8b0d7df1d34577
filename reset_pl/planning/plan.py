"""``fit --dry_run``: the plan of a fit, without training."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from reset_pl.checkpoints import newest_checkpoint
from reset_pl.configured import Fit, load_fit
from reset_pl.evaluation.numbers import aligned
from reset_pl.judging.forecast import Forecast
from reset_pl.judging.remote import RemoteJudge
from reset_pl.planning.disk import Disk, free_bytes, run_disk
from reset_pl.planning.hardware import Hardware, hardware_of
from reset_pl.planning.memory import Memory, training_memory
from reset_pl.planning.model_size import ModelSize, model_size
from reset_pl.planning.work import (
    EvaluationWork,
    RoundWork,
    Stage,
    course_of,
    evaluations_of,
    most_candidates,
    rounds_of,
    stages_of,
)
from reset_pl.policy.adapters import Lora
from reset_pl.rounds.outlook import describe
from reset_pl.run_directory import check_settings


@dataclass(frozen=True, kw_only=True)
class FitPlan:
    """What a fit will do and take."""

    model: str
    dtype: str
    size: ModelSize
    hardware: Hardware
    memory: Memory
    stages: list[Stage]
    rounds: list[RoundWork]
    evaluations: EvaluationWork | None
    disk: Disk
    run_dir: Path
    over_budget: list[str]
    """A line for each judge whose budget does not cover its work."""


def print_plan(arguments: list[str]) -> int:
    """Print the plan.

    Args:
        arguments: What follows ``fit`` on the command line.

    Returns:
        The exit status.

    Raises:
        InputError: The fit would be refused.
    """
    fit = load_fit(arguments)
    for line in lines_of(plan_of(fit)):
        print(line)  # noqa: T201
    return 0


def plan_of(fit: Fit) -> FitPlan:
    """Work out everything; the data are read, and encoded where they have not been.

    Raises:
        InputError: The fit would be refused.
    """
    run_dir = Path(fit.settings.trainer.default_root_dir)
    check_settings(run_dir, fit.resolved)
    model = fit.settings.model.init_args
    hardware = hardware_of(fit.settings.trainer)
    size = size_of(fit)
    rounds, evaluations = rounds_of(fit), evaluations_of(fit)
    return FitPlan(
        model=model.model,
        dtype=model.dtype,
        size=size,
        hardware=hardware,
        memory=memory_of(fit, hardware, size),
        stages=stages_of(fit, hardware),
        rounds=rounds,
        evaluations=evaluations,
        disk=disk_of(fit, hardware, size),
        run_dir=run_dir,
        over_budget=_over_budget(fit, rounds, evaluations),
    )


def size_of(fit: Fit) -> ModelSize:
    """The model's size.

    Raises:
        InputError: There is no such model.
    """
    model = fit.settings.model.init_args
    return model_size(model.model, lora_of(fit))


def lora_of(fit: Fit) -> Lora | None:
    """The adapters that are configured."""
    settings = fit.settings.model.init_args.get("lora")
    if settings is None or isinstance(settings, Lora):
        return settings
    return Lora(**vars(settings))


def memory_of(fit: Fit, hardware: Hardware, size: ModelSize) -> Memory:
    """The forecast of a device's memory in training."""
    model, trainer, lora = fit.settings.model.init_args, fit.settings.trainer, lora_of(fit)
    is_of_pairs = fit.settings.model.class_path.rpartition(".")[2] == "PreferenceTuning"
    rows = -(-fit.data.batch_size // (hardware.processes * int(trainer.accumulate_grad_batches)))
    return training_memory(
        size,
        hardware,
        dtype=model.dtype,
        quantized=lora is not None and lora.quantize,
        has_reference=is_of_pairs and lora is None,
        activation_checkpointing=model.activation_checkpointing,
        rows=2 * rows if is_of_pairs else rows,
        max_length=fit.data.max_length,
        max_targets=fit.data.max_response_tokens,
    )


def disk_of(fit: Fit, hardware: Hardware, size: ModelSize) -> Disk:
    """The forecast of the run directory."""
    rounds, keeper, stages = fit.callback("ResetRounds"), fit.callback("StageCheckpoint"), course_of(fit).stages
    kept = stages + keeper.best if keeper else 0  # every stage's end, and the best of the first
    return run_disk(
        size,
        dtype=fit.settings.model.init_args.dtype,
        zero_stage=hardware.zero_stage,
        checkpoints=kept + (kept > 0),  # and the newest inside a stage
        exports=stages if fit.callback("ExportPolicy") else 0,
        candidate_tokens=most_candidates(fit) * rounds.plan.max_new_tokens if rounds else 0,
    )


def _over_budget(fit: Fit, rounds: Sequence[RoundWork], evaluations: EvaluationWork | None) -> list[str]:
    """Each callback has judges of its own, with budgets of their own."""
    lines = []
    for name, forecasts, times in (
        ("ResetRounds", [forecast for each in rounds for forecast in each.forecasts], 1),
        ("CheckpointEvaluation", evaluations.forecasts if evaluations else [], evaluations.times if evaluations else 0),
    ):
        dollars: defaultdict[str, float] = defaultdict(float)
        for forecast in forecasts:
            dollars[forecast.judge] += times * forecast.dollars
        callback = fit.callback(name)
        for judge in [*callback.judges, *callback.held_out_judges] if callback else []:
            budget = judge.budget if isinstance(judge, RemoteJudge) else None
            if budget is not None and dollars[judge.name] > budget + 1e-9:
                lines.append(
                    f"{name} may ask {judge.name} for ${dollars[judge.name]:,.2f}, but its budget is ${budget:,.2f}: "
                    "raise its budget, or draw fewer prompts"
                )
    return lines


# ---------------------------------------------------------------------- text


def gigabytes(size: float) -> str:
    """Bytes as a person says them.

    >>> gigabytes(13_476_831_232), gigabytes(3_400_000), gigabytes(1_024)
    ('13.5 GB', '3.4 MB', '1.0 kB')
    """
    unit, name = (1e9, "GB") if size >= 1e9 else (1e6, "MB") if size >= 1e6 else (1e3, "kB")
    return f"{size / unit:.1f} {name}"


def lines_of(plan: FitPlan) -> Iterator[str]:
    """The plan for a terminal."""
    size, memory, disk = plan.size, plan.memory, plan.disk
    trained = "all trained" if size.trained == size.parameters else f"{size.trained:,} trained (adapters)"
    kept = gigabytes(size.layers * size.cache_width * 2)
    yield f"model      {plan.model}: {size.parameters:,} parameters, {trained}, {plan.dtype}"
    yield f"hardware   {plan.hardware}"
    yield (
        f"memory     about {gigabytes(memory.total)} a device in training: weights {gigabytes(memory.weights)}, "
        f"gradients {gigabytes(memory.gradients)}, optimizer {gigabytes(memory.optimizer)}, activations at most "
        f"{gigabytes(memory.activations)}"
    )
    yield f"           sampling on top: the whole weights, and {kept} for every token of the answers under way (16 bit)"
    yield f"directory  {plan.run_dir}{_standing(plan.run_dir)}"
    yield ""
    yield from _stages(plan.stages)
    for each in plan.rounds:
        yield ""
        yield (
            f"round {each.number}: {each.prompts:,} prompts, {each.candidates:,} candidates, "
            f"at most {each.tokens:,} tokens to generate"
        )
        yield from _asked(each.forecasts)
    if plan.evaluations is not None:
        each_time = plan.evaluations
        yield ""
        yield (
            f"evaluation, {each_time.times} ×: {each_time.answers:,} answers, "
            f"at most {each_time.tokens // max(each_time.times, 1):,} tokens to generate"
        )
        yield from _asked(each_time.forecasts)
    yield ""
    yield f"money      at most ${_dollars(plan):,.2f} in all"
    yield from (f"           red: {line}" for line in plan.over_budget)
    yield (
        f"disk       about {gigabytes(disk.total)}: checkpoints {gigabytes(disk.checkpoints)}, exported policies "
        f"{gigabytes(disk.exports)}, ledgers at most {gigabytes(disk.ledgers)}; "
        f"{gigabytes(free_bytes(plan.run_dir))} are free"
    )
    yield "Nothing was trained and no run directory was touched."


def _standing(run_dir: Path) -> str:
    newest = newest_checkpoint(run_dir / "checkpoints")
    return f", would go on from {newest.name}" if newest else ""


def _stages(stages: Sequence[Stage]) -> Iterator[str]:
    if not stages:
        yield "nothing is trained: max_epochs is 0 and there are no rounds"
        return
    rows = [["stage", "epochs", "optimizer steps", "rows", "tokens"]]
    for stage in stages:
        most, about = ("", "") if stage.is_exact else ("at most ", "about ")
        counts = f"{most}{stage.steps:,}", f"{most}{stage.rows:,}", f"{about}{stage.tokens:,}"
        rows.append([stage.name, str(stage.epochs), *counts])
    yield from aligned(rows)


def _asked(forecasts: Sequence[Forecast]) -> Iterator[str]:
    for forecast in forecasts:
        yield f"  {describe(forecast)}"


def _dollars(plan: FitPlan) -> float:
    rounds = sum(forecast.dollars for each in plan.rounds for forecast in each.forecasts)
    if plan.evaluations is None:
        return rounds
    return rounds + plan.evaluations.times * sum(forecast.dollars for forecast in plan.evaluations.forecasts)
