"""The selection rule: weights, ties, failures, truncation, controls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from reset_pl.records import NOT_IN_PASSAGES, Aspect, Candidate, Decoding, Example, Selection, Status, Verdict
from reset_pl.rounds.selection import Selector, Verdicts, Weights, mean_parts
from reset_pl.rounds.selectors import RandomSelector, ReferenceSelector, WeightedSelector
from tests.conftest import make_example

EXAMPLE = make_example(1)


def candidate(name: str, text: str | None = None, *, finish_reason: str = "stop", seed: int = 0) -> Candidate:
    return Candidate(
        id=name,
        example_id=EXAMPLE.id,
        round=0,
        procedure="temperature",
        decoding=Decoding(temperature=0.5),
        text=name if text is None else text,
        token_ids=(1,),
        finish_reason=finish_reason,
        seed=seed,
    )


def verdict(name: str, aspect: str, score: float | None, status: str = "scored", judge: str = "j") -> Verdict:
    return Verdict(
        candidate_id=name, judge=judge, version="1", aspect=Aspect(aspect), status=Status(status), score=score
    )


def both(name: str, task: float, faithfulness: float) -> dict[str, Any]:
    return {name: [verdict(name, "task", task), verdict(name, "faithfulness", faithfulness, judge="f")]}


def only(selector: Selector, example: Example, candidates: Sequence[Candidate], verdicts: Verdicts) -> Selection:
    """The one selection of a selector that makes one."""
    (selection,) = selector.select(example, candidates, verdicts)
    return selection


def test_hand_worked_score() -> None:
    # section 5.1: s_task + 2.0 * s_faith = 0.25 + 2 * 0.5
    assert Weights().score({"task": 0.25, "faithfulness": 0.5}) == 1.25
    assert Weights().score({"instruction": 0.9}) == 1.8


def test_faithful_beats_agreeing_with_an_unfaithful_reference() -> None:
    verdicts = {**both("copies", 1.0, 0.0), **both("grounded", 0.0, 1.0)}
    chosen = only(WeightedSelector(), EXAMPLE, [candidate("copies"), candidate("grounded")], verdicts)
    assert (chosen.candidate_id, chosen.score, chosen.reason) == ("grounded", 2.0, "best")
    assert chosen.parts == {"task": 0.0, "faithfulness": 1.0}


def test_weights_are_used() -> None:
    verdicts = {**both("copies", 1.0, 0.0), **both("grounded", 0.0, 1.0)}
    pair = [candidate("copies"), candidate("grounded")]
    assert only(WeightedSelector(faithfulness_weight=0.5), EXAMPLE, pair, verdicts).candidate_id == "copies"


def test_tie_is_drawn_by_seed_not_by_order() -> None:
    verdicts = {**both("a", 1.0, 1.0), **both("b", 1.0, 1.0)}
    winners = set()
    for seed in range(20):
        pair = [candidate("a", seed=seed), candidate("b", seed=seed + 100)]
        forward = only(WeightedSelector(), EXAMPLE, pair, verdicts)
        backward = only(WeightedSelector(), EXAMPLE, pair[::-1], verdicts)
        assert forward == backward
        assert forward.reason == "tie"
        winners.add(forward.candidate_id)
    assert winners == {"a", "b"}
    first = only(WeightedSelector(tie_break="first"), EXAMPLE, [candidate("b"), candidate("a")], verdicts)
    assert first.candidate_id == "b"


def test_equal_texts_are_no_tie() -> None:
    verdicts = {**both("a", 1.0, 1.0), **both("b", 1.0, 1.0)}
    chosen = only(WeightedSelector(), EXAMPLE, [candidate("a", "same"), candidate("b", "same")], verdicts)
    assert chosen.reason == "best"


def test_failed_candidate_is_out_and_the_rest_decide() -> None:
    verdicts = {**both("good", 0.1, 0.1), "broken": [verdict("broken", "faithfulness", None, "failed")]}
    verdicts["broken"].append(verdict("broken", "task", 1.0, judge="t"))
    chosen = only(WeightedSelector(), EXAMPLE, [candidate("broken"), candidate("good")], verdicts)
    assert chosen.candidate_id == "good"


@pytest.mark.parametrize(
    ("candidates", "verdicts", "reason"),
    [
        ([], {}, "no_candidates"),
        ([candidate("a")], {}, "not_judged"),
        ([candidate("a")], {"a": [verdict("a", "task", None, "abstained")]}, "not_judged"),
        ([candidate("a")], {"a": [verdict("a", "task", None, "failed")]}, "judges_failed"),
        ([candidate("a", finish_reason="length")], both("a", 1.0, 1.0), "all_truncated"),
    ],
)
def test_left_out_with_a_reason(candidates: list[Candidate], verdicts: Any, reason: str) -> None:
    for selector in (WeightedSelector(), RandomSelector(), ReferenceSelector()):
        selection = only(selector, EXAMPLE, candidates, verdicts)
        assert (selection.candidate_id, selection.text, selection.reason) == (None, None, reason)


def test_truncated_candidates_may_be_kept() -> None:
    cut = candidate("a", finish_reason="length")
    assert only(WeightedSelector(keep_truncated=True), EXAMPLE, [cut], both("a", 1.0, 1.0)).candidate_id == "a"


def test_judges_of_one_aspect_are_averaged_and_abstentions_left_out() -> None:
    own = [
        verdict("a", "task", 0.0, judge="one"),
        verdict("a", "task", 1.0, judge="two"),
        verdict("a", "task", None, "abstained", judge="three"),
    ]
    assert mean_parts(own) == {"task": 0.5}


def test_controls() -> None:
    verdicts = {**both("best", 1.0, 1.0), **both("worst", 0.0, 0.0)}
    drawn = {
        only(
            RandomSelector(), EXAMPLE, [candidate("best", seed=s), candidate("worst", seed=s + 50)], verdicts
        ).candidate_id
        for s in range(20)
    }
    assert drawn == {"best", "worst"}
    reference = only(ReferenceSelector(), EXAMPLE, [candidate("best")], verdicts)
    assert (reference.text, reference.reason, reference.candidate_id) == ("w1", "reference", None)
    without = make_example(1, response=None)
    assert only(ReferenceSelector(), without, [candidate("best")], verdicts).reason == "no_reference"


OPEN = make_example(1, answerable=False, response=NOT_IN_PASSAGES, references=(NOT_IN_PASSAGES,))
DODGE = [verdict("d", "task", 0.0), verdict("d", "faithfulness", None, "declined", judge="f")]
HONEST = [verdict("d", "task", 1.0), verdict("d", "faithfulness", None, "declined", judge="f")]


def test_a_decline_beats_every_span_where_the_passages_do_not_answer() -> None:
    pair = [candidate("span"), candidate("d", NOT_IN_PASSAGES)]
    for weights in (WeightedSelector(), WeightedSelector(faithfulness_weight=9.0), RandomSelector()):
        chosen = only(weights, OPEN, pair, {**both("span", 1.0, 1.0), "d": HONEST})
        assert (chosen.candidate_id, chosen.score, chosen.parts) == ("d", 1.0, {"task": 1.0})


def test_a_decline_of_an_answerable_question_is_behind_the_worst_answer() -> None:
    pair = [candidate("d", "Unanswerable."), candidate("wrong")]
    for task in (0.0, 1.0):  # even where a reference happens to be the same words
        verdicts = {"d": [verdict("d", "task", task), *DODGE[1:]], **both("wrong", 0.0, 0.0)}
        assert only(WeightedSelector(), EXAMPLE, pair, verdicts).candidate_id == "wrong"
        assert only(RandomSelector(), EXAMPLE, pair, verdicts).candidate_id == "wrong"


def test_an_example_without_the_right_kind_of_answer_is_left_out() -> None:
    cut = candidate("cut", finish_reason="length")
    for selector in (WeightedSelector(), RandomSelector(), ReferenceSelector()):
        dodged = only(selector, EXAMPLE, [candidate("d", "no answer"), cut], {"d": DODGE})
        assert (dodged.text, dodged.reason) == (None, "all_declined")
        made_up = only(selector, OPEN, [candidate("span"), cut], both("span", 0.0, 1.0))
        assert (made_up.text, made_up.reason) == (None, "none_declined")


def test_only_answers_to_questions_decline() -> None:
    summary = make_example(1, objective="summarization", answerable=False)
    chosen = only(WeightedSelector(), summary, [candidate("s", NOT_IN_PASSAGES)], both("s", 0.5, 0.5))
    assert (chosen.candidate_id, chosen.score) == ("s", 1.5)
