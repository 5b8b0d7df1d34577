"""Agreement between two judges of one aspect that rated the same candidates."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reset_pl.evaluation.health.judged import JudgeColumns, Judged
from reset_pl.judging.agreement import cohen_kappa, kendall_tau, levels_of, same_choice, spearman, spearman_within

__all__ = ["agreement_of"]


def agreement_of(judged: Judged) -> list[dict[str, Any]]:
    """Every pair of judges of one aspect that scored a candidate in common, over all data sets and for each."""
    found = []
    for first, second in combinations(judged.judges, 2):
        common = first.is_scored & second.is_scored & ~judged.is_reference
        if first.aspect != second.aspect or not common.any():
            continue
        masks = {name: common & (judged.dataset == place) for place, name in enumerate(judged.datasets)}
        found.append(
            {
                "judges": [first.name, second.name],
                "aspect": first.aspect,
                "all": _agreement(judged, first, second, common),
                "datasets": {
                    name: _agreement(judged, first, second, mask) for name, mask in masks.items() if mask.any()
                },
            }
        )
    return found


def _agreement(judged: Judged, first: JudgeColumns, second: JudgeColumns, mask: NDArray[np.bool_]) -> dict[str, Any]:
    x, y = first.score[mask], second.score[mask]
    within = spearman_within(x, y, judged.prompt[mask])
    whole = mask & ~judged.is_truncated  # a truncated answer is not chosen
    return {
        "n": len(x),
        "levels": levels_of(x, y),
        "kappa": cohen_kappa(x, y),
        "weighted_kappa": cohen_kappa(x, y, weights="quadratic"),
        "spearman": spearman(x, y),
        "spearman_within": float(within.mean()) if len(within) else None,
        "kendall": kendall_tau(x, y),
        "mean_difference": float((y - x).mean()),
        "same_choice": same_choice(first.score[whole], second.score[whole], judged.prompt[whole], judged.text[whole]),
    }
