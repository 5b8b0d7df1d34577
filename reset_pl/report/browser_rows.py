"""One prompt as JSON for the report's browser: what its list needs, and what its page needs.

Scores are whole thousandths and probabilities whole hundredths: they are shown no finer, and are short so. Names that
repeat (judges, data sets, settings) are numbers into lists of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import chain
from typing import Any

from reset_pl.evaluation.results import Round
from reset_pl.judging.evidence import parse_span, parse_supports
from reset_pl.records import Example, Status, Verdict
from reset_pl.report.candidates import Judged, Prompt
from reset_pl.report.evidence import Grounding, Place, grounding_of, is_supported, span_of
from reset_pl.rounds.selection import Weights

__all__ = ["Names", "index_of", "texts_of", "words_of"]

_TITLE = 90


class Names:
    """The lists that numbers in the page stand for; they grow as prompts are read.

    Args:
        rounds: The run's rounds, whose manifests tell weights and held-out judges.
    """

    def __init__(self, rounds: Sequence[Round]) -> None:
        self._held_out = frozenset(chain.from_iterable(entry.held_out for entry in rounds))
        self._weights = {entry.number: asdict(Weights()) | entry.numbers("weights") for entry in rounds}
        self._lists: dict[str, dict[Any, int]] = {"sets": {}, "draws": {}, "judges": {}, "outs": {}}
        self.evidence: set[str] = set()
        """Which kinds of places the judges told: ``sentences``, ``spans``."""

    def number(self, kind: str, name: Any) -> int:
        """The number of a name, a new one if need be."""
        return self._lists[kind].setdefault(name, len(self._lists[kind]))

    def judge(self, verdict: Verdict) -> int:
        """The number of a verdict's judge; of another version it is another."""
        return self.number("judges", (verdict.judge, str(verdict.aspect), verdict.version))

    def to_json(self) -> dict[str, Any]:
        """The lists."""
        judges = [
            {"name": name, "aspect": aspect, "version": version, "heldOut": name in self._held_out}
            for name, aspect, version in self._lists["judges"]
        ]
        plain = {kind: list(names) for kind, names in self._lists.items() if kind != "judges"}
        return plain | {"judges": judges, "weights": self._weights}


def index_of(prompt: Prompt, names: Names, unsupported: int | None) -> dict[str, Any]:
    """The row of a prompt in the index.

    Args:
        prompt: The prompt.
        names: Lists of names.
        unsupported: Sentences of the chosen answer that the context does not support; none where nobody told.
    """
    chosen, reference = prompt.chosen, prompt.reference
    return {
        "id": prompt.example.id,
        "title": _title(prompt.example),
        "round": prompt.round,
        "set": names.number("sets", prompt.example.dataset),
        "outcome": prompt.outcome,
        "chosen": _thousandths(chosen.score) if chosen else None,
        "gold": _thousandths(reference.score) if reference else None,
        "scores": [_thousandths(entry.score) for entry in prompt.drawn if not entry.out],
        "disagreement": _thousandths(prompt.disagreement),
        "unsupported": unsupported,
        "failed": int(any(v.status is Status.FAILED for entry in prompt.candidates for v in entry.verdicts)),
        "declined": int(any(v.status is Status.DECLINED for entry in prompt.drawn for v in entry.verdicts)),
        "cut": int(any(entry.candidate.finish_reason == "length" for entry in prompt.drawn)),
    }


def texts_of(prompt: Prompt, names: Names) -> tuple[dict[str, Any], int | None]:
    """A prompt with its candidates, equal ones once, and the unsupported sentences of the chosen answer."""
    example = prompt.example
    judges = list(dict.fromkeys(names.judge(verdict) for entry in prompt.candidates for verdict in entry.verdicts))
    documents: dict[int, list[int]] = {}
    groups: dict[Any, dict[str, Any]] = {}
    unsupported = None
    for entry in prompt.candidates:
        content, missing = _candidate(example, entry, names, documents)
        content["verdicts"] = _verdicts(entry, judges, names)
        group = groups.setdefault((entry.is_reference, entry.candidate.text, str(content)), content)
        group.setdefault("drawn", []).append(names.number("draws", (_suffix(prompt, entry), _label(entry))))
        if entry.rank is not None:
            group["rank"] = min(entry.rank, group.get("rank", entry.rank))
        if entry is prompt.chosen:
            unsupported = missing
    names.evidence |= {"sentences"} if documents else set()
    names.evidence |= {"spans"} if any(any(group.get("span", {}).values()) for group in groups.values()) else set()
    fields = {
        "instruction": example.instruction, "question": example.question, "passages": example.passages,
        "references": [text for text in example.references if text != example.response],
        "constraints": [constraint.id for constraint in example.constraints],
        "unanswerable": int(not example.answerable), "summary": int(not example.objective.is_question),
        "objective": example.objective, "documents": documents, "judges": judges,
    }  # fmt: skip
    return {key: value for key, value in fields.items() if value} | {"candidates": list(groups.values())}, unsupported


