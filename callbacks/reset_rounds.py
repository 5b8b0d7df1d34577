"""When RESET rounds run inside a fit."""

from __future__ import annotations

import os
import time

import lightning as L

from callbacks.checkpoint_evaluation import ranks_of
from callbacks.live import log_numbers, numbers_of_round
from callbacks.stage_end import run_root
from reset_pl.data.curated import CuratedSource
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.errors import InputError
from reset_pl.evaluation.results import Round
from reset_pl.policy.fingerprint import policy_fingerprint
from reset_pl.progress import say
from reset_pl.records import Judge
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.prompts import RoundSettings
from reset_pl.rounds.round import run_round
from reset_pl.rounds.selection import Selector
from reset_pl.rounds.selectors import WeightedSelector
from reset_pl.sampling.decoding import DecodingPlan, Sampler
from reset_pl.tuning.continued import ContinuedTuning


def stage_of_round(number: int) -> str:
    """Name of the stage that tunes on a round's curated set, and of the round's folder.

    >>> stage_of_round(0)
    'round-000'
    """
    return f"round-{number:03d}"


def next_round(stage: str) -> int:
    """The round that follows a stage's end.

    >>> next_round("start"), next_round("mtl"), next_round("round-001")
    (0, 0, 2)
    """
    return int(stage.removeprefix("round-")) + 1 if stage.startswith("round-") else 0


def round_is_due(stage: str, *, finished: bool, first_stage_epochs: int, rounds: int) -> bool:
    """Whether a round comes next.

    It follows from the weights alone, which a checkpoint restores together with their stage: no state of the callback
    could contradict it after a restart.

    Args:
        stage: The stage of the weights, ``start`` before the first step.
        finished: Whether they are those of its end.
        first_stage_epochs: Epochs before the first round; 0 starts with a round.
        rounds: Rounds wanted.

    >>> round_is_due("start", finished=True, first_stage_epochs=1, rounds=2)
    False
    >>> round_is_due("round-000", finished=True, first_stage_epochs=1, rounds=2)
    True
    """
    is_before_first_stage = stage == "start" and first_stage_epochs > 0
    return finished and not is_before_first_stage and next_round(stage) < rounds


