"""``python -m reset_pl doctor``: one line a check, status 1 if any is red."""

from __future__ import annotations

import os
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from reset_pl.doctor.finding import Finding, ok, red, warning
from reset_pl.errors import InputError

if TYPE_CHECKING:
    from reset_pl.configured import Fit

HELP = """\
usage: python -m reset_pl doctor --config FILE [any other option of fit]

Check that this machine can run this configuration: versions, devices and their memory, disk and directories, template
and tokenizer, judges (one short request to each endpoint), vLLM, Slurm. No weight is read and no run directory is
touched. The exit status is 0 where nothing is red, else 1; 2 where the configuration itself is refused.
"""

_COLOURS = {"ok": "32", "warning": "33", "red": "31"}
_T = TypeVar("_T")


def main(arguments: Sequence[str]) -> int:
    """Check and print.

    Args:
        arguments: What follows ``doctor`` on the command line: as for ``fit``.

    Returns:
        The exit status.

    Raises:
        InputError: The configuration is bad.
    """
    if any(argument in ("-h", "--help") for argument in arguments):
        print(HELP, end="")  # noqa: T201
        return 0
    has_hub = _prefer_the_cache()  # before anything imports the hub's client, which reads the variable once
    from reset_pl.configured import load_fit

    fit = load_fit(list(arguments))
    levels = []
    for finding in _findings(fit, has_hub):
        levels.append(finding.level)
        print(_line(finding, colour=sys.stdout.isatty() and not os.environ.get("NO_COLOR")), flush=True)  # noqa: T201
    print(", ".join(f"{levels.count(level)} {level}" for level in ("red", "warning", "ok")))  # noqa: T201
    return 1 if "red" in levels else 0


def _findings(fit: Fit, has_hub: bool) -> Iterator[Finding]:
    from reset_pl.doctor import judges, machine, storage, surroundings, versions
    from reset_pl.planning.hardware import hardware_of
    from reset_pl.planning.memory import BYTES
    from reset_pl.planning.plan import disk_of, memory_of, size_of

    yield from _guarded("packages", versions.check_versions)
    if not has_hub:
        yield ok("hub", "not reachable, or switched off: models are looked for in folders and in the cache only")
    hardware = hardware_of(fit.settings.trainer)
    samplers = [callback.sampler for callback in fit.callbacks if hasattr(callback, "sampler")]
    size, problem = _tried(lambda: size_of(fit))
    if problem is not None:
        yield red("model", problem)
    memory = memory_of(fit, hardware, size) if size else None
    yield from _guarded("devices", lambda: machine.check_devices(hardware, memory, samplers))
    yield from _guarded("deepspeed", lambda: machine.check_strategy(hardware))
    run_dir = Path(fit.settings.trainer.default_root_dir)
    yield from storage.check_disk(run_dir, disk_of(fit, hardware, size) if size else None)
    yield from storage.check_directories(_directories(fit, run_dir, samplers))
    if size:
        for folder in _export_folders(samplers):
            room = size.parameters * BYTES[fit.settings.model.init_args.dtype]
            yield from storage.check_export_room(folder, room)
    yield from storage.check_shared_memory(hardware.processes, fit.data.num_workers)
    yield from _guarded("data", lambda: _data(fit))
    yield from _guarded("template", lambda: _model(fit, has_model=size is not None))
    configured = [
        judge
        for callback in fit.callbacks
        for judge in [*getattr(callback, "judges", []), *getattr(callback, "held_out_judges", [])]
    ]
    yield from _guarded("judges", lambda: judges.check_judges(configured))
    yield from _guarded("vllm", lambda: surroundings.check_samplers(samplers))
    yield from _guarded("slurm", lambda: surroundings.check_slurm(hardware))


def _model(fit: Fit, *, has_model: bool) -> Iterator[Finding]:
    from transformers import AutoConfig

    from reset_pl.doctor.model import check_length, check_template

    yield from check_template(fit.data.encoder)
    if has_model:
        yield from check_length(fit.data.max_length, AutoConfig.from_pretrained(fit.settings.model.init_args.model))


def _data(fit: Fit) -> Iterator[Finding]:
    """Whether the data are there; sets that would be downloaded are left alone."""
    from reset_pl.data.sets import PUBLISHED_SETS

    problems = set()
    data = fit.data
    for split, sources in (
        ("train", data.train_sources),
        ("validation", data.validation_sources),
        ("test", data.test_sources),
    ):
        if any(isinstance(source, PUBLISHED_SETS) for source in sources):
            yield warning("data", f"data.{split} reads published sets at each start", "prepare them once")
            continue
        sets, problem = _tried(lambda split=split: data.examples(split))  # type: ignore[misc]
        if problem is not None and problem not in problems:
            problems.add(problem)
            yield red("data", problem)
        elif sets:
            yield ok("data", f"{split}: " + ", ".join(f"{name} {len(rows):,}" for name, rows in sets.items()))


# ---------------------------------------------------------------------- where things are written


def _directories(fit: Fit, run_dir: Path, samplers: list[object]) -> dict[str, Path]:
    wanted = {"--trainer.default_root_dir": run_dir}
    for callback in fit.settings.trainer.callbacks or []:
        for judge in (callback.get("init_args") or {}).get("judges") or []:
            folder = (judge.get("init_args") or {}).get("cache_dir")
            if folder:
                wanted["judges.cache_dir"] = Path(folder).expanduser()
    for folder in _export_folders(samplers):
        wanted["sampler.export_dir"] = folder
    return wanted


def _export_folders(samplers: list[object]) -> list[Path]:
    """Where the vLLM samplers take the weights from, by their own rule."""
    from reset_pl.sampling.vllm import VllmSampler

    own = [sampler.export_dir for sampler in samplers if isinstance(sampler, VllmSampler)]
    return sorted({Path(folder or os.environ.get("SLURM_TMPDIR") or tempfile.gettempdir()) for folder in own})


# ---------------------------------------------------------------------- running and printing


def _tried(make: Callable[[], _T]) -> tuple[_T | None, str | None]:
    """The value, or what is wrong."""
    try:
        return make(), None
    except InputError as error:
        return None, str(error)


def _guarded(subject: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    """The findings of a check; what it could not get over is a red one, and the other checks go on."""
    try:
        yield from check()
    except InputError as error:
        yield red(subject, str(error))
    except Exception as error:
        yield red(
            subject, f"the check itself failed: {type(error).__name__}: {error}", "mend what it names, or report it"
        )


def _prefer_the_cache() -> bool:
    """Whether the hub answers; where it does not, its client is told not to wait for it."""
    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "yes", "on"):
        return False
    if os.environ.get("HTTPS_PROXY") or os.environ.get("https_proxy"):
        return True  # only the proxy knows
    try:
        socket.create_connection(("huggingface.co", 443), timeout=3).close()
    except OSError:
        os.environ["HF_HUB_OFFLINE"] = "1"
        return False
    return True


def _line(finding: Finding, *, colour: bool) -> str:
    level = finding.level.ljust(len("warning"))
    if colour:
        level = f"\x1b[{_COLOURS[finding.level]}m{level}\x1b[0m"
    fix = f" → {finding.fix}" if finding.fix else ""
    return f"{level}  {finding.subject}: {finding.text}{fix}"
