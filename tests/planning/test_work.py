"""The plan's counts by hand; against a real run: tests/test_dry_run.py."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from reset_pl.configured import Fit, load_fit
from reset_pl.errors import InputError
from reset_pl.planning.hardware import hardware_of
from reset_pl.planning.work import course_of, evaluations_of, most_candidates, rounds_of, stages_of
from tests.test_restart import write_config


@pytest.fixture
def config(tmp_path: Path, tiny_model: Path) -> Path:
    """24 rows, batches of 2, rounds of 20 prompts."""
    return write_config(tmp_path, tiny_model)


def fit_of(config: Path, *options: str) -> Fit:
    return load_fit(["--config", str(config), *options])


def test_rounds(config: Path) -> None:
    rounds = rounds_of(fit_of(config))
    assert [(each.prompts, each.candidates, each.tokens) for each in rounds] == [(20, 140, 560)] * 2
    assert most_candidates(fit_of(config)) == 280
    both = fit_of(config, "--trainer.callbacks.plan.procedures", "2")
    assert most_candidates(both) == 560
    assert rounds_of(both)[0].candidates == 280


def test_stages(config: Path) -> None:
    fit = fit_of(config)
    first, second, third = stages_of(fit, hardware_of(fit.settings.trainer))
    assert (first.name, first.steps, first.rows, first.is_exact) == ("mtl", 12, 24, True)
    rows = [fit.data.encoder.encode(example) for example in fit.data.examples("train")["qa"]]
    assert first.tokens == sum(len(row.input_ids) for row in rows)
    assert [(stage.name, stage.steps, stage.rows) for stage in (second, third)] == [
        ("round-000", 10, 20),
        ("round-001", 20, 40),  # the pool grows
    ]
    assert second.tokens == pytest.approx(20 * first.tokens / 24, rel=0.05)


@pytest.mark.parametrize(
    ("options", "steps"),
    [
        (["--trainer.max_epochs", "3"], 36),
        (["--trainer.accumulate_grad_batches", "2"], 12),
        (["--trainer.limit_train_batches", "6"], 6),
        (["--trainer.limit_train_batches", "0.5"], 6),
        (["--trainer.max_steps", "5"], 5),
        (["--trainer.devices", "2"], 12),
    ],
)
def test_options_that_change_the_steps(config: Path, options: list[str], steps: int) -> None:
    fit = fit_of(config, *options)
    assert stages_of(fit, hardware_of(fit.settings.trainer))[0].steps == steps


def test_a_batch_smaller_than_the_processes_is_refused(config: Path) -> None:
    fit = fit_of(config, "--trainer.devices", "4")
    with pytest.raises(InputError, match="at least one row for each of 4 processes"):
        stages_of(fit, hardware_of(fit.settings.trainer))


def test_without_rounds_and_without_training(config: Path) -> None:
    settings = yaml.safe_load(config.read_text())
    settings["trainer"]["callbacks"].pop()
    settings["trainer"]["max_epochs"] = 0
    config.write_text(yaml.safe_dump(settings))
    fit = fit_of(config)
    assert course_of(fit).stages == most_candidates(fit) == 0
    assert rounds_of(fit) == stages_of(fit, hardware_of(fit.settings.trainer)) == []
    work = evaluations_of(fit)
    assert work is not None
    assert (work.times, work.answers, work.tokens) == (1, 24, 96)
