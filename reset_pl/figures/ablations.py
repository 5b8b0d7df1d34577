"""What an ablation varied, and what became of both objectives: a curve over numbers, dots over names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from reset_pl.figures.curves import Panel, curves
from reset_pl.figures.dots import SCORES, dots
from reset_pl.figures.subjects import NotPossible, Result, Source, Subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ablation"]

_XLABELS: Mapping[str, str] = {
    "mixing": "instructions in the mixture, %",
    "decoding": "decoding",
    "rounds": "rounds",
}
_ROUND = re.compile(r"round-(\d+)")


def ablation(source: Source, name: str) -> Figure:
    """The arms ``<name>_<value>`` of a study; the rounds of a run, or of the one arm ``rounds_<number>``.

    Args:
        source: A study or a run.
        name: ``mixing``, ``decoding`` or ``rounds``.

    Raises:
        NotPossible: There are not two such arms with a result, or not two such stages.
    """
    varied = _arms(source, name) if source.is_study else {}
    if name == "rounds" and len(varied) < 2:
        varied = _rounds(source, next(iter(varied.values())).name if varied else "")
    if name == "rounds" and len(varied) == 1 and not source.is_study:
        (number,) = varied
        raise NotPossible(
            f"needs scores before the rounds beside those after {number}: the run was not evaluated at its start "
            "(evaluate_start of callbacks.CheckpointEvaluation)"
        )
    if len(varied) < 2:
        wanted = f"two arms {name}_… of a study, with results" + (", or a run with rounds" if name == "rounds" else "")
        raise NotPossible(f"needs {wanted}")
    numbers = {float(value): subject for value, subject in varied.items() if _is_number(value)}
    if len(numbers) < len(varied):
        return dots(list(varied.values()), source.bars)
    return _curve(numbers, _XLABELS[name], f"score ({source.bars})")


def _arms(source: Source, name: str) -> dict[str, Subject]:
    return {
        subject.name.removeprefix(f"{name}_"): subject
        for subject in source.subjects
        if subject.name.startswith(f"{name}_")
    }


def _rounds(source: Source, arm: str) -> dict[str, Subject]:
    """Number of rounds → what stood after them, in a run or in an arm's; after none, what the first began with."""
    found: dict[str, list[Result]] = {}
    for result in source.evaluated.get(arm, ()):
        match = _ROUND.fullmatch(result.stage.name)
        if match and not result.stage.rolled_back:
            found.setdefault(str(int(match[1]) + 1), []).append(result)
    start = source.starts.get(arm or "round-000")
    if found and start:
        found["0"] = list(source.subject(start).results)
    several = source.num_seeds > 1
    return {
        number: Subject(name=arm, title=number, results=tuple(results), several_seeds=several)
        for number, results in found.items()
    }


def _is_number(value: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", value) is not None


def _curve(varied: Mapping[float, Subject], xlabel: str, ylabel: str) -> Figure:
    panel = Panel()
    for value, subject in sorted(varied.items(), key=lambda entry: entry[0]):
        for key in SCORES:
            score = subject.macro(key)
            if score:
                panel.lines.setdefault(key, []).append((value, score))
    if not panel.lines:
        raise NotPossible("needs macro averages")
    return curves([panel], xlabel, ylabel)
