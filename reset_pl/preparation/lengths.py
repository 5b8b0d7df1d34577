"""How long prompts and responses are: a seeded sample of every set, counted in tokens or words, and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from io import StringIO
from typing import Any

import numpy as np

from reset_pl.data.prompts import render_input
from reset_pl.preparation.sets import PreparedSet
from reset_pl.records import stable_hash

SAMPLE = 1000
"""Rows of a set whose lengths are counted."""
QUANTILES = (0.5, 0.95, 1.0)

Lengths = dict[str, list[int]]
"""``prompt`` and ``response`` → one length a row; rows without a response have none."""


def lengths_of(prepared: PreparedSet, tokenizer: Any | None, seed: int) -> Lengths:
    """Lengths of a sample.

    Args:
        prepared: The set.
        tokenizer: A transformers tokenizer; words are counted without one.
        seed: Of the sample.

    Returns:
        Lengths of instruction and input together (without template) and of the response.
    """
    examples = prepared.examples
    rng = np.random.default_rng(stable_hash(seed, "lengths", prepared.title))
    rows = np.sort(rng.choice(len(examples), size=min(SAMPLE, len(examples)), replace=False))
    sample = [examples[int(row)] for row in rows]
    prompts = ["\n".join(filter(None, [example.instruction, render_input(example)])) for example in sample]
    responses = [example.response for example in sample if example.response is not None]
    return {"prompt": _count(prompts, tokenizer), "response": _count(responses, tokenizer)}


def _count(texts: list[str], tokenizer: Any | None) -> list[int]:
    if tokenizer is None or not texts:
        return [len(text.split()) for text in texts]
    return [len(ids) for ids in tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]]


def quantiles(lengths: Sequence[int]) -> list[int] | None:
    """Median, 95% quantile and maximum; none without lengths."""
    return [round(float(value)) for value in np.quantile(lengths, QUANTILES)] if lengths else None


def picture(lengths: Mapping[str, Lengths], unit: str, ink: str, fill: str) -> str:
    """Histograms of all sets, one below the other.

    Args:
        lengths: Title of a set → its lengths.
        unit: ``tokens`` or ``words``, for the axis.
        ink: Colour of text and axes.
        fill: Colour of the bars.

    Returns:
        An SVG.
    """
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    longest = max((max(values) for own in lengths.values() for values in own.values() if values), default=1)
    edges = np.geomspace(1, max(longest, 10) * 1.05, 33)
    ticks = [10**power for power in range(int(np.log10(edges[-1])) + 1)]
    height = 0.6 * len(lengths) + 1.1
    with rc_context({"font.family": "sans-serif", "font.size": 12, "svg.fonttype": "none", "svg.hashsalt": "reset_pl"}):
        figure = Figure(figsize=(5.6, height))
        left = min(0.5, 0.02 + 0.0165 * max(map(len, lengths)))  # room for the titles
        figure.subplots_adjust(left, 0.7 / height, 0.98, 1 - 0.4 / height, wspace=0.1, hspace=0.35)
        grid = figure.subplots(len(lengths), 2, sharex=True, squeeze=False)
        for row, (title, own) in zip(grid, lengths.items(), strict=True):
            row[0].set_ylabel(title, rotation=0, ha="right", va="center", color=ink)
            for axis, values in zip(row, own.values(), strict=True):
                axis.stairs(np.histogram(np.clip(values, 1, None), edges)[0], edges, fill=True, color=fill)
                axis.set(xscale="log", yticks=[], xlim=(1, edges[-1]))
                axis.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
                axis.minorticks_off()
                axis.spines[["left", "right", "top"]].set_visible(False)
                axis.spines["bottom"].set_color(ink)
                axis.tick_params(colors=ink, length=3)
        for axis, name in zip(grid[0], ("prompt", "response"), strict=True):
            axis.set_title(name, color=ink, fontsize=12)
        figure.supxlabel(f"{unit} (logarithmic)", color=ink, fontsize=12)
        file = StringIO()
        figure.savefig(file, format="svg", metadata={"Date": None}, transparent=True)
    return file.getvalue()
