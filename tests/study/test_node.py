"""A node on the disk: its record, its lock, its commands."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from reset_pl.study.node import Attempt, Outcome, claim, last_line, read_record, write_record


def finished(run: Path, lines: Sequence[Sequence[str]]) -> Outcome:
    lock = claim(run)
    assert lock is not None
    attempt = Attempt(run, lock, lines, dict(os.environ))
    while (outcome := attempt.poll()) is None:
        time.sleep(0.02)
    attempt.release()
    return outcome


def test_records_come_back(tmp_path: Path) -> None:
    assert read_record(tmp_path / "run") is None
    write_record(tmp_path / "run", {"status": "complete", "error": None})
    assert read_record(tmp_path / "run") == {"status": "complete", "error": None}
    (tmp_path / "run" / "node.json").write_text("{")
    assert read_record(tmp_path / "run") is None


def test_a_node_is_one_workers_until_it_lets_go(tmp_path: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from reset_pl.study.node import claim; print(claim(Path(sys.argv[1])))"
    )

    def other_gets() -> str:
        return subprocess.run(
            [sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True
        ).stdout.strip()

    lock = claim(tmp_path)
    assert lock is not None
    assert other_gets() == "None"
    lock.close()
    assert other_gets() != "None"


def test_commands_run_one_after_the_other(tmp_path: Path) -> None:
    outcome = finished(tmp_path, [["--version"], ["--help"]])
    assert (outcome.status, outcome.error) == ("complete", None)
    log = (tmp_path / "node.log").read_text().splitlines()
    assert log[0] == "$ python -m reset_pl --version"
    assert log[2] == "$ python -m reset_pl --help"
    assert log[3].startswith("usage: ")


def test_a_command_that_fails_is_the_last(tmp_path: Path) -> None:
    outcome = finished(tmp_path, [["--version"], ["nonsense"], ["--help"]])
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error.startswith("error: expected a command (fit, ")
    assert "usage: " not in (tmp_path / "node.log").read_text()


@pytest.mark.parametrize(
    ("output", "code", "said"),
    [
        ("before\nerror: no such file\nreport: x\n", 2, "error: no such file"),
        ("Traceback (most recent call last):\n  File …\nValueError: bad\n\n", 1, "ValueError: bad"),
        ("10%\r50%\rOSError: disk\r", 1, "OSError: disk"),
        ("", 3, "exit status 3"),
        ("training 12/40\n", -9, "killed by SIGKILL"),
        ("saved\n", 75, "it was told to stop"),
        ("x" * 3000, 1, "x" * 500),
    ],
)
def test_what_a_command_said_last(output: str, code: int, said: str, tmp_path: Path) -> None:
    log = tmp_path / "node.log"
    log.write_text("error: of the command before\n" + output)
    assert last_line(log, len("error: of the command before\n"), code) == said
