"""A run killed with -9 again and again ends as one that was never touched."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reset_pl.rounds.ledger import Ledger
from reset_pl.training_record import read_trained

ROOT = Path(__file__).parent.parent
CHUNK = 4


def write_config(folder: Path, model: Path) -> Path:
    """A run of one stage and two rounds on a tiny random model, with a slow judge of the user's own."""
    rows = [
        {"id": str(n), "question": f"Which {n}?", "passages": [f"It is w{n}."], "response": f"w{n}"} for n in range(24)
    ]
    (folder / "qa.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {
        "class_path": "JsonlSource",
        "init_args": {"path": str(folder / "qa.jsonl"), "objective": "extractive_qa"},
    }
    judges = [
        {"class_path": "tests.slow_judge.SlowJudge", "init_args": {"log": str(folder / "judged.log"), "seconds": 0.02}},
        "ExactMatchJudge",
    ]
    callbacks = [
        {"class_path": "callbacks.StageCheckpoint", "init_args": {"every_n_steps": 5}},
        {
            "class_path": "callbacks.CheckpointEvaluation",
            "init_args": {"sampler": "HFSampler", "judges": ["ExactMatchJudge"], "max_new_tokens": 4},
        },
        {
            "class_path": "callbacks.ResetRounds",
            "init_args": {
                "sampler": "HFSampler",
                "judges": judges,
                "rounds": 2,
                "prompts_per_dataset": 20,
                "chunk_size": CHUNK,
                "plan": {"max_new_tokens": 4},
                "selector": {"class_path": "WeightedSelector", "init_args": {"keep_truncated": True}},
            },
        },
    ]
    config: dict[str, Any] = {
        "trainer": {
            "accelerator": "cpu",
            "max_epochs": 1,
            "default_root_dir": str(folder / "run"),
            "logger": False,
            "enable_checkpointing": False,
            "enable_model_summary": False,
            "callbacks": callbacks,
        },
        "model": {
            "class_path": "ContinuedTuning",
            "init_args": {"model": str(model), "lr": 1e-3, "continued_lr": 1e-3},
        },
        "data": {"train": [source], "test": [source], "template": "vicuna", "batch_size": 2},
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    return folder / "config.yaml"


def start(config: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "reset_pl", "fit", "--config", str(config)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def finish(config: Path) -> str:
    process = start(config)
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output[-3000:]
    return output


def kill_when(config: Path, reached: Callable[[], bool]) -> None:
    """Start the run and kill it at the moment when ``reached``."""
    process = start(config)
    deadline = time.monotonic() + 300
    while not reached():
        assert process.poll() is None, f"ended before it could be killed: {process.communicate()[0][-3000:]}"
        assert time.monotonic() < deadline, "the moment to kill it never came"
        time.sleep(0.001)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()


@pytest.mark.integration
def test_killed_at_every_stage_and_restarted(tmp_path: Path, tiny_model: Path) -> None:
    folders = {name: tmp_path / name for name in ("whole", "killed")}
    for folder in folders.values():
        folder.mkdir()
    configs = {name: write_config(folder, tiny_model) for name, folder in folders.items()}
    finish(configs["whole"])

    run = folders["killed"] / "run"
    parts = run / "rounds" / "round-000" / "parts"
    moments: dict[str, Callable[[], bool]] = {
        "inside the first stage": lambda: bool(list(run.glob("checkpoints/mtl-000005.ckpt"))),
        "sampling": lambda: bool(list(parts.glob("candidates-*.parquet"))),
        "judging": lambda: bool(list(parts.glob("verdicts-slow-qa-0002.parquet"))),
        "selecting": lambda: (run / "rounds" / "round-000" / "candidates.parquet").exists(),
        "curated epoch": lambda: bool(list(run.glob("checkpoints/round-000-*.ckpt"))),
        "second round": lambda: bool(list(run.glob("rounds/round-001/parts/verdicts-slow-*.parquet"))),
    }
    for moment, reached in moments.items():
        kill_when(configs["killed"], reached)
        assert not (run / "evaluation" / "round-001.json").exists(), (
            f"{moment}: the kill came too late to test anything"
        )
    assert "going on from" in finish(configs["killed"])

    for number in ("round-000", "round-001"):
        whole, killed = (Ledger(folder / "run" / "rounds" / number) for folder in folders.values())
        for table in ("prompts", "candidates", "verdicts", "selected"):
            assert killed.read_table(table) == whole.read_table(table), f"{table} of {number}"
        ids = [row["candidate_id"] for row in killed.read_table("candidates")]
        assert len(ids) == len(set(ids))
    for stage in ("start", "mtl", "round-000", "round-001"):
        whole_scores, killed_scores = (
            json.loads((folder / "run" / "evaluation" / f"{stage}.json").read_text()) | {"commit": None}
            for folder in folders.values()
        )
        assert killed_scores == whole_scores, (
            stage
        )  # the policy's fingerprint among them: the same weights, bit for bit

    records = [
        [(folder / "run" / "training.jsonl").read_text()]
        + [read_trained(folder / "run" / "rounds" / number) for number in ("round-000", "round-001")]
        for folder in folders.values()
    ]
    assert records[1] == records[0]
    assert None not in records[0]

    # Judged twice is at most what was in flight at a kill and therefore not committed: one chunk each.
    judged = Counter((folders["killed"] / "judged.log").read_text().split())
    again = sum(count - 1 for count in judged.values())
    assert again <= CHUNK * 8 * len(moments)
    assert set(judged) == set((folders["whole"] / "judged.log").read_text().split())


@pytest.mark.integration
def test_other_settings_are_refused_and_devices_are_not(tmp_path: Path, tiny_model: Path) -> None:
    config = write_config(tmp_path, tiny_model)
    finish(config)
    settings = yaml.safe_load(config.read_text())
    settings["model"]["init_args"]["lr"] = 0.5
    config.write_text(yaml.safe_dump(settings))
    process = start(config)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2
    assert "model.init_args.lr: 0.001 (that run) → 0.5 (now)" in output
    assert "Traceback" not in output
