"""Decisions chunk by chunk: what is selected, what is counted, whose verdicts never count."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from reset_pl.errors import InputError
from reset_pl.records import Candidate, Decoding, Example, Verdict
from reset_pl.rounds.decision import Decisions
from reset_pl.rounds.selectors import BestAndWorstSelector, TopKSelector, WeightedSelector
from tests.conftest import make_example
from tests.rounds.test_selection import verdict

Pool = tuple[list[Example], list[Candidate], list[Verdict]]


def pool() -> Pool:
    """Three prompts of two sets; task scores by hand, faithfulness twice as much.

    ===== ========================= ==========================================
    p0    a 1.0/1.0, b 0.0/0.0      3 and 0; reference 0.5/0.5: 1.5
    p1    a 0.0/0.5, b 1.0/0.0      1 and 1: a tie
    p2    both cut off              left out
    ===== ========================= ==========================================
    """
    examples = [replace(make_example(i), dataset="x" if i < 2 else "y") for i in range(3)]
    scores = {(0, "a"): (1.0, 1.0), (0, "b"): (0.0, 0.0), (1, "a"): (0.0, 0.5), (1, "b"): (1.0, 0.0)}
    candidates, verdicts = [], []
    for index, example in enumerate(examples):
        for seed, name in enumerate("ab"):
            key = f"{index}{name}"
            candidates.append(
                Candidate(
                    id=key,
                    example_id=example.id,
                    round=0,
                    procedure="temperature",
                    decoding=Decoding(temperature=0.5, label=f"temperature=0.{seed}"),
                    text=key,
                    token_ids=(1,),
                    finish_reason="stop" if (index, name) in scores else "length",
                    seed=seed,
                )
            )
            task, faithfulness = scores.get((index, name), (1.0, 1.0))
            verdicts += [verdict(key, "task", task, judge="t"), verdict(key, "faithfulness", faithfulness, judge="f")]
    reference = replace(candidates[0], id="0r", procedure="reference", text="gold")
    verdicts += [verdict("0r", "task", 0.5, judge="t"), verdict("0r", "faithfulness", 0.5, judge="f")]
    return examples, [*candidates, reference], verdicts


def in_chunks(decisions: Decisions, given: Pool) -> list[Any]:
    """One prompt a chunk."""
    examples, candidates, verdicts = given
    selections = []
    for example in examples:
        own = [c for c in candidates if c.example_id == example.id]
        ids = {c.id for c in own}
        selections += decisions.add([example], own, [v for v in verdicts if v.candidate_id in ids])
    return selections


def test_hand_worked_statistics() -> None:
    decisions = Decisions(WeightedSelector(tie_break="first"))
    chosen = decisions.add(*pool())
    assert [(s.candidate_id, s.reason) for s in chosen] == [("0a", "best"), ("1a", "tie"), (None, "all_truncated")]
    found = decisions.statistics()
    assert found["counts"] == {"prompts": 3, "candidates": 6, "verdicts": 12, "selected": 2, "answers": 2}
    assert found["counts_per_dataset"]["y"] == {
        "prompts": 1, "candidates": 2, "verdicts": 4, "selected": 0, "answers": 0,
    }  # fmt: skip
    assert found["left_out"] == {"all_truncated": 1}
    assert found["mean_score"] == {"best": (3 + 1) / 2, "random": (1.5 + 1) / 2, "gold": 1.5}
    assert found["mean_score_per_dataset"]["y"] == {"best": None, "random": None, "gold": None}
    assert found["rates"]["tie"] == pytest.approx(1 / 3)
    assert found["rates_per_dataset"]["x"]["tie"] == 0.5
    assert found["rates"]["truncated"] == pytest.approx(1 / 3)
    assert found["win_rate"] == {"x": {"temperature=0.0": 1.0}, "y": {}}
    assert found["weights"] == {"task": 1.0, "instruction": 2.0, "faithfulness": 2.0}


def test_chunks_make_no_difference() -> None:
    whole, parts = Decisions(WeightedSelector()), Decisions(WeightedSelector())
    assert in_chunks(parts, pool()) == whole.add(*pool())
    assert parts.statistics() == whole.statistics()


def test_several_answers_of_a_prompt_are_one_prompt_selected() -> None:
    decisions = Decisions(TopKSelector(k=2, tie_break="first"))
    chosen = decisions.add(*pool())
    assert [(s.candidate_id, s.rank) for s in chosen] == [("0a", 0), ("0b", 1), ("1a", 0), ("1b", 1), (None, 0)]
    found = decisions.statistics()
    assert found["counts"] == {"prompts": 3, "candidates": 6, "verdicts": 12, "selected": 2, "answers": 4}
    assert found["left_out"] == {"all_truncated": 1}
    assert found["win_rate"]["x"] == {"temperature=0.0": 0.5, "temperature=0.1": 0.5}


def test_reasons_of_the_selector_are_counted() -> None:
    decisions = Decisions(BestAndWorstSelector())
    decisions.add(*pool())
    assert decisions.statistics()["left_out"] == {"gap_too_small": 1, "all_truncated": 1}
    assert decisions.statistics()["counts"]["selected"] == 1


def test_a_held_out_judge_reaches_neither_the_selector_nor_the_statistics() -> None:
    examples, candidates, verdicts = pool()
    outside = [verdict(c.id, "faithfulness", float(c.id == "0b"), judge="outside") for c in candidates[:-1]]
    outside[-1] = verdict(candidates[-2].id, "faithfulness", None, "failed", judge="outside")
    without, held_out, counted = (
        Decisions(WeightedSelector()),
        Decisions(WeightedSelector(), held_out=frozenset({"outside"})),
        Decisions(WeightedSelector()),
    )
    expected = without.add(examples, candidates, verdicts)
    assert held_out.add(examples, candidates, [*verdicts, *outside]) == expected
    assert held_out.statistics() == without.statistics()
    assert counted.add(examples, candidates, [*verdicts, *outside]) != expected


def test_a_damaged_ledger_is_refused() -> None:
    examples, candidates, verdicts = pool()
    for given, message in (
        ((examples, [*candidates, candidates[0]], verdicts), "the candidate 0a stands twice"),
        ((examples, candidates, [*verdicts, verdicts[0]]), "the verdict of t on 0a stands twice"),
        ((examples[1:], candidates, verdicts), "the candidate 0a is of no prompt"),
        ((examples, candidates[1:], verdicts), "a verdict of t is on 0a, which is not a candidate"),
    ):
        with pytest.raises(InputError, match=message):
            Decisions(WeightedSelector()).add(*given)
