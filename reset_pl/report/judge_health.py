"""The section *Judges* of a run's report, and the same as a page of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from reset_pl.errors import InputError
from reset_pl.evaluation.health.health import judge_health, judged_twice, kinds_of, with_retests
from reset_pl.report.judge_pictures import FRAME, pictures_of
from reset_pl.report.templates import environment

__all__ = ["PAGE", "REPORT", "page_of", "section_of", "section_of_run"]

REPORT = "judge-health.json"
"""What ``judge-health`` writes into a run; its retests are shown by the run's report."""

PAGE = "judge-health.html"
"""The same to look at."""


def page_of(report: Mapping[str, Any]) -> str:
    """The page."""
    return environment().get_template("judge_health.html").render(section_of(report))


def section_of(report: Mapping[str, Any]) -> dict[str, Any]:
    """What ``report_judges.html`` shows."""
    return {
        "health": report,
        "health_pictures": pictures_of(report),
        "health_twice": judged_twice(report["judges"])[0],
        "health_kinds": kinds_of(report["judges"]),
        "frame": FRAME,
    }


def section_of_run(run_dir: Path, rounds: Sequence[Path]) -> tuple[dict[str, Any], str]:
    """The section of a run's finished rounds, and a note where it cannot be made; an empty section is left out."""
    try:
        report = judge_health(rounds) if rounds else None
    except InputError as error:
        return {"health": None}, str(error)
    return section_of(with_retests(report, _retests_in(run_dir / REPORT))) if report else {"health": None}, ""


def _retests_in(path: Path) -> dict[str, Any]:
    """Judge → its retest, of the report that the command wrote; nothing where there is none that can be read."""
    try:
        judges = json.loads(path.read_text(encoding="utf-8"))["judges"]
        return {name: judge["retest"] for name, judge in judges.items() if judge["retest"]}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return {}
