"""The batch scripts, unmodified, on a real Slurm of two nodes (``mini_slurm.py``)."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from reset_pl.mini import MODELS
from reset_pl.rounds.ledger import Ledger
from tests.mini_slurm import MiniSlurm, missing_programs
from tests.test_interruption import (
    PARTS,
    assert_nothing_was_done_twice,
    assert_same_results,
    lines,
    write_witnessed_config,
)
from tests.test_study import commands_run, selections, write_study
from tests.test_vllm_server import JOBS, TEMPLATE
from tests.test_vllm_server import PYTHON as VLLM

ROOT = Path(__file__).parent.parent
SCRIPTS = sorted((ROOT / "slurm").glob("*.sbatch"))
TWO_NODES = ("--nodes=2", "--ntasks-per-node=1", "--gpus-per-node=1", "--cpus-per-task=1")
ONE_TASK = ("--nodes=1", "--ntasks-per-node=1", "--gpus-per-node=1", "--cpus-per-task=1")
ZERO_3 = {"class_path": "reset_pl.tuning.strategies.CpuDeepSpeedStrategy", "init_args": {"stage": 3}}

pytestmark = pytest.mark.integration
MISSING = missing_programs()


@pytest.fixture(scope="module")
def slurm() -> Iterator[MiniSlurm]:
    if MISSING:
        pytest.skip(f"no Slurm: {', '.join(MISSING)} missing (apt-get install slurmctld slurmd slurm-client munge)")
    folder = Path(tempfile.mkdtemp(prefix="slurm."))
    folder.chmod(0o755)
    cluster = MiniSlurm(folder)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(folder)


def submit(slurm: MiniSlurm, folder: Path, *arguments: str, **env: str) -> str:
    """Submit with the output in ``folder``; the job's id."""
    output = f"--output={folder}/%x-%j.out"
    env = {"PYTHON": sys.executable, "OMP_NUM_THREADS": "1", **env}
    return slurm.command("sbatch", "--parsable", output, *arguments, **env)


def output(folder: Path) -> str:
    return "\n".join(f"{path.name}\n{path.read_text()[-6000:]}" for path in sorted(folder.glob("*.out")))


def wait_until(reached: Callable[[], bool], folder: Path) -> None:
    deadline = time.monotonic() + 240  # two jobs of two processes on two cores
    while not reached():
        assert time.monotonic() < deadline, output(folder)
        time.sleep(0.005)


def test_a_job_signalled_in_a_round_ends_as_an_undisturbed_one(
    slurm: MiniSlurm, tmp_path: Path, tiny_model: Path
) -> None:
    folders = tmp_path / "whole", tmp_path / "signalled"
    whole, signalled = folders
    with socket.create_server(("0.0.0.0", 20001)) if _is_free(20001) else socket.socket():  # the first job's port
        jobs = [
            submit(
                slurm,
                folder,
                *TWO_NODES,
                "slurm/fit.sbatch",
                *("--config", str(write_witnessed_config(folder, tiny_model, strategy=ZERO_3))),
            )
            for folder in folders
        ]
        wait_until(lambda: len(lines(signalled / "sampled.log")) > 32, signalled)
        slurm.command("scancel", "--signal=USR1", jobs[1])
        states = [slurm.wait_for(job, 300) for job in jobs]
    for state, restarts, folder in zip(states, ("0", "1"), folders, strict=True):
        assert (state["JobState"], state["Restarts"]) == ("COMPLETED", restarts), output(folder)
    text = output(signalled)
    assert text.count("interrupted: ") == 1
    assert text.count("back into the queue") == 1
    assert "going on from" in text
    assert not (signalled / PARTS).exists()
    pids = {(rank, pid) for rank, pid, *_ in map(str.split, lines(whole / "steps.log"))}
    assert {rank for rank, _ in pids} == {"0", "1"}
    assert_nothing_was_done_twice(signalled)
    assert_same_results(signalled, whole)


def test_seeds_then_evaluation(slurm: MiniSlurm, tmp_path: Path, tiny_model: Path) -> None:
    config = write_witnessed_config(tmp_path / "seeds", tiny_model)
    settings = yaml.safe_load(config.read_text())
    settings["trainer"]["callbacks"] = settings["trainer"]["callbacks"][:2]
    config.write_text(yaml.safe_dump(settings))
    runs = tmp_path / "runs"
    array = submit(
        slurm, tmp_path, *ONE_TASK, "--array=3-4", "slurm/seeds.sbatch", "--config", str(config), RUN_DIR=str(runs)
    )
    evaluation = submit(
        slurm,
        tmp_path,
        *ONE_TASK,
        *(f"--dependency=afterok:{array}", "--kill-on-invalid-dep=yes", "slurm/evaluate.sbatch", str(runs / "seed-3")),
    )
    state = slurm.wait_for(evaluation)
    assert state["JobState"] == "COMPLETED", output(tmp_path)
    for seed in (3, 4):
        saved = yaml.safe_load((runs / f"seed-{seed}" / "config.yaml").read_text())
        assert saved["seed_everything"] == seed
        assert list((runs / f"seed-{seed}" / "checkpoints").glob("mtl-*.ckpt"))
    text = (tmp_path / f"evaluate-{evaluation}.out").read_text()
    (name,) = (path.stem for path in (runs / "seed-3" / "checkpoints").glob("*.ckpt"))
    assert f"{runs}/seed-3/evaluation, 1 evaluated" in text
    whole = [json.loads((runs / "seed-3" / "evaluation" / f"{stage}.json").read_text()) for stage in ("mtl", name)]
    assert whole[0]["macro"] == whole[1]["macro"]
    assert name in (runs / "seed-3" / "report.html").read_text()


