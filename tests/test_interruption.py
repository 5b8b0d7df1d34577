"""A run that a signal asks to stop leaves with 75, and the same command goes on as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reset_pl.interruption import STATUS
from reset_pl.rounds.ledger import Ledger
from tests.test_restart import finish, start, write_config

pytestmark = pytest.mark.integration
PARTS = Path("run/rounds/round-000/parts")


def write_witnessed_config(folder: Path, model: Path, **trainer: Any) -> Path:
    """The run of ``test_restart`` with one round; it logs each step, each candidate drawn and each one judged."""
    folder.mkdir()
    config = write_config(folder, model)
    settings = yaml.safe_load(config.read_text())
    callbacks = settings["trainer"]["callbacks"]
    arguments = callbacks[-1]["init_args"]
    arguments["rounds"] = 1
    arguments["sampler"] = {
        "class_path": "tests.witnesses.LoggedSampler",
        "init_args": {"log": str(folder / "sampled.log"), "seconds": 0.1},
    }
    log = {"log": str(folder / "steps.log"), "seconds": 0.05}
    callbacks.append({"class_path": "tests.witnesses.StepLog", "init_args": log})
    settings["trainer"].update(trainer)
    config.write_text(yaml.safe_dump(settings))
    return config


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines() if path.exists() else []


def wait_for(reached: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not reached():
        assert process.poll() is None, f"ended before the signal: {process.communicate()[0][-3000:]}"
        assert time.monotonic() < deadline, "the moment for the signal never came"
        time.sleep(0.001)


def interrupt(
    config: Path,
    reached: Callable[[], bool],
    *numbers: signal.Signals,
    target: Callable[[int], int] = lambda pid: pid,
) -> str:
    """Start the run, signal one process of it at the moment when ``reached``, and see it leave with 75."""
    process = start(config)
    wait_for(reached, process)
    for number in numbers:
        os.kill(target(process.pid), number)
        time.sleep(0.02)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == STATUS, output[-3000:]
    assert output.count("interrupted: ") == 1
    assert "Traceback" not in output
    return output


def assert_nothing_was_done_twice(folder: Path) -> None:
    """No optimizer step was lost, no candidate drawn twice, none judged twice."""
    steps = Counter((rank, stage, step) for rank, _, stage, step in map(str.split, lines(folder / "steps.log")))
    drawn = Counter(line.split()[1] for line in lines(folder / "sampled.log"))
    judged = Counter(lines(folder / "judged.log"))
    for counts in (steps, drawn, judged):
        assert counts
        assert set(counts.values()) == {1}, [key for key, count in counts.items() if count > 1]


def assert_same_results(folder: Path, other: Path) -> None:
    ledgers = [Ledger(path / "run" / "rounds" / "round-000") for path in (folder, other)]
    for table in ("prompts", "candidates", "verdicts", "selected"):
        assert ledgers[0].read_table(table) == ledgers[1].read_table(table), table
    for stage in ("start", "mtl", "round-000"):  # the weights' fingerprint is among the keys
        one, two = (json.loads((path / "run" / "evaluation" / f"{stage}.json").read_text()) for path in (folder, other))
        assert {**one, "commit": None} == {**two, "commit": None}, stage  # commits may be made meanwhile


def test_interrupted_at_every_stage(tmp_path: Path, tiny_model: Path) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "interrupted"
    finish(write_witnessed_config(whole, tiny_model))
    config = write_witnessed_config(folder, tiny_model)
    usr1, term = signal.SIGUSR1, signal.SIGTERM

    output = interrupt(
        config, lambda: len(lines(folder / "steps.log")) == 3, usr1, term
    )  # a second one changes nothing
    steps = lines(folder / "steps.log")
    assert f"saved {folder}/run/checkpoints/mtl-{len(steps):06d}.ckpt" in output
    assert len(steps) < 12

    interrupt(config, lambda: bool(lines(folder / "sampled.log")), usr1)
    assert 1 <= len(list((folder / PARTS).glob("candidates-*"))) < 5  # the chunk in work was committed, none begun

    judging = len(list((folder / PARTS).glob("verdicts-slow-*"))) + 1
    all_sampled = lambda: len(list((folder / PARTS).glob("candidates-*"))) == 5  # noqa: E731
    interrupt(config, lambda: all_sampled() and len(lines(folder / "judged.log")) > 32 * judging, term)
    assert len(list((folder / PARTS).glob("verdicts-slow-*"))) < 5

    interrupt(config, lambda: any("round-000" in line for line in lines(folder / "steps.log")), usr1)
    assert not (folder / "run" / "evaluation" / "round-000.json").exists()

    finish(config)
    assert_nothing_was_done_twice(folder)
    assert_same_results(folder, whole)


def test_one_rank_of_two_is_told(tmp_path: Path, tiny_model: Path) -> None:
    folder = tmp_path / "interrupted"
    config = write_witnessed_config(folder, tiny_model, devices=2, strategy="ddp")
    trained: dict[str, int] = {}  # rank → process
    sampled: set[int] = set()

    def both_train() -> bool:
        trained.update((rank, int(pid)) for rank, pid, *_ in map(str.split, lines(folder / "steps.log")))
        return len(trained) == 2

    def both_sample() -> bool:
        sampled.update(int(line.split()[0]) for line in lines(folder / "sampled.log"))
        return len(sampled) == 2

    interrupt(config, both_train, signal.SIGTERM, target=lambda _: trained["1"])
    assert len(list((folder / "run" / "checkpoints").glob("mtl-*.ckpt"))) == 1
    interrupt(config, both_sample, signal.SIGUSR1, target=lambda main: max(sampled - {main}))
    assert 2 <= len(list((folder / PARTS).glob("candidates-*"))) < 5
    finish(config)
    assert_nothing_was_done_twice(folder)
    assert len(Ledger(folder / "run" / "rounds" / "round-000").read_table("candidates")) == 20 * (7 + 1)
