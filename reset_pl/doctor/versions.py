"""Versions against the ranges of the package's metadata, and against those that all tests have passed with."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

from reset_pl.doctor.finding import Finding, ok, red, warning

TESTED = {
    "datasets": "5.2.0",
    "deepspeed": "0.19.8",
    "jsonargparse": "4.53.0",
    "lightning": "2.6.6",
    "numpy": "2.4.6",
    "openai": "3.52.0",
    "peft": "0.21.2",
    "pyarrow": "26.0.1",
    "tokenizers": "0.23.3",
    "torch": "2.13.0",
    "torchmetrics": "1.9.0",
    "transformers": "5.19.0",
}
"""Package → version in constraints.txt, which an installed package does not carry along."""
TESTED_PYTHON = "3.11"
TESTED_VLLM = "0.32"


def check_versions() -> Iterator[Finding]:
    """One line for Python, one for all packages that are as tested, one for each that is not."""
    own = platform.python_version()
    if own.startswith(f"{TESTED_PYTHON}."):
        yield ok("python", own)
    else:
        yield warning(
            "python", f"{own}; tested with {TESTED_PYTHON}", f"use Python {TESTED_PYTHON} if something breaks"
        )
    ranges = _ranges()
    as_tested = []
    for name in sorted(TESTED | ranges):
        finding = _package(name, ranges.get(name))
        if finding is None:
            as_tested.append(name)
        else:
            yield finding
    yield ok("packages", f"{len(as_tested)} within their ranges and as tested where that is known")


def _ranges() -> dict[str, Requirement]:
    """What ``reset_pl`` requires here; nothing where it runs from a folder that was not installed."""
    try:
        found = [Requirement(line) for line in requires("reset_pl") or []]
    except PackageNotFoundError:
        return {}
    return {each.name: each for each in found if each.marker is None or each.marker.evaluate({"extra": ""})}


def _package(name: str, wanted: Requirement | None) -> Finding | None:
    """What is to be said of a package, if anything."""
    mend = f"pip install '{name}=={TESTED[name]}'" if name in TESTED else f"pip install '{wanted}'"
    try:
        found = version(name)
    except PackageNotFoundError:
        return red(name, "not installed", mend) if wanted is not None else None
    if wanted is not None and not wanted.specifier.contains(found, prereleases=True):
        return red(name, f"{found} is outside {wanted.specifier}", mend)
    if name in TESTED and found.split("+")[0] != TESTED[name]:
        return warning(name, f"{found}; tested with {TESTED[name]}", f"{mend}, if something breaks")
    return None
