"""A life on a terminal. All text of models, data and judges is untrusted: ``visible`` stands before all of it."""

from __future__ import annotations

import textwrap
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from reset_pl.evaluation import numbers
from reset_pl.evaluation.round_notes import out_of, reason_of
from reset_pl.lineage.life import Life, Rival, RoundLife, Training
from reset_pl.records import Status, Verdict
from reset_pl.rounds.selection import Weights
from reset_pl.visible import visible

__all__ = ["text_of"]

_SHORT = {"all_truncated": "cut", "judges_failed": "failed", "all_declined": "declines", "none_declined": "answers"}
_ABBREVIATED = {"task": "task", "instruction": "instr", "faithfulness": "faith"}
_FEWEST_COLUMNS = 40


def text_of(life: Life, *, width: int, everything: bool = False) -> Iterator[str]:
    """Lines to print.

    Args:
        life: What to tell.
        width: Columns of the terminal.
        everything: Print the whole text and the judges' words of every candidate, not of the chosen ones alone.
    """
    width = max(width, _FEWEST_COLUMNS)
    yield from _fold(f"{life.example.id} · {life.example.objective} · run {life.run}", width)
    yield from _origin(life, width)
    for one in life.rounds:
        yield from _round(life, one, width, everything)
    yield from _training(life, width)
    if life.notes:
        yield from ("", "Missing")
        for note in life.notes:
            yield from _fold(note, width, "  ")
    yield ""
    if not everything and any(one.candidates for one in life.rounds):
        yield "--all prints every candidate whole, with all that the judges said of it"


# ---------------------------------------------------------------------- parts


def _origin(life: Life, width: int) -> Iterator[str]:
    yield from ("", "Source")
    if life.source is None:
        yield from _fold(f"the data set {life.example.dataset}; config.yaml does not tell how it was read", width, "  ")
    else:
        settings = ", ".join(f"{key} {value}" for key, value in life.source.settings.items())
        yield from _fold(f"{life.source.class_path.rpartition('.')[2]}: {settings}", width, "  ")
    prompt = life.prompt
    about = [prompt.template and f"template {prompt.template}", prompt.tokens and f"{prompt.tokens:,} tokens"]
    about += [prompt.cut and f"{prompt.cut:,} tokens of its context did not fit", prompt.note]
    yield ""
    yield from _fold(f"Prompt, as the model read it ({', '.join(str(part) for part in about if part)})", width)
    yield from _fold(prompt.text, width, "  │ ")
    if not life.example.answerable:
        yield from _fold("The passages do not answer it: only an answer that says so can be chosen.", width, "  ")


def _round(life: Life, one: RoundLife, width: int, everything: bool) -> Iterator[str]:
    weights_of = f" (the stage {one.policy_stage})" if one.policy_stage else ""
    status = "" if one.status == "complete" else f" · {one.status}"
    yield ""
    yield from _fold(
        f"Round {one.number}{status} · drawn from the weights {one.policy or 'unknown'}{weights_of}, the run's seed "
        f"{'unknown' if one.seed is None else one.seed}{' · its stage was rolled back' if one.rolled_back else ''}",
        width,
    )
    if one.candidates:
        yield from (f"  {line}" for line in _table(one, width - 2, life.asked))
    if one.reference:
        yield ""
        yield from _answer(one.reference, one, "reference", width, whole=True)
    for place, rival in enumerate(one.chosen):
        yield ""
        yield from _answer(rival, one, "chosen" if len(one.chosen) == 1 else f"chosen, {place}", width, whole=True)
        yield from _fold(f"why: {_why(one, rival, one.reasons[place], life.selector)}", width, "    ")
    if not one.chosen:
        yield ""
        yield from _fold(f"none chosen: {_why_none(one, life.selector)}", width, "  ")
    for rival in one.candidates:
        if rival.rank is None and (everything or rival.candidate.id == life.asked):
            yield ""
            yield from _answer(rival, one, "rival", width, whole=True)


def _table(one: RoundLife, width: int, asked: str) -> Iterator[str]:
    """A line a candidate: the chosen marked, the score and its parts, and as much of the text as there is room for."""
    aspects = [aspect for aspect in _ABBREVIATED if any(aspect in rival.parts for rival in one.candidates)]
    rows = [["", "decoding", "score", *(_ABBREVIATED[aspect] for aspect in aspects), "tokens", "end"]]
    for rival in one.candidates:
        mark = "chosen" if rival.rank is not None else _SHORT.get(rival.out, "unjudged" if rival.out else "")
        mark = "rejected" if rival.candidate.id in one.rejected else mark
        rows.append([
            f"{'>' if rival.candidate.id == asked else ''}{mark}",
            visible(rival.candidate.decoding.label), numbers.score(rival.score),
            *(numbers.score(rival.parts.get(aspect)) for aspect in aspects),
            str(len(rival.candidate.token_ids) or "–"), visible(rival.candidate.finish_reason),
        ])  # fmt: skip
    heading, rule, *lines = numbers.aligned(rows)
    room = width - len(heading) - 2
    yield f"{heading}  text" if room >= len("text") else heading[:width]
    yield rule[:width]
    for line, rival in zip(lines, one.candidates, strict=True):
        yield f"{line}  {_clip(rival.candidate.text, room)}" if room >= len("text") else _clip(line, width)


