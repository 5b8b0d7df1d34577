"""What a user should act upon, one line each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from reset_pl.evaluation import numbers

__all__ = ["warnings_of"]

_FAILURES = 0.01
"""Share of failed verdicts worth a look: at the paper's 112,000 candidates it is a thousand answers."""
_CEILING = 0.5
_UNDECIDED = 0.5
_LENGTH = 0.2
"""Mean correlation within prompts; Cohen calls .1 small and .3 medium."""
_AGREEMENT = 0.2
"""Rank correlation of two judges within prompts, below which they hardly choose alike."""
_NOISE = 0.5
"""Retest noise relative to the spread of a prompt's scores: beyond half of it the choice is a matter of luck."""


def warnings_of(report: Mapping[str, Any]) -> list[str]:
    """The warnings of a report of ``health_of``, retest included where there was one."""
    found = [line for name, judge in report["judges"].items() for line in _of_judge(name, judge)]
    found += [line for pair in report["agreement"] for line in _of_pair(pair)]
    if report["stray_verdicts"]:
        found.append(
            f"{numbers.count(report['stray_verdicts'])} verdicts are on candidates that candidates.parquet lacks: "
            "the tables are not of one round"
        )
    return found


def _of_judge(name: str, judge: Mapping[str, Any]) -> Iterator[str]:
    whole = judge["all"]
    failures, score = whole["failure_rate"], whole["score"]
    if failures and failures["rate"] > _FAILURES:
        yield (
            f"{name} failed on {numbers.share(failures['rate'])} of what it should have scored "
            f"({numbers.count(whole['verdicts']['failed'])} verdicts): read their detail in verdicts.parquet"
        )
    if score is None:
        yield f"{name} scored no candidate: it cannot have had a part in the selection"
    else:
        yield from _of_scores(name, score)
    length = whole["length"]["within"] if whole["length"] else None
    if not judge["held_out"] and length and abs(length["mean"]) > _LENGTH and length["low"] * length["high"] > 0:
        favoured = "longer" if length["mean"] > 0 else "shorter"
        yield (
            f"{name} scores the {favoured} answers to a prompt higher (rank correlation with length "
            f"{numbers.signed(length['mean'])}): selecting by it makes answers {favoured}; see if they are better, too"
        )
    yield from _of_consistency(name, judge)


def _of_scores(name: str, score: Mapping[str, Any]) -> Iterator[str]:
    if score["distinct"] == 1:
        yield f"{name} gave every candidate the score {numbers.score(score['mean'])}: it decides nothing"
    elif score["distinct"] > 2 and score["ceiling"] > _CEILING:
        yield (
            f"{name} gave its highest score to {numbers.share(score['ceiling'])} of the candidates: it cannot tell "
            "good from better; take a finer scale, a stricter prompt or harder instructions"
        )
    elif score["undecided"] is not None and score["undecided"] > _UNDECIDED:
        yield (
            f"{name} scored different answers alike in {numbers.share(score['undecided'])} of the prompts that had "
            "any: there it decides nothing"
        )


def _of_consistency(name: str, judge: Mapping[str, Any]) -> Iterator[str]:
    for what, again in (("equal answers", judge["repeats"]), ("the same answers a second time", judge["retest"])):
        spread = judge["all"]["score"]["sd_within"] if judge["all"]["score"] else None
        if again and again["sd"] and spread is not None and again["sd"] > _NOISE * spread:
            yield (
                f"{name} rated {what} differently: sd {numbers.score(again['sd'])} between two judgements, beside "
                f"{numbers.score(spread)} between the answers of a prompt; judge several times and take the mean"
            )
    if len(judge["versions"]) > 1:
        yield (
            f"{name} has {len(judge['versions'])} versions in these rounds ({'; '.join(judge['versions'])}): its "
            "scores are not of one scale"
        )
    if len(judge["models"]) > 1:
        yield f"{name} was answered by {len(judge['models'])} models ({', '.join(judge['models'])}): they may differ"
    silent = [entry["round"] for entry in judge["drift"]["rounds"] if not entry["verdicts"]]
    if silent:
        yield f"{name} said nothing in {', '.join(silent)}"
    for entry in judge["drift"]["differences"]:
        if entry["beyond_chance"]:
            change = entry["difference"]
            yield (
                f"{name} drifted: {numbers.signed(change['mean'])} [{numbers.signed(change['low'])}, "
                f"{numbers.signed(change['high'])}] on the references of {entry['round']} against those of "
                f"{judge['drift']['against']}; its scores of the two do not compare"
            )


def _of_pair(pair: Mapping[str, Any]) -> Iterator[str]:
    first, second = pair["judges"]
    whole = pair["all"]
    within = whole["spearman_within"]
    if within is not None and within < _AGREEMENT:
        yield (
            f"{first} and {second} order the answers to a prompt differently (rank correlation "
            f"{numbers.signed(within)}, weighted kappa {numbers.score(whole['weighted_kappa'])}): read some answers on "
            "which they differ, and find which judge is wrong"
        )
