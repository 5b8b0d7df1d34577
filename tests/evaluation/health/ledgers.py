"""Finished rounds made by hand, through the ledger that real ones are written with."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from reset_pl.records import Aspect, Candidate, Decoding, Example, Objective, Status, Verdict
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.statistics import REFERENCE
from reset_pl.rounds.tables import candidate_row, prompt_row, verdict_row

Rate = Callable[[Candidate], "float | Status | Verdict | None"]
"""A score, another status, a whole verdict, or none for no verdict at all."""


def example_of(dataset: str, number: int) -> Example:
    return Example(
        id=f"{dataset}/{number}",
        dataset=dataset,
        objective=Objective.INSTRUCTION,
        instruction=f"Write about {number}.",
        response="a reference",
    )


def candidates_of(example: Example, texts: Sequence[str], round_number: int) -> list[Candidate]:
    """One candidate a text, and the reference; a text has as many tokens as words."""
    drawn = [(f"temperature/{k}", "temperature", text) for k, text in enumerate(texts)]
    return [
        Candidate(
            id=f"{round_number}/{example.id}/{name}",
            example_id=example.id,
            round=round_number,
            procedure=procedure,
            decoding=Decoding(temperature=0.5, label=procedure),
            text=text,
            token_ids=() if procedure == REFERENCE else tuple(range(len(text.split()))),
            finish_reason="length" if text.endswith("…") else "stop",
            seed=0,
        )
        for name, procedure, text in [*drawn, (f"{REFERENCE}/0", REFERENCE, example.response or "")]
    ]


def write_round(
    run: Path,
    judges: Mapping[str, tuple[str, Rate]],
    *,
    number: int = 0,
    prompts: int = 4,
    datasets: Sequence[str] = ("qa",),
    texts: Callable[[int], Sequence[str]] = lambda prompt: ("a b", "a b c", "a b c d"),
    held_out: Sequence[str] = (),
    status: str = "complete",
) -> Path:
    """A round of ``prompts`` examples a data set; judge → (aspect, what it says of a candidate)."""
    ledger = Ledger(run / "rounds" / f"round-{number:03d}")
    examples = [example_of(dataset, prompt) for dataset in datasets for prompt in range(prompts)]
    drawn = [(example, candidates_of(example, texts(k % prompts), number)) for k, example in enumerate(examples)]
    ledger.write_manifest(
        {"round": number, "status": status, "judges": [{"name": n, "held_out": n in held_out} for n in judges]}
    )
    ledger.write_table([prompt_row(example) for example in examples], "prompts")
    ledger.write_table([candidate_row(c, e.dataset) for e, own in drawn for c in own], "candidates")
    verdicts = [
        verdict
        for _, own in drawn
        for candidate in own
        for name, (aspect, rate) in judges.items()
        if (verdict := _verdict(candidate, name, aspect, rate(candidate))) is not None
    ]
    ledger.write_table([verdict_row(verdict) for verdict in verdicts], "verdicts")
    return ledger.directory


def verdict(score: float | None, *, model: str = "", cost: float = 0.0, version: str = "1") -> Verdict:
    """A verdict that ``write_round`` completes."""
    return Verdict(
        candidate_id="",
        judge="",
        version=version,
        aspect=Aspect.TASK,
        status=Status.FAILED if score is None else Status.SCORED,
        score=score,
        model=model,
        cost=cost,
    )


def _verdict(candidate: Candidate, judge: str, aspect: str, said: float | Status | Verdict | None) -> Verdict | None:
    if said is None:
        return None
    if isinstance(said, Status):
        said = replace(verdict(None), status=said)
    whole = said if isinstance(said, Verdict) else verdict(said)
    return replace(whole, candidate_id=candidate.id, judge=judge, aspect=Aspect(aspect))


def words(candidate: Candidate) -> int:
    return len(candidate.text.split())


def is_reference(candidate: Candidate) -> bool:
    return candidate.procedure == REFERENCE


def place(candidate: Candidate) -> int:
    """Number of a candidate among those of its prompt."""
    return int(candidate.id.rpartition("/")[2])


def prompt(candidate: Candidate) -> int:
    """Number of its prompt."""
    return int(candidate.example_id.rpartition("/")[2])
