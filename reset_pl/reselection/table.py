"""What the command says on the terminal: what was selected, and how much it hangs on the weights."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from reset_pl.evaluation import numbers
from reset_pl.evaluation.round_notes import reason_of

_CHANGES = {
    "other_best": "another best answer",
    "newly_selected": "newly selected",
    "newly_left_out": "newly left out",
}


def summary_of(manifest: Mapping[str, Any], round_weights: Mapping[str, float]) -> str:
    """A table of the data sets, then what was left out and what changed.

    Args:
        manifest: Of the selection.
        round_weights: Aspect → weight in the round's own selection.
    """
    columns = ("prompts", "selected", "answers")
    rows = [["data set", *columns, "tie", "best", "random"]]
    for name, counts in manifest["counts_per_dataset"].items():
        scores, tie = manifest["mean_score_per_dataset"][name], manifest["rates_per_dataset"][name]["tie"]
        rows.append([
            name, *(numbers.count(counts[key]) for key in columns), numbers.share(tie),
            numbers.score(scores["best"]), numbers.score(scores["random"]),
        ])  # fmt: skip
    lines = numbers.aligned(rows)
    before = "" if manifest["weights"] == round_weights else f" (the round's: {_weights(round_weights)})"
    lines.append(f"weights: {_weights(manifest['weights'])}{before}")
    if left_out := manifest["left_out"]:
        lines.append(f"left out: {'; '.join(f'{numbers.count(n)} {reason_of(key)}' for key, n in left_out.items())}")
    changed = manifest["changed"]
    kinds = [f"{numbers.count(changed[key])} {words}" for key, words in _CHANGES.items() if changed[key]]
    detail = f" ({', '.join(kinds)})" if kinds else ""
    total = numbers.count(manifest["counts"]["prompts"])
    lines.append(f"otherwise than in the round: {numbers.count(changed['prompts'])} of {total} prompts{detail}")
    return "\n".join(lines)


def sensitivity_table(sensitivity: Mapping[str, Any]) -> str:
    """Share of each data set's prompts that other weights would give another text than the round chose."""
    heading = [f"{weight:g}" for weight in sensitivity["weights"]]
    rows = [["weight", *heading]]
    rows += [[name, *map(numbers.share, shares)] for name, shares in sensitivity["changed"].items()]
    lines = [
        *numbers.aligned(rows),
        "",
        "share of the prompts that would be given another text than the round chose, by the weight of faithfulness",
        "(of instruction following on instructions) beside a task weight of 1; the paper's weight is 2",
    ]
    return "\n".join(lines) + "\n"


def _weights(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{aspect} {weight:g}" for aspect, weight in weights.items())
