"""Worker processes: results by task, errors as they were raised, no process left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import pytest

from reset_pl.errors import InputError
from reset_pl.preparation.workers import Call, Workers


def double(number: int) -> int:
    if number < 0:
        raise InputError(f"expected a number of at least 0, but got {number}")
    return 2 * number


def killed(number: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def who() -> int:
    return os.getpid()


@pytest.mark.parametrize("number", [1, 2])
def test_every_result_belongs_to_its_task(number: int) -> None:
    with Workers(number) as workers:
        assert dict(workers.map(double, [(n,) for n in range(20)])) == {n: 2 * n for n in range(20)}
        assert dict(workers.map(double, [])) == {}
        with pytest.raises(InputError, match="at least 0, but got -1"):
            list(workers.map(double, [(1,), (-1,), (2,)]))
        assert dict(workers.map(double, [(3,), (4,)])) == {0: 6, 1: 8}


@pytest.mark.parametrize("number", [1, 2])
def test_calls_may_be_added_while_others_are_made(number: int) -> None:
    calls: deque[Call] = deque([(1, double, (1,))])
    seen = []
    with Workers(number) as workers:
        for tag, result in workers.run(calls):
            seen.append((tag, result))
            if tag < 4:
                calls.append((tag + 1, double, (result,)))
    assert seen == [(1, 2), (2, 4), (3, 8), (4, 16)]


def test_with_one_all_runs_in_this_process() -> None:
    with Workers(1) as workers:
        assert {pid for _, pid in workers.map(who, [(), ()])} == {os.getpid()}
    with Workers(2) as workers:
        assert os.getpid() not in {pid for _, pid in workers.map(who, [(), ()])}


def test_a_killed_worker_is_said_in_one_line() -> None:
    with Workers(2) as workers, pytest.raises(InputError, match="memory ran out: .* smaller --num_proc"):
        list(workers.map(killed, [(0,), (1,)]))


def test_less_than_one_is_refused() -> None:
    with pytest.raises(InputError, match="--num_proc of at least 1"):
        Workers(0)


PARENT = """
import time
from reset_pl.preparation.workers import Workers
if __name__ == "__main__":
    with Workers(2) as workers:
        for _, pid in workers.map(__import__("os").getpid, [(), ()]):
            print(pid, flush=True)
        time.sleep(60)
"""


@pytest.mark.integration
def test_workers_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    (tmp_path / "parent.py").write_text(PARENT)
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    command = [sys.executable, str(tmp_path / "parent.py")]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = {int(parent.stdout.readline()) for _ in range(2)}
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
        parent.kill()
    deadline = time.monotonic() + 20
    while any(Path(f"/proc/{pid}").exists() for pid in pids):
        assert time.monotonic() < deadline, "a worker outlived its parent"
        time.sleep(0.05)
