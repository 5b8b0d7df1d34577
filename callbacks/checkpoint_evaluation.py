"""Scores the weights at the end of every stage, and those that ``python -m reset_pl test`` names."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import lightning as L

from callbacks.live import log_numbers, numbers_of_stage
from callbacks.stage_end import AtStageEnd, run_root
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.data.encoding import load_tokenizer
from reset_pl.errors import InputError
from reset_pl.evaluation.results import Stage, read_stages
from reset_pl.evaluation.suite import EvaluationSettings, evaluate, is_evaluated
from reset_pl.evaluation.table import format_table, print_tables
from reset_pl.evaluation.targets import Target, check_vocabulary
from reset_pl.interruption import catch_signals
from reset_pl.policy.fingerprint import policy_fingerprint
from reset_pl.policy.restore import read_model, read_states, read_weights, restore_weights
from reset_pl.progress import say
from reset_pl.provenance import commit
from reset_pl.records import Example, Judge
from reset_pl.rounds.ranks import Ranks
from reset_pl.sampling.decoding import Sampler
from reset_pl.tuning.sft import SFT


class CheckpointEvaluation(AtStageEnd):
    """Evaluates the start and the end of every stage on the test sets, once each, and prints the table.

    Put it before ``ResetRounds`` in the list of callbacks: a stage is evaluated before the round that follows it.
    ``python -m reset_pl test`` evaluates other weights by the same settings.

    Args:
        sampler: Answers the test prompts, greedily.
        judges: Give the scores; the same classes as in a round.
        held_out_judges: Reported in columns of their own and never used for selection.
        evaluate_start: Whether the untouched model is evaluated too.
        max_new_tokens: Length limit of an answer (paper: 480).
    """

    def __init__(
        self,
        sampler: Sampler,
        judges: list[Judge],
        held_out_judges: list[Judge] | None = None,
        evaluate_start: bool = True,
        max_new_tokens: int = 480,
    ) -> None:
        if not judges:
            raise InputError("expected at least one judge in CheckpointEvaluation.judges, but got none")
        self.sampler = sampler
        self.judges = judges
        self.held_out_judges = held_out_judges or []
        self.evaluate_start = evaluate_start
        self.max_new_tokens = max_new_tokens
        self.targets: Sequence[Target] = ()
        self.limit: int | None = None
        self.evaluated: list[str] = []

    # ------------------------------------------------------------------ in a fit

    def at_stage_end(self, trainer: L.Trainer, module: SFT) -> None:
        """Evaluate the stage, unless that has been done."""
        is_wanted = module.global_step > 0 or self.evaluate_start
        if not is_wanted or (run_root(trainer) / "evaluation" / f"{module.stage}.json").exists():
            return
        examples = _data(trainer).examples("test")
        if examples:
            self._evaluate(trainer, module, self._settings(trainer, module, module.stage, module.global_step), examples)
            if trainer.is_global_zero:
                print_tables(run_root(trainer))

    # ------------------------------------------------------------------ in a test

    def on_test_start(self, trainer: L.Trainer, pl_module: SFT) -> None:  # type: ignore[override]
        """Evaluate the targets, one after another in the same module; what has been evaluated is passed over.

        Raises:
            InputError: A target is of another model, or its name is taken by other weights.
            Interrupted: The process was asked to stop; what has been answered and judged is kept.
        """
        catch_signals()  # Lightning has taken SIGTERM
        examples = {name: rows[: self.limit] for name, rows in _data(trainer).examples("test").items()}
        if not examples:
            raise InputError("expected at least one test set in --data.test, but got none")
        judges: dict[str, Any] = {"judges": self.judges, "held_out_judges": self.held_out_judges}
        for number, target in enumerate(self.targets, start=1):
            step = _restore(trainer, pl_module, target)
            settings = self._settings(trainer, pl_module, target.name, step)
            is_done = is_evaluated(run_root(trainer) / "evaluation", settings, examples=examples, **judges)
            if trainer.is_global_zero:
                say(f"{target.name} ({number} of {len(self.targets)})" + (": has been evaluated" if is_done else ""))
            if not is_done:
                self._evaluate(trainer, pl_module, settings, examples)
                self.evaluated.append(target.name)
        if trainer.is_global_zero:
            print(format_table(read_stages(run_root(trainer))), end="", flush=True)  # noqa: T201

    # ------------------------------------------------------------------ an evaluation

    def _settings(self, trainer: L.Trainer, module: SFT, stage: str, step: int | None) -> EvaluationSettings:
        return EvaluationSettings(
            stage=stage,
            step=step,
            policy=policy_fingerprint(module.policy),
            commit=commit(),
            seen=_data(trainer).seen,
            max_new_tokens=self.max_new_tokens,
            encoding=_data(trainer).encoder.fingerprint,
        )

    def _evaluate(
        self,
        trainer: L.Trainer,
        module: SFT,
        settings: EvaluationSettings,
        examples: Mapping[str, Sequence[Example]],
    ) -> None:
        encoder = _data(trainer).encoder
        path = evaluate(
            run_root(trainer) / "evaluation",
            settings,
            examples=examples,
            opened=partial(_opened, self.sampler, module.policy, encoder),
            judges=self.judges,
            held_out_judges=self.held_out_judges,
            ranks=ranks_of(trainer),
            count_tokens=encoder.num_tokens,
        )
        if trainer.is_global_zero:
            log_numbers(trainer, numbers_of_stage(Stage.from_json(json.loads(path.read_text()))), settings.step or 0)


@contextmanager
def _opened(sampler: Sampler, policy: Any, encoder: Any) -> Iterator[Sampler]:
    sampler.open(policy, encoder)
    try:
        yield sampler
    finally:
        sampler.close()


def _restore(trainer: L.Trainer, module: SFT, target: Target) -> int | None:
    """Put a target's weights into the module; returns their optimizer step, where that is known."""
    if target.path is None:
        return 0
    device = trainer.strategy.root_device
    if target.is_checkpoint:
        step: int = read_states(Path(target.path))["global_step"]
        restore_weights(module, partial(read_weights, Path(target.path)), device=device)
        return step
    if module.lora is not None:
        raise InputError(
            f"expected --model.lora null with the whole weights of --ckpt_path {target.path}, but got adapters"
        )
    option = "--ckpt_path"
    restore_weights(module, partial(read_model, target.path, module.dtype_name, option=option), device=device)
    _check_tokenizer(trainer, target.path)
    return None


def _check_tokenizer(trainer: L.Trainer, path: str) -> None:
    """Weights without a tokenizer beside them are taken for those of the configured one."""
    try:
        tokenizer = load_tokenizer(path)
    except InputError:
        return
    check_vocabulary(path, tokenizer.get_vocab(), _data(trainer).encoder.tokenizer.get_vocab())


def ranks_of(trainer: L.Trainer) -> Ranks:
    """This process among the trainer's."""
    return Ranks(
        rank=trainer.global_rank,
        world_size=trainer.world_size,
        barrier=trainer.strategy.barrier,
        anyone=partial(trainer.strategy.reduce_boolean_decision, all=False),
    )


def _data(trainer: L.Trainer) -> ResetDataModule:
    return trainer.datamodule  # type: ignore[attr-defined]
