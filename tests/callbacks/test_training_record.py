"""The record of training: every step once, however often a run is cut short, and each example in its step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from torch.nn.functional import cross_entropy

from callbacks.reset_rounds import ResetRounds
from callbacks.stage_checkpoint import StageCheckpoint
from callbacks.training_record import TrainingRecord
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.data.sources import JsonlSource
from reset_pl.rounds.selection import REFERENCE
from reset_pl.training_record import read_steps, read_trained
from reset_pl.tuning.continued import ContinuedTuning
from reset_pl.tuning.schedule import cosine_with_warmup
from tests.conftest import ScriptedJudge, ScriptedSampler

ROWS = 10


class Killed(BaseException):
    """What a kill looks like from inside: nothing behind it runs."""


class Witness(L.Callback):
    """Sees the batches that are trained on, and dies before one of them."""

    def __init__(self, tokenizer: Any, die_at: tuple[str, int] | None = None) -> None:
        self.tokenizer, self.die_at = tokenizer, die_at
        self.seen: list[tuple[int, str]] = []
        self.first: dict[str, Any] | None = None

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: Any, batch: Any, batch_idx: int) -> None:
        if self.die_at == (pl_module.schedule.stage, trainer.global_step):
            raise Killed
        self.first = self.first or {"state": {k: v.clone() for k, v in pl_module.policy.state_dict().items()}} | batch
        step = trainer.global_step + 1
        text = self.tokenizer.decode(batch["targets"])
        self.seen += [(step, answer.strip()) for answer in text.split("</s>") if answer]


class Fit:
    """A stage and two rounds over ten prompts, three rows a step in two micro-batches, in one folder."""

    def __init__(self, folder: Path, model: Path, tokenizer: Any) -> None:
        self.folder, self.model, self.tokenizer = folder, model, tokenizer
        rows = [
            {"id": str(n), "question": f"Which {n}?", "passages": [f"It is w{n}."], "response": f"ref{n}"}
            for n in range(ROWS)
        ]
        folder.mkdir(parents=True)
        (folder / "qa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(self, *, die_at: tuple[str, int] | None = None, record: Any = None, **trainer: Any) -> Witness:
        source = JsonlSource(str(self.folder / "qa.jsonl"), objective="extractive_qa")
        data = ResetDataModule([source], str(self.model), batch_size=3)
        rounds = ResetRounds(
            # Each answer names its prompt and its round; of prompt 3 all are cut off, so that it is left out.
            ScriptedSampler(lambda e, d: f"a{e.id.rpartition('/')[2]}r{d.round}" + "…" * (e.id.endswith("/3"))),
            [ScriptedJudge(lambda example, candidate: None if candidate.procedure == REFERENCE else 0.5)],
            rounds=2,
            prompts_per_dataset=8,
            seed=0,
        )
        witness = Witness(self.tokenizer, die_at)
        newest = max(self.folder.glob("checkpoints/*.ckpt"), key=lambda path: path.stat().st_mtime, default=None)
        L.seed_everything(0)
        L.Trainer(
            accelerator="cpu",
            max_epochs=1,
            accumulate_grad_batches=2,
            default_root_dir=self.folder,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            reload_dataloaders_every_n_epochs=1,
            callbacks=[record or TrainingRecord(), StageCheckpoint(every_n_steps=2), rounds, witness],
            **trainer,
        ).fit(ContinuedTuning(str(self.model), lr=1e-3, continued_lr=5e-4), data, ckpt_path=newest)
        return witness

    @property
    def files(self) -> dict[str, Any]:
        trained = {path.parent.name: read_trained(path.parent) for path in self.folder.glob("rounds/*/trained.parquet")}
        return {"training.jsonl": (self.folder / "training.jsonl").read_text(), **trained}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path, tokenizer: Any) -> tuple[Fit, Witness]:
    fit = Fit(tmp_path_factory.mktemp("whole") / "run", tiny_model, tokenizer)
    return fit, fit.run()


def test_every_step_is_written_with_its_stage_and_rate(whole: tuple[Fit, Witness]) -> None:
    steps = read_steps(whole[0].folder)
    assert [step.step for step in steps] == list(range(1, len(steps) + 1))
    stages = [step.stage for step in steps]
    assert stages[:4] == ["mtl"] * 4
    assert sorted(set(stages), key=stages.index) == ["mtl", "round-000", "round-001"]
    rates = [1e-3 * cosine_with_warmup(n, num_steps=4, warmup_ratio=0.03) for n in range(4)]
    assert [step.lr for step in steps[:4]] == pytest.approx(rates)


def test_the_loss_is_that_of_the_whole_step(whole: tuple[Fit, Witness], tiny_model: Path) -> None:
    """Against transformers' model on the step's rows one by one, padded with nothing, over all target tokens."""
    from transformers import AutoModelForCausalLM

    fit, _ = whole
    data = ResetDataModule([JsonlSource(str(fit.folder / "qa.jsonl"), objective="extractive_qa")], str(tiny_model))
    rows = data.examples("train")["qa"]
    answers = {answer for step, answer in whole[1].seen if step == 1}
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    losses = []
    for example in rows:
        if example.response in answers:
            row = data.encoder.encode(example)
            logits = model(torch.tensor([list(row.input_ids)])).logits[0, :-1]
            targets = torch.tensor(row.labels[1:])
            losses.append(cross_entropy(logits[targets != -100], targets[targets != -100], reduction="none"))
    assert len(losses) == 3
    assert read_steps(fit.folder)[0].loss == pytest.approx(torch.cat(losses).mean().item(), rel=1e-5)


def test_each_curated_example_is_in_its_step(whole: tuple[Fit, Witness]) -> None:
    """What the batches said, decoded, against what the record says; the second round reads the first one's, too."""
    fit, witness = whole
    first = {step.stage: step.step for step in reversed(read_steps(fit.folder))}
    for number, stage in enumerate(("round-000", "round-001")):
        trained = read_trained(fit.folder / "rounds" / stage)
        assert trained is not None
        recorded = sorted((row.step, f"a{row.example_id.rpartition('/')[2]}r{row.round}") for row in trained)
        last = first["round-001"] - 1 if number == 0 else len(read_steps(fit.folder))
        assert recorded == sorted(pair for pair in witness.seen if first[stage] <= pair[0] <= last)
        assert {row.round for row in trained} == set(range(number + 1))
        assert not any(row.example_id.endswith("/3") for row in trained)  # left out: nothing was chosen of it