def test_a_study_is_an_array_of_workers(slurm: MiniSlurm, tmp_path: Path) -> None:
    arms, out = selections(tmp_path), tmp_path / "out"
    study = write_study(tmp_path, arms)
    said = slurm.command(
        *(sys.executable, "-m", "reset_pl", "study", str(study), "--out", str(out), "--jobs", "2", "--slurm"),
        SBATCH_OUTPUT=f"{tmp_path}/%x-%A_%a.out",
        PYTHON=sys.executable,
        OMP_NUM_THREADS="1",
    )
    assert said.startswith("Submitted batch job ")
    for task in (0, 1):
        state = slurm.wait_for(f"{said.split()[-1]}_{task}", 300)
        assert state["JobState"] == "COMPLETED", output(tmp_path)
    assert commands_run(out) == {f"{arm}/seed-{seed}": len(arms[arm]) for arm in arms for seed in (0, 1)}
    tasks = [path.read_text() for path in tmp_path.glob("study-*.out")]
    assert len(tasks) == 2
    assert sum(text.count(": complete after") for text in tasks) == 8
    assert (out / "tables" / "results.md").exists()


def test_nodes_that_slurm_did_not_give(slurm: MiniSlurm, tmp_path: Path, tiny_model: Path) -> None:
    config = write_witnessed_config(tmp_path / "run", tiny_model)
    job = submit(slurm, tmp_path, *ONE_TASK, "slurm/fit.sbatch", "--config", str(config), "--trainer.num_nodes", "2")
    state = slurm.wait_for(job)
    assert (state["JobState"], state["ExitCode"]) == ("FAILED", "2:0")
    text = output(tmp_path)
    assert "error: expected --trainer.num_nodes 1, since this Slurm job has --nodes 1, but got 2: " in text
    assert "Traceback" not in text


@pytest.mark.skipif(not VLLM.exists(), reason=f"no vLLM: {VLLM} is not there (.ci/run makes it, or VLLM_PYTHON)")
def test_a_fit_asks_the_judge_that_another_job_serves(slurm: MiniSlurm, tmp_path: Path, tiny_model: Path) -> None:
    config = write_witnessed_config(tmp_path / "run", tiny_model, max_epochs=0)
    settings = yaml.safe_load(config.read_text())
    rows = [{"instruction": f"Write a sentence about a {job}.", "response": "w"} for job in JOBS]
    instructions = tmp_path / "instructions.jsonl"
    instructions.write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = {"path": str(instructions), "objective": "instruction"}
    settings["data"].update(train=[{"class_path": "JsonlSource", "init_args": source}], test=[])
    callbacks = settings["trainer"]["callbacks"] = settings["trainer"]["callbacks"][2:3]
    judge = {"model": str(MODELS / "chat"), "api_key_env": None, "max_tokens": 100, "cache_dir": None}
    callbacks[0]["init_args"]["held_out_judges"] = [{"class_path": "LLMJudge", "init_args": judge}]
    callbacks[0]["init_args"]["prompts_per_dataset"] = 2
    config.write_text(yaml.safe_dump(settings))
    template = tmp_path / "template.jinja"
    template.write_text(TEMPLATE)
    address = tmp_path / "run" / "judge-address"
    small = ("--dtype", "float32", "--enforce-eager", "--max-num-seqs", "8", "--chat-template", str(template))
    env = {"JUDGE_FILE": str(address), "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    server = submit(slurm, tmp_path, *ONE_TASK, "slurm/judge.sbatch", judge["model"], *small, PYTHON=str(VLLM), **env)
    fit = submit(
        slurm, tmp_path, *ONE_TASK, f"--dependency=after:{server}", "slurm/fit.sbatch", "--config", str(config), **env
    )
    assert slurm.wait_for(fit, 400)["JobState"] == "COMPLETED", output(tmp_path)
    assert slurm.state(server)["JobState"] == "RUNNING"
    slurm.command("scancel", server)
    assert slurm.wait_for(server)["JobState"] == "CANCELLED"
    assert not address.exists()
    verdicts = Ledger(tmp_path / "run" / "run" / "rounds" / "round-000").read_table("verdicts")
    replies = [row["detail"] for row in verdicts if row["judge"] == "llm"]
    assert len(replies) == 2 * (7 + 1)
    assert all("asked 2 times" in reply for reply in replies)  # the model of this server writes no ratings


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.stem)
def test_slurm_accepts_every_script(slurm: MiniSlurm, script: Path) -> None:
    slurm.command("sbatch", "--test-only", str(script))
    slurm.command("sbatch", "--test-only", "--nodes=2", str(script))


@pytest.mark.skipif(shutil.which("shellcheck") is None, reason="no shellcheck (apt-get install shellcheck)")
def test_shellcheck_has_nothing_to_say() -> None:
    done = subprocess.run(["shellcheck", *SCRIPTS, ROOT / ".ci" / "run"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) != 0
