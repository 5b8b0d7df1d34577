"""Scores the weights at the end of every stage."""

from __future__ import annotations

from functools import partial

import lightning as L

from callbacks.stage_end import AtStageEnd, run_root
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.errors import InputError
from reset_pl.evaluation.suite import EvaluationSettings, evaluate
from reset_pl.evaluation.table import print_tables
from reset_pl.policy.fingerprint import policy_fingerprint
from reset_pl.provenance import commit
from reset_pl.records import Judge
from reset_pl.rounds.ranks import Ranks
from reset_pl.sampling.decoding import Sampler
from reset_pl.tuning.sft import SFT


class CheckpointEvaluation(AtStageEnd):
    """Evaluates the start and the end of every stage on the test sets, once each, and prints the table.

    Put it before ``ResetRounds`` in the list of callbacks: a stage is evaluated before the round that follows it.

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

    def at_stage_end(self, trainer: L.Trainer, module: SFT) -> None:
        """Evaluate the stage, unless that has been done."""
        directory = run_root(trainer) / "evaluation"
        data: ResetDataModule = trainer.datamodule  # type: ignore[attr-defined]
        examples = data.examples("test")
        is_wanted = module.global_step > 0 or self.evaluate_start
        if not is_wanted or not examples or (directory / f"{module.stage}.json").exists():
            return
        settings = EvaluationSettings(
            stage=module.stage,
            step=module.global_step,
            policy=policy_fingerprint(module.policy),
            commit=commit(),
            seen=data.seen,
            max_new_tokens=self.max_new_tokens,
        )
        self.sampler.open(module.policy, data.encoder)
        try:
            evaluate(
                directory,
                settings,
                examples=examples,
                sampler=self.sampler,
                judges=self.judges,
                held_out_judges=self.held_out_judges,
                ranks=ranks_of(trainer),
                count_tokens=data.encoder.num_tokens,
            )
        finally:
            self.sampler.close()
        if trainer.is_global_zero:
            print_tables(run_root(trainer))


def ranks_of(trainer: L.Trainer) -> Ranks:
    """This process among the trainer's."""
    return Ranks(
        rank=trainer.global_rank,
        world_size=trainer.world_size,
        barrier=trainer.strategy.barrier,
        anyone=partial(trainer.strategy.reduce_boolean_decision, all=False),
    )
