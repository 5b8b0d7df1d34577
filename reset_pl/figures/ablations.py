"""What an ablation varied, and what became of both objectives: a curve over numbers, dots over names."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING

from reset_pl.figures.curves import Panel, curves
from reset_pl.figures.dots import SCORES, dots
from reset_pl.figures.subjects import NotPossible, Source, Subject

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
    """The arms ``<name>_<value>`` of a study; of a run, its rounds.

    Args:
        source: A study or a run.
        name: ``mixing``, ``decoding`` or ``rounds``.

    Raises:
        NotPossible: There are not two such arms with a result, or not two such stages.
    """
    varied = _arms(source, name) if source.is_study else _rounds(source) if name == "rounds" else {}
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


def _rounds(source: Source) -> dict[str, Subject]:
    """Number of rounds → the stage after them; what the first round began with is after none."""
    found = {
        str(int(match[1]) + 1): subject
        for subject in source.subjects
        if (match := _ROUND.fullmatch(subject.name)) and not subject.is_rolled_back
    }
    first = source.starts.get("round-000")
    before = [subject for subject in source.subjects if subject.name == first]
    return {**dict(zip("0", before, strict=False)), **found}


def _is_number(value: str) -> bool:
    return re.fullmatch(r"\d+(\.\d+)?", value) is not None


def _curve(varied: Mapping[float, Subject], xlabel: str, ylabel: str) -> Figure:
    panel = Panel()
    for value, subject in sorted(varied.items(), key=lambda entry: entry[0]):
        for key, title in SCORES.items():
            score = subject.macro(key)
            if score:
                panel.lines.setdefault(title, []).append((value, score))
    if not panel.lines:
        raise NotPossible("needs macro averages")
    return curves([panel], xlabel, ylabel)