class ResetRounds(L.Callback):
    """Runs ``rounds`` RESET rounds: after the first stage, then after each curated epoch.

    ``trainer.max_epochs`` counts the epochs before the first round (0 begins with a round, from a tuned checkpoint);
    each round adds one. The callback keeps no state: which round is due follows from the stage of the weights, and the
    round's ledger says what of it is left to do. So a run that dies in a round goes on from the checkpoint of the
    stage before it (``callbacks.StageCheckpoint``) and repeats nothing.

    Args:
        sampler: Draws the candidates.
        judges: Rate them.
        rounds: Number of rounds (the paper ran one and calls the method iterative).
        prompts_per_dataset: Prompts drawn from each training set (the paper: 2,000; RESET-S: 500).
        plan: What is drawn for each prompt.
        selector: Chooses what is kept of a prompt's candidates.
        chunk_size: Prompts sampled, judged and committed together.
        accumulate: Whether later rounds tune on all curated examples so far, or on the newest only.
        judge_references: Whether the training responses are judged too, for comparison in the report.
        held_out_judges: Rate the candidates too, for comparison; selection never sees their verdicts.
        seed: Of prompts, axes and candidates; the run's ``seed_everything`` when not given.
    """

    def __init__(
        self,
        sampler: Sampler,
        judges: list[Judge],
        rounds: int = 1,
        prompts_per_dataset: int = 2000,
        plan: DecodingPlan | None = None,
        selector: Selector | None = None,
        chunk_size: int = 32,
        accumulate: bool = True,
        judge_references: bool = True,
        held_out_judges: list[Judge] | None = None,
        seed: int | None = None,
    ) -> None:
        if not judges:
            raise InputError("expected at least one judge in ResetRounds.judges, but got none")
        names = [judge.name for judge in [*judges, *(held_out_judges or [])]]
        if len(set(names)) != len(names):
            raise InputError(
                f"expected judges with different names in ResetRounds.judges and held_out_judges, but got {names}"
            )
        for name, value in (
            ("rounds", rounds),
            ("prompts_per_dataset", prompts_per_dataset),
            ("chunk_size", chunk_size),
        ):
            if value < 1:
                raise InputError(f"expected ResetRounds.{name} of at least 1, but got {value}")
        self.sampler = sampler
        self.judges = judges
        self.held_out_judges = held_out_judges or []
        self.rounds = rounds
        self.prompts_per_dataset = prompts_per_dataset
        self.plan = plan or DecodingPlan()
        self.selector = selector or WeightedSelector()
        self.chunk_size = chunk_size
        self.accumulate = accumulate
        self.judge_references = judge_references
        self.seed = seed
        self.first_stage_epochs = 0
        self._appended: int | None = None
        self._stage_began = time.monotonic()

    # ------------------------------------------------------------------ hooks

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Check the surroundings and make room for one epoch a round."""
        if stage != "fit":
            return
        if not isinstance(pl_module, ContinuedTuning) or not isinstance(_data(trainer), ResetDataModule):
            raise InputError(
                "expected ResetRounds with the module ContinuedTuning and the data module ResetDataModule, but got "
                f"{type(pl_module).__name__} and {type(_data(trainer)).__name__}"
            )
        every = trainer.reload_dataloaders_every_n_epochs  # type: ignore[attr-defined]
        if every != 1:
            raise InputError(
                "expected --trainer.reload_dataloaders_every_n_epochs 1, so that the epoch after a round reads its "
                f"curated set, but got {every}"
            )
        interval = trainer.val_check_interval
        if isinstance(interval, int) and trainer.check_val_every_n_epoch is not None:
            raise InputError(
                f"expected --trainer.check_val_every_n_epoch null beside --trainer.val_check_interval {interval}, so "
                "that it counts the batches of all stages: that of a round may have fewer"
            )
        self.first_stage_epochs = trainer.max_epochs or 0
        _data(trainer).begins_with_round = self.first_stage_epochs == 0
        trainer.fit_loop.max_epochs = self.first_stage_epochs + self.rounds

    def on_train_start(self, trainer: L.Trainer, pl_module: ContinuedTuning) -> None:  # type: ignore[override]
        """Run the round that a restart, or a start from a tuned checkpoint, finds due."""
        if pl_module.schedule.num_steps == 0 and self.first_stage_epochs > 0:
            steps = pl_module.steps_per_epoch * self.first_stage_epochs
            pl_module.begin_stage(pl_module.stage_name, num_steps=steps, lr=pl_module.lr)
        if self._is_due(pl_module):
            self._run_round(trainer, pl_module)
            # The loader was built before this hook; here it must give way to one over the curated set.
            trainer.fit_loop._combined_loader = None
            trainer.fit_loop.setup_data()
            self._begin_stage(pl_module)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: ContinuedTuning) -> None:  # type: ignore[override]
        """Begin the stage of the round that ran at the end of the epoch before, now that its loader stands."""
        self._begin_stage(pl_module)
        self._stage_began = time.monotonic()

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: ContinuedTuning) -> None:  # type: ignore[override]
        """Run the round that the end of a stage makes due."""
        if pl_module.stage_finished:
            self._note_tuning_seconds(trainer, pl_module)
        if self._is_due(pl_module):
            self._run_round(trainer, pl_module)

    # ------------------------------------------------------------------ a round

    def _is_due(self, module: ContinuedTuning) -> bool:
        return round_is_due(
            module.stage,
            finished=module.stage_finished,
            first_stage_epochs=self.first_stage_epochs,
            rounds=self.rounds,
        )

    def _run_round(self, trainer: L.Trainer, module: ContinuedTuning) -> None:
        data = _data(trainer)
        number = next_round(module.stage)
        directory = run_root(trainer) / "rounds" / stage_of_round(number)
        if trainer.is_global_zero:
            say(f"round {number}: from the weights of the stage {module.stage!r}, in {directory}")
        settings = RoundSettings(
            number=number,
            seed=_seed_of_run() if self.seed is None else self.seed,
            prompts_per_dataset=self.prompts_per_dataset,
            chunk_size=self.chunk_size,
            judge_references=self.judge_references,
            policy=policy_fingerprint(module.policy),
        )
        started = time.monotonic()
        self.sampler.open(module.policy, data.encoder)
        try:
            run_round(
                directory,
                settings,
                pools=data.examples("train"),
                plan=self.plan,
                sampler=self.sampler,
                judges=self.judges,
                held_out_judges=self.held_out_judges,
                selector=self.selector,
                ranks=ranks_of(trainer),
                start_seconds=time.monotonic() - started,
            )
        finally:
            self.sampler.close()
        manifest = Ledger(directory).read_manifest()
        if trainer.is_global_zero and manifest is not None:
            entry = Round(path=directory, number=number, manifest=manifest)
            log_numbers(trainer, numbers_of_round(entry), module.global_step)
        data.append(CuratedSource(str(directory)).load(), round_dir=directory, accumulate=self.accumulate)
        self._appended = number

    def _begin_stage(self, module: ContinuedTuning) -> None:
        if self._appended is not None:
            stage = stage_of_round(self._appended)
            module.begin_stage(stage, num_steps=module.steps_per_epoch, lr=module.continued_lr)
            self._appended = None

    def _note_tuning_seconds(self, trainer: L.Trainer, module: ContinuedTuning) -> None:
        """Complete the manifest of the round whose stage has just ended."""
        ledger = Ledger(run_root(trainer) / "rounds" / module.stage)
        manifest = ledger.read_manifest()
        if manifest is not None and trainer.is_global_zero:
            manifest["seconds"]["tune"] = time.monotonic() - self._stage_began
            ledger.write_manifest(manifest)


def _seed_of_run() -> int:
    """What ``seed_everything`` was given; Lightning keeps it in the environment for the other ranks."""
    return int(os.environ.get("PL_GLOBAL_SEED", "0"))


def _data(trainer: L.Trainer) -> ResetDataModule:
    return trainer.datamodule  # type: ignore[attr-defined]
