"""Commands to run it again and to look further can be typed as they stand."""

from __future__ import annotations

import shlex
from pathlib import Path

from reset_pl.__main__ import COMMANDS
from reset_pl.evaluation.results import read_run
from reset_pl.report.provenance import provenance_of


def test_commands_of_a_run(run_dir: Path) -> None:
    odd = run_dir.rename(run_dir.with_name("a run; with 'odd' name"))
    content = provenance_of(read_run(odd))
    lines = [shlex.split(line) for line, _ in content["commands"]]
    assert [line[3] for line in lines] == ["why", "select", "judge-health", "report", "figures"]
    assert {line[3] for line in lines} <= {*COMMANDS, "report"}
    assert lines[0][4:] == ["mini_instruct/0000", "--run", str(odd)]
    assert lines[1][4] == str(odd / "rounds" / "round-001")
    assert content["facts"] == {"commit": "4bfa68d", "seed": 7, "host": "laptop"}


def test_a_run_without_rounds_has_no_example_to_tell_of(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("{}")
    content = provenance_of(read_run(tmp_path))
    assert [line for line, _ in content["commands"]] == [f"python -m reset_pl report {tmp_path}"]
    assert (content["command"], content["facts"]) == (None, {})