def _answer(rival: Rival, one: RoundLife, role: str, width: int, *, whole: bool) -> Iterator[str]:
    """A candidate with its text, its arithmetic and the judges' words."""
    decoding = rival.candidate.decoding
    settings = f"temperature {decoding.temperature:g}, top_k {decoding.top_k}, top_p {decoding.top_p:g}"
    how = "" if role == "reference" else f" · {decoding.label} ({settings}) · seed {rival.candidate.seed}"
    yield from _fold(f"{role}: {rival.candidate.id}{how}", width, "  ")
    yield from _fold(rival.candidate.text or "(empty)", width, "    │ ")
    yield from _fold(f"score: {_arithmetic(rival, one.weights)}", width, "    ")
    if rival.out and role != "reference":
        yield from _fold(f"could not be chosen: {out_of(rival.out)}", width, "    ")
    for verdict in rival.verdicts:
        held_out = " (held out: it did not select)" if verdict.judge in one.held_out else ""
        yield from _fold(f"{_judged(verdict)}{held_out}{': ' if verdict.detail else ''}{verdict.detail}", width, "    ")


def _training(life: Life, width: int) -> Iterator[str]:
    yield from ("", "Trained")
    if not life.training:
        yield from _fold("in no step that was recorded", width, "  ")
    for one in life.training:
        yield from _fold(_step(one), width, "  ")


# ---------------------------------------------------------------------- sentences


def _arithmetic(rival: Rival, weights: Weights) -> str:
    """``2.36 = 1 × .50 task + 2 × .93 faithfulness``."""
    if rival.score is None:
        return "none, since no judge that selects scored it"
    terms = [
        f"{getattr(weights, aspect):g} × {numbers.score(value, 3)} {aspect}" for aspect, value in rival.parts.items()
    ]
    return f"{numbers.score(rival.score, 3)} = {' + '.join(terms)}"


def _why(one: RoundLife, chosen: Rival, reason: str, selector: Mapping[str, Any]) -> str:
    """The selection's reason in words, with the numbers that it followed from."""
    able = [rival for rival in one.candidates if not rival.out and rival.score is not None]
    texts = {rival.candidate.text for rival in able}
    of = f"{len(able)} candidates that could be chosen ({len(texts)} different texts)"
    if reason == "tie" and chosen.score is not None:
        equal = {rival.candidate.text for rival in able if rival.score == chosen.score}
        how = "the plan's first" if _settings(selector).get("tie_break") == "first" else "the candidates' seeds"
        return f"a tie: of {of}, {len(equal)} texts have this score, and {how} decided"
    if reason == "best" and chosen.score is not None:
        others = [rival.score or 0.0 for rival in able if rival.candidate.text != chosen.candidate.text]
        if not others:
            return f"the only text among {of}"
        return f"the best of {of}, {numbers.score(chosen.score - max(others), 3)} above the next text"
    known = {"random": f"drawn at random among {of}: a control", "reference": "the example's own response: a control"}
    return known.get(reason, reason_of(reason))


def _why_none(one: RoundLife, selector: Mapping[str, Any]) -> str:
    if one.status != "complete":
        return "the round has not selected yet"
    if not one.candidates:
        return "no candidates"
    able = [rival for rival in one.candidates if not rival.out]
    if able:
        name, settings = str(selector.get("class_path", "the selector")).rpartition(".")[2], _settings(selector)
        given = ", ".join(f"{key} {value}" for key, value in settings.items())
        return f"{len(able)} could be, but {name} kept none of them{f' ({given})' if given else ''}"
    counts = Counter(out_of(rival.out) for rival in one.candidates)
    return "; ".join(f"{count} of {len(one.candidates)}: {reason}" for reason, count in counts.items())


def _settings(selector: Mapping[str, Any]) -> Mapping[str, Any]:
    return selector.get("init_args") or {}


def _judged(verdict: Verdict) -> str:
    """A judge with its score."""
    score = numbers.score(verdict.score, 3) if verdict.status is Status.SCORED else str(verdict.status)
    raw = "" if verdict.raw is None or verdict.raw == verdict.score else f", {verdict.raw:.3f} by its own scale"
    model = f", {verdict.model}" if verdict.model else ""
    return f"{verdict.judge} {verdict.version}{model}, {verdict.aspect} {score}{raw}"


def _step(one: Training) -> str:
    place = "" if one.rank == 0 else f", place {one.rank} of its choice"
    measured = "" if one.loss is None else f": loss of the step {one.loss:.3f}"
    rate = "" if one.lr is None else f", learning rate {one.lr:.2e}"
    return f"step {one.step:,} of the stage {one.stage}, on the answer of round {one.round}{place}{measured}{rate}"


# ---------------------------------------------------------------------- the terminal


def _columns(text: str) -> int:
    """Columns that a text takes; wide characters take two, combining ones none."""
    return sum(
        0 if unicodedata.combining(char) or char == "\u200d" else 1 + (unicodedata.east_asian_width(char) in "WF")
        for char in text
    )


def _clip(text: str, room: int) -> str:
    """One line of an untrusted text, ended by an ellipsis where it does not fit."""
    line = visible(text[: 4 * room]).replace("\n", "↵").replace("\t", " ")
    if _columns(line) <= room and len(text) <= 4 * room:
        return line
    while line and _columns(line) >= room:
        line = line[:-1]
    return f"{line}…"


def _fold(text: str, width: int, indent: str = "") -> Iterator[str]:
    """Lines of an untrusted text, no wider than the terminal."""
    for line in visible(text).expandtabs(4).split("\n"):
        yield from (f"{indent}{part}" for part in _pieces(line, width - len(indent)))


def _pieces(line: str, room: int) -> Sequence[str]:
    if len(line) == _columns(line):
        return textwrap.wrap(line, room, replace_whitespace=False, drop_whitespace=True) or [""]
    # textwrap counts characters: with wide ones, half as many are sure to fit.
    return textwrap.wrap(line, room // 2, replace_whitespace=False) or [""]
