"""What a round's judges will have to do, before anything is drawn."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from reset_pl.errors import InputError
from reset_pl.judging.forecast import Forecast, ForecastingJudge
from reset_pl.judging.remote import RemoteJudge
from reset_pl.records import Candidate, Decoding, Example, Judge
from reset_pl.rounds.prompts import Chunk
from reset_pl.sampling.decoding import Plan

_FILLER = "These are as many words as a sentence of an answer mostly has, until it is drawn. "
_CHARS_PER_TOKEN = 4


def forecast_round(
    chunks: Mapping[str, Sequence[Chunk]], judges: Sequence[Judge], plan: Plan, *, references: bool
) -> list[Forecast]:
    """The work that is left of a round.

    Every draw counts as a text of its own, as long as the example's response; where there is none, as the data set's
    median response, and where there is none at all, as ``max_new_tokens``. So it is an upper estimate: equal candidates
    and what a cache holds cost nothing.

    Args:
        chunks: Judge's name → the chunks that it has not judged.
        judges: The round's; those that cannot forecast are left out.
        plan: What is drawn for each prompt.
        references: Whether the examples' own responses are judged too.
    """
    forecasts = []
    for judge in judges:
        examples = [example for chunk in chunks[judge.name] for example in chunk.examples]
        if isinstance(judge, ForecastingJudge) and examples:
            forecasts.append(judge.forecast(_stand_ins(examples, plan), len(plan.draws(examples[0])) + references))
    return forecasts


def describe(forecast: Forecast) -> str:
    """One line.

    >>> describe(Forecast(judge="summac_zs", calls=2_100_000, unit="sentence pairs"))
    'summac_zs: at most 2,100,000 sentence pairs'
    """
    text = f"{forecast.judge}: at most {forecast.calls:,} {forecast.unit}"
    if forecast.prompt_tokens:
        text += f", about {forecast.prompt_tokens:,} tokens in and at most {forecast.completion_tokens:,} out"
    return text + (f", ${forecast.dollars:,.2f}" if forecast.dollars else "")


def check_budget(forecast: Forecast, judge: Judge, spent: float, *, work: str, cut: str) -> None:
    """Refuse work that its budget does not cover, before the first call.

    Args:
        forecast: The work.
        judge: Who is to do it.
        spent: Dollars spent on this judge before.
        work: What it is, as the message names it.
        cut: What the user can do to have less of it.

    Raises:
        InputError: It does not.
    """
    if not isinstance(judge, RemoteJudge) or judge.budget is None:
        return
    if spent + forecast.dollars <= judge.budget + 1e-9:  # sums of cents
        return
    before = f" and ${spent:,.2f} is spent" if spent else ""
    raise InputError(
        f"expected a budget of judge {judge.name} that covers the {work}, ${forecast.dollars:,.2f} at most "
        f"({forecast.calls:,} {forecast.unit}), but it is ${judge.budget:,.2f}{before}: raise its budget, or {cut}; "
        "nothing has been sent"
    )


def _stand_ins(examples: Sequence[Example], plan: Plan) -> Iterator[tuple[Example, Candidate]]:
    """One candidate an example, of the length to expect."""
    lengths: defaultdict[str, list[int]] = defaultdict(list)
    for example in examples:
        if example.response is not None:
            lengths[example.dataset].append(len(example.response))
    for example in examples:
        draw = plan.draws(example)[0]
        most = draw.decoding.max_new_tokens * _CHARS_PER_TOKEN
        known = lengths[example.dataset]
        chars = min(int(statistics.median(known)), most) if known else most
        text = example.response or (_FILLER * (chars // len(_FILLER) + 1))[:chars]
        yield example, stand_in(example, draw.candidate_id, draw.round, text)


def stand_in(example: Example, candidate_id: str, number: int, text: str, procedure: str = "stand_in") -> Candidate:
    """A candidate that no model drew."""
    return Candidate(
        id=candidate_id,
        example_id=example.id,
        round=number,
        procedure=procedure,
        decoding=Decoding(temperature=0.0, label=procedure),
        text=text,
        token_ids=(),
        finish_reason="stop",
        seed=0,
    )
