"""What a run is still at, as far as its files tell: a page of a run that goes on shows the run of a moment."""

from __future__ import annotations

from datetime import UTC, datetime

import yaml

from reset_pl.evaluation.results import Run
from reset_pl.evaluation.stage_names import stage_order
from reset_pl.run_directory import settings_of_rounds

__all__ = ["unfinished"]

_ARTIFACTS = ("training.jsonl", "evaluation/*", "evaluation/predictions/*/*", "rounds/*/*", "rounds/*/parts/*")


def unfinished(run: Run) -> str | None:
    """What the run is still at, and of which moment its newest artifact is.

    Returns:
        A clause without its full stop; None for a run that reached the end of its last configured round, and where
        neither its rounds nor ``config.yaml`` tell.
    """
    doing = _doing(run)
    if doing is None:
        return None
    times = [path.stat().st_mtime for pattern in _ARTIFACTS for path in run.path.glob(pattern) if path.is_file()]
    if not times:
        return doing
    return f"{doing}; this page shows the run as of {datetime.fromtimestamp(max(times), UTC):%Y-%m-%d %H:%M} UTC"


def _doing(run: Run) -> str | None:
    last = run.rounds[-1] if run.rounds else None
    wanted = _configured_rounds(run.config)
    if last is None:
        is_tuning = (run.path / "training.jsonl").exists()  # ``test`` leaves the settings of a fit, and tunes nothing
        return f"none of its {wanted} rounds has begun" if wanted and is_tuning else None
    if not last.is_complete:
        return f"round {last.number} is being drawn and judged"
    reached = max((stage.order[:2] for stage in run.stages if not stage.is_inside_stage), default=None)
    if reached is None or reached < stage_order(last.path.name)[:2]:
        if last.numbers("seconds").get("tune") is None:
            return f"the model is being tuned on what round {last.number} kept"
        if reached is not None:
            return f"the model of round {last.number} is being evaluated"
    done = last.number + 1
    return f"{done} of its {wanted} rounds {'is' if done == 1 else 'are'} done" if done < wanted else None


def _configured_rounds(config: str | None) -> int:
    """``rounds`` of ``ResetRounds``; 0 where the settings do not tell."""
    try:
        return int(settings_of_rounds(yaml.safe_load(config or ""))["rounds"])
    except (yaml.YAMLError, LookupError, TypeError, AttributeError, ValueError):
        return 0
