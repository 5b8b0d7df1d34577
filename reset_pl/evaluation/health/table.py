"""Judge health as plain text for the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from reset_pl.evaluation import numbers
from reset_pl.evaluation.health.health import judged_twice, kinds_of
from reset_pl.records import Status

__all__ = ["format_health"]

_GAP = "  "
_LEGEND = (
    "top, bottom: share of the candidates at the judge's highest and lowest score; alike: prompts whose different\n"
    "answers all got the same score; length: rank correlation of score and length within prompts (over all of them)"
)


def format_health(report: Mapping[str, Any]) -> str:
    """Small tables (judges, agreement, answers judged twice, means on the references) and the warnings."""
    rounds = report["rounds"]
    title = (
        f"{', '.join(entry['name'] for entry in rounds)}: "
        f"{numbers.count(sum(entry['candidates'] for entry in rounds))} candidates and "
        f"{numbers.count(sum(entry['references'] for entry in rounds))} references"
    )
    blocks = [title, _judges(report["judges"]), _LEGEND]
    if report["agreement"]:
        blocks.append(_agreement(report["agreement"]))
    blocks += [block for block in (_twice(report["judges"]), _drift(report["judges"])) if block]
    blocks.append("\n".join(f"warning: {line}" for line in report["warnings"]) or "no warnings")
    return "\n\n".join(blocks) + "\n"


def _judges(judges: Mapping[str, Any]) -> str:
    kinds = kinds_of(judges)
    has_cost = any(judge["all"]["cost"] for judge in judges.values())
    heading = ["judge", "data set", *kinds, *(["cost"] if has_cost else [])]
    rows = [[*heading, "mean", "sd", "top", "bottom", "values", "alike", "length", "(all)"]]
    for name, judge in judges.items():
        for k, (dataset, entry) in enumerate(_by_dataset(judge)):
            counts = [
                _failed(entry) if kind is Status.FAILED else numbers.count(entry["verdicts"][kind]) for kind in kinds
            ]
            cost = [f"${entry['cost']:,.2f}"] if has_cost else []
            rows.append(["" if k else name, dataset, *counts, *cost, *_scores(entry)])
    return _aligned(rows, left=2)


def _by_dataset(entry: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """All data sets together, then each; a single one stands for itself."""
    sets = list(entry["datasets"].items())
    return [("all", entry["all"]), *sets] if len(sets) != 1 else sets


def _scores(entry: Mapping[str, Any]) -> list[str]:
    score, length = entry["score"] or {}, entry["length"] or {}
    within = length.get("within")
    return [
        *(numbers.score(score.get(key)) for key in ("mean", "sd")),
        *(numbers.share(score.get(key)) for key in ("ceiling", "floor")),
        numbers.count(score.get("distinct")),
        numbers.share(score.get("undecided")),
        numbers.signed(within["mean"] if within else None),
        f"({numbers.signed(length.get('pooled'))})",
    ]


def _failed(entry: Mapping[str, Any]) -> str:
    """Number of failures, with the interval of their rate where there are any."""
    rate, count = entry["failure_rate"], entry["verdicts"][Status.FAILED]
    if not count:
        return "0"
    return f"{numbers.count(count)} [{numbers.share(rate['low'])}, {numbers.share(rate['high'])}]"


def _agreement(pairs: Sequence[Mapping[str, Any]]) -> str:
    measures = {"kappa": "kappa", "weighted_kappa": "weighted", "spearman": "Spearman", "spearman_within": "in prompts"}
    measures |= {"kendall": "tau-b"}
    rows = [["two judges", "data set", "n", *measures.values(), "difference", "same choice", "(chance)"]]
    for pair in pairs:
        for k, (dataset, entry) in enumerate(_by_dataset(pair)):
            choice = entry["same_choice"]
            rows.append(
                [
                    "" if k else ", ".join(pair["judges"]),
                    dataset,
                    numbers.count(entry["n"]),
                    *(numbers.score(entry[key]) for key in measures),
                    numbers.signed(entry["mean_difference"]),
                    numbers.share(choice["rate"]),
                    f"({numbers.share(choice['chance'])})",
                ]
            )
    return _aligned(rows, left=2)


def _twice(judges: Mapping[str, Any]) -> str:
    """Answers judged twice; judges that gave them the same scores share a line."""
    twice, same = judged_twice(judges)
    rows = [["judged twice", "what", "pairs", "identical", "mean |difference|", "sd", "correlation"]]
    for name, what, entry in twice:
        measures = [numbers.score(entry[key]) for key in ("mean_absolute", "sd", "correlation")]
        rows.append([name, what, numbers.count(entry["n"]), numbers.share(entry["identical"]), *measures])
    blocks = [_aligned(rows, left=2)] if twice else []
    blocks += [f"equal answers got equal scores from {', '.join(same)}"] if same else []
    return "\n\n".join(blocks)


def _drift(judges: Mapping[str, Any]) -> str:
    """The mean score of the references by round, where there are several rounds."""
    rounds = [{entry["round"]: entry["mean"] for entry in judge["drift"]["rounds"]} for judge in judges.values()]
    if not rounds or len(rounds[0]) < 2:
        return ""
    rows = [[name, *map(numbers.score, own.values())] for name, own in zip(judges, rounds, strict=True)]
    return _aligned([["mean on the references", *rounds[0]], *rows])


def _aligned(rows: Sequence[Sequence[str]], left: int = 1) -> str:
    """A table with a ruled heading; the first ``left`` columns are words."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = [
        _GAP.join(
            cell.ljust(w) if k < left else cell.rjust(w) for k, (cell, w) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    ]
    return "\n".join([lines[0].rstrip(), "─" * max(map(len, lines)), *(line.rstrip() for line in lines[1:])])
