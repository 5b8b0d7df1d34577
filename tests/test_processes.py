"""How processes meet, and what Slurm says of them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch.distributed

from reset_pl.errors import InputError
from reset_pl.interruption import requested, undisturbed
from reset_pl.processes import SlurmJob, process_group_ended, status_when_interrupted


@pytest.fixture
def job(monkeypatch: pytest.MonkeyPatch) -> SlurmJob:
    given = {"NNODES": "2", "NTASKS": "16", "NTASKS_PER_NODE": "8", "JOB_NAME": "fit", "PROCID": "9", "LOCALID": "1"}
    for name, value in given.items():
        monkeypatch.setenv(f"SLURM_{name}", value)
    return SlurmJob()


def test_settings_must_fit_the_allocation(job: SlurmJob) -> None:
    assert not job.auto_requeue
    job.validate_settings(num_devices=8, num_nodes=2)
    with pytest.raises(
        InputError, match=r"expected --trainer.num_nodes 2, since this Slurm job has --nodes 2, but got 1"
    ):
        job.validate_settings(num_devices=8, num_nodes=1)
    with pytest.raises(InputError, match=r"expected --trainer.devices 8, .* --ntasks-per-node 8, but got 4"):
        job.validate_settings(num_devices=4, num_nodes=2)


def test_status(job: SlurmJob, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCAL_RANK", "1")  # set by DeepSpeed under Slurm too
    assert status_when_interrupted() == 75
    monkeypatch.delenv("SLURM_NTASKS")
    assert status_when_interrupted() == 0  # started by Lightning, which takes any other status for a crash
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert status_when_interrupted() == 75


def test_a_port_in_use_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        monkeypatch.setenv("MASTER_PORT", str(port))
        with pytest.raises(InputError, match=f"MASTER_PORT {port} is in use"), process_group_ended():
            torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=0, world_size=2)


def test_the_group_is_ended() -> None:
    with process_group_ended():
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        torch.distributed.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=0, world_size=1)
    assert not torch.distributed.is_initialized()


@pytest.mark.usefixtures("caught_signals")
def test_programs_started_undisturbed_outlive_the_signal_to_a_whole_job() -> None:
    with undisturbed():
        signal.raise_signal(signal.SIGUSR1)  # to this thread: another one of the tests has not blocked it
        assert not requested()
        spared = subprocess.Popen(["sleep", "60"])
    assert requested()
    other = subprocess.Popen(["sleep", "60"])
    for child in (spared, other):
        child.send_signal(signal.SIGUSR1)
    assert other.wait(10) == -signal.SIGUSR1
    assert spared.poll() is None
    spared.terminate()
    assert spared.wait(10) == -signal.SIGTERM


@pytest.mark.integration
@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux")
def test_a_rank_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    rank = "import time, reset_pl.processes as p; p.end_with_launcher(); print('waits', flush=True); time.sleep(300)"
    (tmp_path / "rank.py").write_text(rank)
    started = "import subprocess, sys; subprocess.Popen([sys.executable, sys.argv[1]]).wait()"
    env = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")} | {"LOCAL_RANK": "1"}
    launcher = subprocess.Popen(
        [sys.executable, "-c", started, str(tmp_path / "rank.py")], env=env, stdout=subprocess.PIPE, text=True
    )
    assert launcher.stdout is not None
    assert launcher.stdout.readline() == "waits\n"
    began = time.monotonic()
    launcher.kill()
    assert launcher.stdout.read() == ""  # once the rank, which holds the pipe, is gone
    assert time.monotonic() - began < 60
    launcher.wait()


@pytest.mark.parametrize(("ignored", "status"), [(True, 75), (False, -signal.SIGTERM)])
def test_a_signal_on_the_way_out_changes_no_exit_status(ignored: bool, status: int) -> None:
    """Python gives handlers their defaults back before it clears up; without ``ignore_signals`` a late one kills."""
    code = f"""
import os, sys
from reset_pl.interruption import STATUS, SIGNALS, catch_signals, ignore_signals
class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), signals=SIGNALS[::-1]):
        for number in signals:
            kill(pid, number)
late = Late()
catch_signals()
if {ignored}:
    ignore_signals()
sys.exit(STATUS)
"""
    process = subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parent.parent, timeout=60)
    assert process.returncode == status
