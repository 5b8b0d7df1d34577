"""The command line of ``python -m reset_pl study``."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from jsonargparse import ArgumentParser

from reset_pl.arguments import OneLineErrors
from reset_pl.errors import InputError
from reset_pl.interruption import STATUS, catch_signals
from reset_pl.progress import say
from reset_pl.study.graph import Study, read_study
from reset_pl.study.node import read_record
from reset_pl.study.run import Worker, refuse_changes

_SCRIPT = "slurm/study.sbatch"


def run(
    study: str,
    out: str | None = None,
    seeds: list[int] | None = None,
    arms: list[str] | None = None,
    jobs: int | None = None,
    dry_run: bool = False,
    slurm: bool = False,
) -> int:
    """Run every arm of a study with every seed: each a run of its own, what they share once.

    Start the same command again after whatever ended it: what is complete stays, what was interrupted goes on, what
    failed is tried again. Several may work on one directory at a time.

    Args:
        study: The study's YAML file (docs/study.md).
        out: The study's directory; runs/study-NAME when not given.
        seeds: Only these of the study's seeds.
        arms: Only these arms, and what they rest on.
        jobs: Runs at a time, as the file says when not given; with --slurm the tasks of the array.
        dry_run: Print what there is to run, and run nothing.
        slurm: Submit it as one Slurm array.

    Returns:
        The exit status.
    """
    path = Path(study)
    content = read_study(path)
    directory = _shortened(Path(out) if out else Path("runs") / f"study-{path.stem}")
    nodes = content.nodes(arms, seeds)
    refuse_changes(content, directory, nodes)
    if jobs is not None and jobs < 1:
        raise InputError(f"expected --jobs of at least 1, but got {jobs}")
    if dry_run:
        _print_plan(content, directory, arms, seeds)
        return 0
    if slurm:
        return _submit(path, directory, seeds, arms, jobs or content.jobs)
    status = Worker(content, directory, nodes, jobs or content.jobs).run()
    if status != STATUS:
        _write_results(directory)
    return status


def _write_results(directory: Path) -> None:
    """Tables and figures of what there is; another process draws, whose libraries take a while to load."""
    from reset_pl.study.table import write_tables

    say(f"tables: {write_tables(directory)}")
    command = [sys.executable, "-m", "reset_pl", "figures", str(directory)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    said = (done.stdout if done.returncode == 0 else done.stderr).strip().splitlines()
    say(said[-1] if said else f"figures: exit status {done.returncode}")


def _shortened(path: Path) -> Path:
    """The same directory, said in one way: the commands name it, and a run's settings bind it."""
    path, here = path.resolve(), Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


def _print_plan(study: Study, directory: Path, arms: Sequence[str] | None, seeds: Sequence[int] | None) -> None:
    nodes = study.nodes(arms, seeds)
    for node in nodes:
        status = (read_record(directory / node.path) or {}).get("status", "to be run")
        needs = ", ".join(map(str, study.needs(node)))
        print(f"{node}: {status}" + (f", after {needs}" if needs else ""))  # noqa: T201
        for line in study.command_lines(node, directory):
            print("  python -m reset_pl " + " ".join(line))  # noqa: T201
    print(f"{len(nodes)} runs, in {directory}", flush=True)  # noqa: T201


def _submit(path: Path, directory: Path, seeds: Sequence[int] | None, arms: Sequence[str] | None, tasks: int) -> int:
    """Submit the array, each task of which is a worker."""
    chosen = [str(word) for name, given in (("--seeds", seeds), ("--arms", arms)) if given for word in (name, *given)]
    command = ["sbatch", f"--array=0-{tasks - 1}", _SCRIPT, str(path), "--out", str(directory), *chosen]
    try:
        done = subprocess.run(command, check=False)
    except FileNotFoundError as error:
        raise InputError("expected Slurm's sbatch for --slurm, but there is none here: leave --slurm out") from error
    return done.returncode


class _Parser(OneLineErrors, ArgumentParser):
    """jsonargparse's parser, with our errors."""


def main(arguments: Sequence[str]) -> int:
    """Parse the arguments and run; returns the exit status."""
    catch_signals(signal.SIGINT)
    parser = _Parser(prog="python -m reset_pl study", description=(run.__doc__ or "").split("\n\n")[0])
    parser.add_function_arguments(run, as_group=False, as_positional=True, skip={"seeds", "arms", "dry_run", "slurm"})
    parser.add_argument("--seeds", type=int, nargs="+", help="Only these of the study's seeds.")
    parser.add_argument("--arms", type=str, nargs="+", help="Only these arms, and what they rest on.")
    parser.add_argument("--dry_run", action="store_true", help="Print what there is to run, and run nothing.")
    parser.add_argument("--slurm", action="store_true", help="Submit it as one Slurm array.")
    return run(**parser.parse_args(list(arguments)).as_dict())
