"""What RESET did in this run, in a few sentences with its numbers, for a reader who knows nothing of it yet."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reset_pl.evaluation import numbers
from reset_pl.evaluation.results import Round, Stage
from reset_pl.evaluation.stage_names import stage_order
from reset_pl.report.changed import ChangedSet
from reset_pl.training_record import TrainingStep

__all__ = ["account_of"]


def account_of(
    rounds: Sequence[Round],
    before: Stage | None,
    after: Stage | None,
    changed: Sequence[ChangedSet],
    steps: Sequence[TrainingStep],
) -> list[str]:
    """Paragraphs that claim no more than the run's files say: what was done, and what came of it on the test answers.

    Args:
        rounds: The run's rounds; those that still run are passed over, and those behind the stage that it ends at:
            the numbers of the report are not theirs.
        before: The stage that the report starts from.
        after: The stage that it ends at.
        changed: The test sets that both answered.
        steps: The recorded optimizer steps.

    Returns:
        At most two; none for a run that has not evaluated a round yet.
    """
    reached = [one for one in rounds if after is None or stage_order(one.path.name)[:2] <= after.order[:2]]
    complete = [one for one in reached if one.is_complete]
    if not complete:
        return []
    done = [*_drawn(complete), *_scores(complete), *_tuned(complete, steps)]
    return [text for text in (" ".join(done), " ".join(_changed(before, after, changed))) if text]


def _drawn(rounds: Sequence[Round]) -> Iterator[str]:
    prompts, candidates, selected = (_sum(rounds, key) for key in ("prompts", "candidates", "selected"))
    if not (prompts and candidates):
        yield "The rounds drew nothing."
        return
    times = "one round" if len(rounds) == 1 else f"{len(rounds)} rounds"
    kept = f"for {numbers.count(selected)} of the prompts the best answer was kept" if selected else "none was kept"
    yield (
        f"In {times} the model wrote {numbers.count(candidates)} answers of its own to {numbers.count(prompts)} "
        f"training prompts; they were judged, and {kept}."
    )


def _scores(rounds: Sequence[Round]) -> Iterator[str]:
    """Mean weighted scores of the last round: those before it drew from other weights."""
    means = rounds[-1].numbers("mean_score")
    best, random, gold = (means.get(key) for key in ("best", "random", "gold"))
    if best is None or random is None:
        return
    beside = "" if gold is None else f", the answers of the data set {numbers.score(gold)}"
    yield (
        f"By the judges, the best answers of round {rounds[-1].number} score {numbers.score(best)} on average, a "
        f"random one {numbers.score(random)}{beside}."
    )


def _tuned(rounds: Sequence[Round], steps: Sequence[TrainingStep]) -> Iterator[str]:
    stages = {one.path.name for one in rounds}
    count = sum(step.stage in stages for step in steps)
    if count:
        yield f"The model was tuned on what was kept, for {numbers.count(count)} optimizer steps."


def _changed(before: Stage | None, after: Stage | None, changed: Sequence[ChangedSet]) -> Iterator[str]:
    for aspect, what in (("faithfulness", "grounded"), ("instruction", "instruction")):
        own = [one for one in changed if one.aspect == aspect]
        if own and before and after:
            rose, fell, same = (sum(getattr(one, key) for one in own) for key in ("rose", "fell", "same"))
            measure = "more faithful" if aspect == "faithfulness" else "better at following the instruction"
            yield (
                f"Of {numbers.count(rose + fell + same)} {what} test answers, {numbers.count(rose)} are {measure} than "
                f"at {before.label}, {numbers.count(fell)} less so, and {numbers.count(same)} score the same."
            )


def _sum(rounds: Sequence[Round], key: str) -> float:
    return sum(one.numbers("counts").get(key) or 0.0 for one in rounds)
