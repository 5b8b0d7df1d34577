"""DeepSpeed's ZeRO on two processes against one plain process: the same training, the same rounds."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from reset_pl.rounds.ledger import Ledger
from reset_pl.training_record import read_steps, read_trained
from tests.test_restart import CHUNK, ROOT, finish, kill_when, write_config
from tests.tuning.conftest import PAIRS, write_pairs

pytestmark = pytest.mark.integration

STRATEGY = "reset_pl.tuning.strategies.CpuDeepSpeedStrategy"


# ---------------------------------------------------------------- training

Seen = list[dict[str, Any]]
Weights = dict[str, torch.Tensor]
Train = Callable[..., tuple[Seen, Weights]]


@pytest.fixture(scope="module")
def train(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Train:
    """Trains 4 optimizer steps, and 2 of a second stage, in processes of their own; what each saw, and the weights."""
    folder = tmp_path_factory.mktemp("zero")
    paths = []
    for name, size in (("small", 5), ("large", 11)):
        rows = [
            {"objective": "instruction", "instruction": f"Say {i}.", "response": f"{name} " + "xyz" * (i + 1)}
            for i in range(size)
        ]
        paths.append(folder / f"{name}.jsonl")
        paths[-1].write_text("".join(json.dumps(row) + "\n" for row in rows))

    def run(name: str, stage: int, **changes: Any) -> tuple[Seen, Weights]:
        settings = {
            "name": name,
            "stage": stage,
            "model": str(tiny_model),
            "train": [str(path) for path in paths],
            "data": {"batch_size": 8},
            # 22 rows an epoch: two steps of 8, one of 6, all in 2 micro-batches; the clipping bites.
            "trainer": {"accumulate_grad_batches": 2, "gradient_clip_val": 0.5},
            **changes,
        }
        path = folder / f"{name}.settings.json"
        path.write_text(json.dumps(settings))
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, str(ROOT / "tests" / "zero_ranks.py"), str(path)]
        process = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert process.returncode == 0, process.stderr[-3000:]
        ranks = [folder / f"{name}-{rank}.json" for rank in range(2 if stage else 1)]
        return [json.loads(rank.read_text()) for rank in ranks], torch.load(folder / f"{name}.pt")

    return run


@pytest.fixture(scope="module")
def plain(train: Train) -> tuple[Seen, Weights]:
    """The reference: one process, no strategy."""
    return train("plain", 0)


@pytest.mark.parametrize("stage", [2, 3])
def test_sharded_training_takes_the_steps_of_one_process(train: Train, plain: tuple[Seen, Weights], stage: int) -> None:
    ((alone,), weights) = plain
    ranks, sharded_weights = train(f"stage-{stage}", stage)
    assert len(alone["losses"]) == 6
    assert len(set(alone["rates"])) == 6
    assert sharded_weights.keys() == weights.keys()
    for name, value in weights.items():
        torch.testing.assert_close(sharded_weights[name], value, atol=2e-6, rtol=0, msg=name)
    for rank in ranks:
        assert rank["losses"] == pytest.approx(alone["losses"], abs=1e-5)
        assert rank["rates"] == alone["rates"]
        assert rank["decays"] == alone["decays"] == [0.05, 0.0]
        assert rank["training"] is True
        assert rank["start"] == alone["start"] != rank["end"] == ranks[0]["end"]
        assert min(rank["moments"]) > 0
        assert rank["moments_at_its_begin"] == 0
        for own, expected in zip(rank["log_probs"], alone["log_probs"], strict=False):
            assert own == pytest.approx(expected, abs=1e-4)
        before, inside, after, at_last = rank["resident"]
        assert (before == after == at_last < inside) if stage == 3 else (before == after == at_last == inside)
    assert len(ranks[1]["log_probs"]) == 1  # it did not need rank 0, which asked for more


def test_adapters_and_activation_checkpointing_under_zero_3(train: Train) -> None:
    changes: dict[str, Any] = {"lora": {"rank": 4}, "module": {"activation_checkpointing": True}}
    ((alone,), weights) = train("plain-lora", 0, **changes)
    ranks, sharded_weights = train("stage-3-lora", 3, **changes)
    assert ranks[0]["start"] == alone["start"]  # the same adapters, of which half begin at zero
    assert ranks[0]["losses"] == pytest.approx(alone["losses"], abs=1e-5)
    assert all(torch.allclose(sharded_weights[name], value, atol=2e-6) for name, value in weights.items())


def test_bfloat16_under_zero_3_keeps_float32_weights_for_the_optimizer(
    train: Train, plain: tuple[Seen, Weights]
) -> None:
    ((alone,), weights) = plain
    trainer = {"accumulate_grad_batches": 2, "gradient_clip_val": 0.5, "precision": "bf16-true"}
    ranks, sharded_weights = train(
        "stage-3-bf16",
        3,
        trainer=trainer,
        module={"dtype": "bfloat16"},
        data={"batch_size": 8, "layout": "padded"},
        strategy={"offload_optimizer": True},
    )
    assert ranks[0]["dtype"] == "torch.bfloat16"
    assert ranks[0]["losses"] == pytest.approx(alone["losses"], abs=0.02)
    # Each weight is that of a float32 run, rounded: steps of 1e-2 and less on bfloat16 itself would not add up so.
    error = max((sharded_weights[name].float() - value).abs().max().item() for name, value in weights.items())
    assert error < 0.02


@pytest.mark.parametrize("lora", [None, {"rank": 4}], ids=["whole", "adapters"])
def test_preference_tuning_under_zero_3_takes_the_steps_of_one_process(
    train: Train, tmp_path: Path, lora: dict[str, int] | None
) -> None:
    """The reference is sharded like the policy, or is the policy with its adapters switched off."""
    pairs = [*PAIRS, *[(f"Say {n}.", "n" * n, "m" * (9 - n)) for n in range(4)]]  # an epoch of three steps
    changes: dict[str, Any] = {
        "pairs": True,
        "train": [str(write_pairs(tmp_path / "pairs", pairs))],
        "lora": lora,
        "data": {"batch_size": 4},
        "module": {"activation_checkpointing": lora is not None},
    }
    ((alone,), weights) = train(f"plain-pairs-{lora}", 0, **changes)
    ranks, sharded_weights = train(f"stage-3-pairs-{lora}", 3, **changes)
    assert alone["losses"][0] == pytest.approx(math.log(2), abs=1e-6)
    assert min(alone["losses"]) < 0.65
    assert ranks[0]["sharded"] > 0
    for rank in ranks:
        assert rank["losses"] == pytest.approx(alone["losses"], abs=1e-5)
        assert rank["end"] == ranks[0]["end"] != rank["start"] == alone["start"]
    for name, value in weights.items():
        torch.testing.assert_close(sharded_weights[name], value, atol=2e-6, rtol=0, msg=name)


# ---------------------------------------------------------------- rounds


def write_run(folder: Path, model: Path, stage: int, **rounds: Any) -> Path:
    """The run of ``test_restart`` with one round, on two processes under ZeRO."""
    folder.mkdir()
    path = write_config(folder, model)
    config = yaml.safe_load(path.read_text())
    epochs = rounds.pop("max_epochs", 1)
    seconds = rounds.pop("seconds", 0.02)
    config["trainer"]["max_epochs"] = epochs
    if stage:
        config["trainer"] |= {"devices": 2, "strategy": {"class_path": STRATEGY, "init_args": {"stage": stage}}}
    settings = config["trainer"]["callbacks"][-1]["init_args"]
    settings |= {"rounds": 1, **rounds}
    settings["judges"][0]["init_args"]["seconds"] = seconds
    path.write_text(yaml.safe_dump(config))
    return path


def test_a_round_under_zero_3_selects_what_one_process_selects(tmp_path: Path, tiny_model: Path) -> None:
    """Rank 0 has two chunks and rank 1 one: it waits for longer than a collective may take."""
    ledgers, scores = [], []
    for name, stage, seconds in (("one", 0, 0.0), ("two", 3, 0.3)):
        config = write_run(
            tmp_path / name, tiny_model, stage, max_epochs=0, prompts_per_dataset=3 * CHUNK, seconds=seconds
        )
        if stage:
            settings = yaml.safe_load(config.read_text())
            settings["trainer"]["callbacks"].insert(0, {"class_path": "tests.impatience.Impatience"})
            config.write_text(yaml.safe_dump(settings))
        finish(config)
        ledgers.append(Ledger(tmp_path / name / "run" / "rounds" / "round-000"))
        scores.append(json.loads((tmp_path / name / "run" / "evaluation" / "start.json").read_text()))
        assert (tmp_path / name / "run" / "evaluation" / "round-000.json").exists()
    for table in ("prompts", "candidates", "verdicts", "selected"):
        assert ledgers[1].read_table(table) == ledgers[0].read_table(table), table
    one, two = ({key: value for key, value in score.items() if key != "commit"} for score in scores)
    assert two == one  # the policy's fingerprint among them


@pytest.mark.parametrize("stage", [2, 3])
def test_killed_in_a_round_and_restarted(tmp_path: Path, tiny_model: Path, stage: int) -> None:
    """One chunk: rank 1 has no work in the round."""
    config = write_run(tmp_path / "run", tiny_model, stage, prompts_per_dataset=CHUNK, seconds=0.15)
    run = tmp_path / "run" / "run"
    ledger = Ledger(run / "rounds" / "round-000")
    judged = tmp_path / "run" / "judged.log"
    kill_when(config, judged.exists)
    assert not ledger.complete
    drawn = {path.name: path.stat().st_mtime_ns for path in ledger.parts.glob("candidates-*")}
    assert len(drawn) == 1
    output = finish(config)
    assert "going on from" in output
    assert "mtl-000012" in output
    assert {row["candidate_id"] for row in ledger.read_table("verdicts")} == set(judged.read_text().split())
    assert max(Counter(judged.read_text().split()).values()) == 2  # what was in flight at the kill, once more
    manifest = ledger.read_manifest()
    assert manifest is not None
    assert manifest["counts"]["prompts"] == CHUNK
    assert manifest["seconds"]["tune"] is not None
    policies = [json.loads((run / "evaluation" / f"{s}.json").read_text())["policy"] for s in ("mtl", "round-000")]
    assert manifest["policy"] == policies[0] != policies[1]
    steps = read_steps(run)
    assert [one.step for one in steps] == list(range(1, len(steps) + 1))  # of both lives, each once
    assert [one.stage for one in steps] == ["mtl"] * 12 + ["round-000"] * (len(steps) - 12)
    assert {row.step for row in read_trained(run / "rounds" / "round-000") or ()} == set(range(13, len(steps) + 1))


# ---------------------------------------------------------------- bad input


def test_more_processes_than_prompts_can_be_tuned_on_is_said(tmp_path: Path, tiny_model: Path) -> None:
    """The round itself needs no prompt for each process; the epoch after it does."""
    config = write_run(tmp_path / "run", tiny_model, 2, max_epochs=0, prompts_per_dataset=1, seconds=0.0)
    process = subprocess.run(
        [sys.executable, "-m", "reset_pl", "fit", "--config", str(config)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 2
    assert process.stderr.count("expected at least one row to train on for each of 2 processes") == 1
    assert Ledger(tmp_path / "run" / "run" / "rounds" / "round-000").complete
