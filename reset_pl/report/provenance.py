"""How a run is run again, and which commands look further into it: what the section of its settings shows."""

from __future__ import annotations

import shlex
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from reset_pl.evaluation.results import Run

__all__ = ["provenance_of"]

_FACTS = ("commit", "seed", "host", "platform", "python")
_EXAMPLE = "EXAMPLE_ID"


def provenance_of(run: Run) -> dict[str, Any]:
    """What ``report_settings.html`` shows beside the stages."""
    environment = run.environment
    return {
        "command": _command(environment.get("command")),
        "facts": {key: environment[key] for key in _FACTS if environment.get(key) is not None},
        "commands": _commands(run),
        "config": run.config,
        "environment": [(key, value) for key, value in environment.items() if key != "command"],
    }


def _command(command: Any) -> str | None:
    """The command as it can be typed again."""
    return shlex.join(map(str, command)) if isinstance(command, list) else command


def _commands(run: Run) -> list[tuple[str, str]]:
    """Commands that can be typed as they stand, and what each does."""
    folder = shlex.quote(str(run.path))
    found = [(f"report {folder}", "writes this page anew")]
    complete = [one for one in run.rounds if one.is_complete]
    if complete:
        last = complete[-1].path
        found = [
            (f"why {shlex.quote(_some_example(run))} --run {folder}", "tells the whole life of one curated example"),
            (
                f"select {shlex.quote(str(last))} --selector.faithfulness_weight 4",
                "selects again, from what was judged",
            ),
            (f"judge-health {folder}", "looks at the judges"),
            *found,
        ]
    if run.stages:
        found.append((f"figures {folder}", "draws the paper's figures"))
    return [(f"python -m reset_pl {line}", what) for line, what in found]


def _some_example(run: Run) -> str:
    """An example of which the newest round that chose any chose an answer."""
    for one in reversed(run.rounds):
        try:
            ids = pq.read_table(one.path / "selected.parquet", columns=["example_id"])["example_id"]
        except (OSError, KeyError, pa.ArrowException):
            continue
        if len(ids):
            return str(ids[0].as_py())
    return _EXAMPLE
