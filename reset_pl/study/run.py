"""A worker: takes nodes that are ready, runs them, and ends when the study has ended."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml

from reset_pl.errors import InputError
from reset_pl.files import committed
from reset_pl.interruption import STATUS, requested
from reset_pl.progress import say
from reset_pl.provenance import command, commit
from reset_pl.study.graph import Node, Study
from reset_pl.study.node import Attempt, Outcome, claim, read_record, write_record

State = Literal["complete", "failed", "not run", "ready", "waiting"]
_PAUSE = 0.2  # seconds between two looks at the commands
_LOOK_AROUND = 2.0  # seconds between two looks at what other workers have done


def refuse_changes(study: Study, directory: Path, nodes: Sequence[Node]) -> None:
    """Check that complete nodes were made by the commands of now.

    Raises:
        InputError: One was not, or rests on an arm whose commands have changed since.
    """
    for node in nodes:
        record = read_record(directory / node.path) or {}
        if record.get("status") != "complete" or record.get("recipe") == study.recipe(node.arm):
            continue
        now = list(study.arms[node.arm].commands)
        what = f"by {record.get('commands')}, not by {now}" if record.get("commands") != now else "on other arms' runs"
        raise InputError(
            f"expected the commands of {node} as they were when it was made, but {directory / node.path} was made "
            f"{what}: give --out a new directory, or delete that run to have it made again"
        )


class Worker:
    """Runs what is left of a study, together with any other workers on the same directory.

    What there is to do follows from the disk alone: a node is complete by its record, ready when all that it needs is,
    and taken by a lock that ends with its holder. So nothing is run twice, and a restart needs no state.

    Args:
        study: The study.
        directory: Its directory.
        nodes: What to run, each behind what it needs.
        jobs: Nodes at a time.
    """

    def __init__(self, study: Study, directory: Path, nodes: Sequence[Node], jobs: int) -> None:
        self.study, self.directory, self.nodes, self.jobs = study, directory, list(nodes), jobs
        self._running: dict[Node, Attempt] = {}
        self._records: dict[Node, dict[str, Any]] = {}  # that will not change any more
        self._began = time.time()
        self._next_look = 0.0
        self._is_stopping = False
        self._env = environment_of(jobs)

    def run(self) -> int:
        """Work until nothing is left; the exit status: 0, 1 when a node failed, 75 when told to stop."""
        self._write_study()
        done = sum(self._state(node) == "complete" for node in self.nodes)
        say(f"study: {len(self.nodes)} runs, {done} complete, {self.jobs} at a time, in {self.directory}")
        while True:
            if requested() and not self._is_stopping:
                self._is_stopping = True
                for attempt in self._running.values():
                    attempt.interrupt()
            self._reap()
            if not requested():
                self._start_what_is_ready()
            if not self._running and (requested() or self._is_over()):
                break
            time.sleep(_PAUSE)
        return self._finish()

    # ------------------------------------------------------------------ what there is to do

    def _state(self, node: Node) -> State:
        record = self._record(node)
        if record.get("status") == "complete":
            return "complete"
        if record.get("status") == "failed" and record.get("ended", 0.0) >= self._began:  # an older one is tried again
            return "failed"
        needed = [self._state(one) for one in self.study.needs(node)]
        if any(state in ("failed", "not run") for state in needed):
            return "not run"
        return "ready" if all(state == "complete" for state in needed) else "waiting"

    def _record(self, node: Node) -> dict[str, Any]:
        if node not in self._records:
            record = read_record(self.directory / node.path) or {}
            if record.get("status") != "complete":
                return record
            self._records[node] = record
        return self._records[node]

    def _is_over(self) -> bool:
        return all(self._state(node) in ("complete", "failed", "not run") for node in self.nodes)

    # ------------------------------------------------------------------ work

    def _start_what_is_ready(self) -> None:
        if len(self._running) >= self.jobs or time.monotonic() < self._next_look:
            return
        for node in self.nodes:
            if len(self._running) >= self.jobs:
                return
            if node not in self._running and self._state(node) == "ready":
                self._try_to_start(node)
        self._next_look = time.monotonic() + _LOOK_AROUND

    def _try_to_start(self, node: Node) -> None:
        lock = claim(self.directory / node.path)
        if lock is None:
            return
        if self._state(node) != "ready":  # another worker has ended it between the look and the lock
            lock.close()
            return
        lines = self.study.command_lines(node, self.directory)
        self._running[node] = Attempt(self.directory / node.path, lock, lines, self._env)

    def _reap(self) -> None:
        for node, attempt in list(self._running.items()):
            outcome = attempt.poll()
            if outcome is None:
                continue
            if outcome.status != "interrupted":
                self._write_record(node, outcome)
            attempt.release()
            del self._running[node]
            self._next_look = 0.0
            self._say(node, outcome)

    def _write_record(self, node: Node, outcome: Outcome) -> None:
        record = {
            "arm": node.arm,
            "seed": node.seed,
            "status": outcome.status,
            "seconds": round(outcome.seconds, 1),
            "commands": list(self.study.arms[node.arm].commands),
            "error": outcome.error,
            "commit": commit(),
            "recipe": self.study.recipe(node.arm),
            "ended": time.time(),
        }
        write_record(self.directory / node.path, record)

    def _write_study(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        study = yaml.safe_dump(self.study.as_dict(), sort_keys=False, allow_unicode=True, width=1000)
        with committed(self.directory / "study.yaml") as file:
            file.write(f"# {' '.join(command().splitlines())}\n{study}".encode())

    # ------------------------------------------------------------------ words

    def _say(self, node: Node, outcome: Outcome) -> None:
        ended = sum(self._state(one) in ("complete", "failed", "not run") for one in self.nodes)
        why = f": {outcome.error}" if outcome.error else ""
        say(f"[{ended}/{len(self.nodes)}] {node}: {outcome.status} after {outcome.seconds:.0f} s{why}")

    def _finish(self) -> int:
        if requested():
            say("interrupted; the same command goes on from there")
            return STATUS
        states = {node: self._state(node) for node in self.nodes}
        self._note_what_was_not_run(states)
        counts = Counter(states.values())
        if counts["complete"] == len(self.nodes):
            say(f"study: all {len(self.nodes)} runs are complete, in {self.directory}")
            return 0
        failed = [str(node) for node, state in states.items() if state == "failed"]
        resting = f", {counts['not run']} that rest on them were not run" if counts["not run"] else ""
        say(
            f"study: {counts['complete']} of {len(self.nodes)} runs are complete; failed: {', '.join(failed)}{resting};"
            f" see {self.directory}/ARM/seed-N/node.log, and start the same command again"
        )
        return 1

    def _note_what_was_not_run(self, states: Mapping[Node, State]) -> None:
        for node, state in states.items():
            if state == "not run":
                why = [one for one in self.study.needs(node) if states[one] != "complete"]
                error = "rests on " + ", ".join(f"{one}, {states[one]}" for one in why)
                self._write_record(node, Outcome("not run", 0.0, error))
                say(f"{node}: not run, {error}")


def environment_of(jobs: int) -> dict[str, str]:
    """What the commands of a worker find: their share of the cores, and no word of the Slurm job around them.

    A fit that finds Slurm's variables takes itself for one of the job's tasks and leaves its other processes to Slurm.

    Args:
        jobs: Nodes at a time.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    env = {name: value for name, value in os.environ.items() if not name.startswith("SLURM_")}
    env.setdefault("OMP_NUM_THREADS", str(max(1, cores // jobs)))
    return env
