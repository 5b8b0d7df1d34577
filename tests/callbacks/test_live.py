"""What the trainer's loggers are given."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import lightning as L
import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.loggers.logger import Logger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from callbacks.live import log_numbers, numbers_of_round, numbers_of_stage
from reset_pl.evaluation.results import read_run


class Memory(Logger):
    """A user's own logger."""

    def __init__(self) -> None:
        self.metrics: list[tuple[int | None, dict[str, float]]] = []

    @property
    def name(self) -> str:
        return "memory"

    @property
    def version(self) -> int:
        return 0

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        self.metrics.append((step, metrics))

    def log_hyperparams(self, *arguments: Any, **more: Any) -> None:
        pass


def test_every_logger_gets_every_number_at_its_step(tmp_path: Path) -> None:
    memory = Memory()
    loggers = [TensorBoardLogger(tmp_path), CSVLogger(tmp_path), memory]
    trainer = L.Trainer(accelerator="cpu", logger=loggers, default_root_dir=tmp_path, enable_checkpointing=False)
    log_numbers(trainer, {"evaluation/task": 0.25}, 0)
    log_numbers(trainer, {"evaluation/task": 0.5, "evaluation/nq/task": 0.75}, 12)  # more than the first time
    assert memory.metrics == [
        (0, {"evaluation/task": 0.25}),
        (12, {"evaluation/task": 0.5, "evaluation/nq/task": 0.75}),
    ]
    events = EventAccumulator(loggers[0].log_dir).Reload()
    assert [(event.step, event.value) for event in events.Scalars("evaluation/task")] == [(0, 0.25), (12, 0.5)]
    with (Path(loggers[1].log_dir) / "metrics.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["step"], row["evaluation/task"], row["evaluation/nq/task"]) for row in rows] == [
        ("0", "0.25", ""),
        ("12", "0.5", "0.75"),
    ]


def test_the_numbers_are_those_of_the_run(run_dir: Path) -> None:
    run = read_run(run_dir)
    numbers = numbers_of_stage(run.stages[-1])
    assert numbers["evaluation/faithfulness"] == run.stages[-1].macro["faithfulness"].mean
    dataset = next(iter(run.stages[-1].datasets.values()))
    assert numbers[f"evaluation/{dataset.name}/task"] == dataset.scores["task"].mean
    entry = run.rounds[0]
    numbers = numbers_of_round(entry)
    assert {"round/mean_score/best", "round/mean_score/random", "round/rates/tie"} <= numbers.keys()
    assert numbers["round/mean_score/best"] == entry.manifest["mean_score"]["best"]
    assert all(isinstance(value, float) for value in numbers.values())


def test_what_was_not_measured_is_left_out(run_dir: Path) -> None:
    entry = read_run(run_dir).rounds[0]
    entry.manifest["mean_score"]["gold"] = None
    assert "round/mean_score/gold" not in numbers_of_round(entry)
    assert "round/mean_score/random" in numbers_of_round(entry)


@pytest.mark.integration
def test_a_fit_tells_its_loggers_of_stages_and_rounds(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    import yaml

    from reset_pl.__main__ import main
    from tests.test_restart import write_config

    path = write_config(tmp_path, tiny_model)
    settings = yaml.safe_load(path.read_text())
    settings["trainer"] |= {"logger": True, "max_epochs": 0}  # TensorBoard is what Lightning takes then
    settings["trainer"]["callbacks"][-1]["init_args"] |= {"rounds": 1, "judges": ["ExactMatchJudge"]}
    path.write_text(yaml.safe_dump(settings))
    monkeypatch.setattr(sys, "argv", ["reset_pl", "fit", "--config", str(path)])
    assert main() == 0
    (folder,) = (tmp_path / "run" / "lightning_logs").iterdir()
    events = EventAccumulator(str(folder)).Reload()
    assert {"evaluation/task", "evaluation/qa/length", "round/rates/tie"} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("evaluation/task")] == [0, 10]
    assert [event.step for event in events.Scalars("round/rates/tie")] == [0]