@pytest.mark.integration
@pytest.mark.parametrize(
    "moments",
    [
        [("mtl", 1)],  # before the first checkpoint
        [("mtl", 3)],
        [("round-000", 4)],  # before the round's stage took a step
        [("round-000", 5), ("round-000", 6), ("round-001", 9)],
    ],
)
def test_a_killed_run_has_the_files_of_an_undisturbed_one(
    whole: tuple[Fit, Witness], tmp_path: Path, tiny_model: Path, tokenizer: Any, moments: list[tuple[str, int]]
) -> None:
    fit = Fit(tmp_path / "run", tiny_model, tokenizer)
    for moment in moments:
        with pytest.raises(Killed):
            fit.run(die_at=moment)
    with (fit.folder / "training.jsonl").open("a") as file:
        file.write('{"step": 99, "stage": "mt')  # a line that the kill cut short
    fit.run()
    assert fit.files == whole[0].files
    assert list(fit.folder.rglob("*.tmp")) == []


def test_an_older_run_is_recorded_from_where_it_goes_on(
    whole: tuple[Fit, Witness], tmp_path: Path, tiny_model: Path, tokenizer: Any
) -> None:
    fit = Fit(tmp_path / "run", tiny_model, tokenizer)
    with pytest.raises(Killed):
        fit.run(die_at=("round-000", 5), record=L.Callback())
    assert not (fit.folder / "training.jsonl").exists()
    fit.run()
    steps = read_steps(whole[0].folder)
    assert read_steps(fit.folder) == [step for step in steps if step.step > 4]