def words_of(prompt: Prompt, names: Names) -> dict[str, dict[int, str]]:
    """Candidate → judge → its words, where it left more than places in the texts."""
    words = {
        _suffix(prompt, entry): {
            names.judge(verdict): verdict.detail
            for verdict in entry.verdicts
            if verdict.detail and parse_supports(verdict.detail) is None and parse_span(verdict.detail) is None
        }
        for entry in prompt.candidates
    }
    return {suffix: said for suffix, said in words.items() if said}


def _candidate(
    example: Example, entry: Judged, names: Names, documents: dict[int, list[int]]
) -> tuple[dict[str, Any], int | None]:
    """What is shown of a candidate, and how many of its sentences are not supported."""
    groundings, spans = {}, {}
    missing = None
    for verdict in entry.verdicts:
        judge = names.judge(verdict)
        grounding = grounding_of(example, entry.candidate.text, verdict)
        span = span_of(example, verdict) if grounding is None else None
        if grounding:
            documents[judge] = _steps(grounding.document)
            groundings[judge] = _grounding(grounding)
            missing = (missing or 0) + sum(not is_supported(support) for support in grounding.supports)
        elif span:
            spans[judge] = [] if span.passage is None else [span.passage, *span.place]
            missing = (missing or 0) + (span.passage is None)
    fields = {
        "grounding": groundings, "span": spans,
        "cut": int(entry.candidate.finish_reason == "length"), "rejected": int(entry.is_rejected),
        "reference": int(entry.is_reference),
    }  # fmt: skip
    content = {"text": entry.candidate.text} | {key: value for key, value in fields.items() if value}
    if entry.out:
        content["out"] = names.number("outs", entry.out)
    if entry.score is not None:
        content["score"] = _thousandths(entry.score)  # 0 is one
    return content, missing


def _verdicts(entry: Judged, judges: Sequence[int], names: Names) -> list[Any]:
    """For each judge of the prompt its score, with its own number where it is another, or the status; none: null."""
    said = {names.judge(verdict): verdict for verdict in entry.verdicts}
    return [_said(said[judge]) if judge in said else None for judge in judges]


def _said(verdict: Verdict) -> Any:
    score = _thousandths(verdict.score)
    if verdict.status is not Status.SCORED or score is None:
        return str(verdict.status)
    return score if verdict.raw is None or verdict.raw == verdict.score else [score, round(verdict.raw, 3)]


def _grounding(grounding: Grounding) -> list[int]:
    """For each sentence its step and length, the supporting sentence with its probability, and the refuting one."""
    steps = _steps(grounding.answer)
    rows = [
        [
            *(steps[2 * i], steps[2 * i + 1], _number(support.premise), round(100 * support.entailment)),
            *(_number(support.refuter), round(100 * support.contradiction)),
        ]
        for i, support in enumerate(grounding.supports)
    ]
    return list(chain.from_iterable(rows))


def _number(index: int | None) -> int:
    return 0 if index is None else index + 1


def _steps(places: Sequence[Place]) -> list[int]:
    """Places as the step from the end of the one before, and the length."""
    ends = [0, *(end for _, end in places)]
    return [
        number for (start, end), before in zip(places, ends, strict=False) for number in (start - before, end - start)
    ]


def _suffix(prompt: Prompt, entry: Judged) -> str:
    """The candidate's id less the round and the example, which the page knows."""
    return entry.candidate.id.removeprefix(f"{prompt.round}/{prompt.example.id}/")


def _label(entry: Judged) -> str:
    return entry.candidate.decoding.label


def _title(example: Example) -> str:
    """What tells a prompt from others at a glance: the question, the passage, or the instruction."""
    text = example.question or next(iter(example.passages), "") or example.instruction
    line = " ".join(text[: 4 * _TITLE].split())
    return line if len(line) <= _TITLE else f"{line[: _TITLE - 1]}…"


def _thousandths(value: float | None) -> int | None:
    return None if value is None else round(1000 * value)
