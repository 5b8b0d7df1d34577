import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reset_pl.evaluation.results import Round, read_run
from reset_pl.judging.evidence import format_supports
from reset_pl.metrics.summac import Support
from reset_pl.records import Aspect, Candidate, Decoding, Example, Objective, Status, Verdict
from reset_pl.report.browser_rows import Names, index_of, texts_of, words_of
from reset_pl.report.candidates import Judged, Prompt, prompts_of

ROUND = Round(path=Path(), number=0, manifest={"judges": [{"name": "oracle", "held_out": True}], "weights": {}})
EXAMPLE = Example(
    id="qa/1", dataset="qa", objective=Objective.ABSTRACTIVE_QA, instruction="Answer.", question="Who built the mill?",
    passages=("Ada built the mill. It burnt down.",), response="It was Ada.", references=("It was Ada.", "Ada"),
)  # fmt: skip


def judged(index: int, text: str, score: float | None, **changes: Any) -> Judged:
    label = "reference" if index < 0 else f"temperature={index / 10}"
    procedure = label.partition("=")[0]
    candidate = Candidate(
        id=f"0/qa/1/{procedure}/{max(index, 0)}", example_id="qa/1", round=0, procedure=procedure, text=text,
        decoding=Decoding(temperature=0.1, label=label), token_ids=(), finish_reason="stop", seed=7,
    )  # fmt: skip
    fields: dict[str, Any] = {"out": "", "rank": None, "is_rejected": False, "parts": {}, "verdicts": []}
    if score is not None:
        fields["verdicts"] = [verdict(candidate.id, score=score)]
    return Judged(**{"candidate": candidate, "score": score, **fields, **changes})


def verdict(candidate_id: str, judge: str = "summac_zs", **changes: Any) -> Verdict:
    fields = {"version": "2", "aspect": Aspect.FAITHFULNESS, "status": Status.SCORED, **changes}
    return Verdict(candidate_id=candidate_id, judge=judge, **{"raw": fields.get("score"), **fields})


def prompt(*candidates: Judged) -> Prompt:
    return Prompt(round=0, example=EXAMPLE, candidates=list(candidates), outcome="best")


def test_equal_candidates_are_one_row_with_all_their_draws() -> None:
    names = Names([ROUND])
    candidates = [judged(1, "Ada", 0.5, rank=0), judged(2, "Bob", 0.25), judged(3, "Ada", 0.5), judged(4, "Bob", 0.3)]
    texts, _ = texts_of(prompt(*candidates), names)
    assert [(row["text"], row["verdicts"], len(row["drawn"])) for row in texts["candidates"]] == [
        ("Ada", [500], 2),
        ("Bob", [250], 1),  # the same text, but another verdict
        ("Bob", [300], 1),
    ]
    assert [row.get("rank") for row in texts["candidates"]] == [0, None, None]
    draws = names.to_json()["draws"]
    assert [draws[number] for number in texts["candidates"][0]["drawn"]] == [
        ("temperature/1", "temperature=0.1"),
        ("temperature/3", "temperature=0.3"),
    ]


def test_verdicts_stand_in_the_order_of_the_prompts_judges() -> None:
    names = Names([ROUND])
    first, second = judged(1, "Ada", 0.5), judged(2, "Bob", None)
    first = replace(
        first,
        verdicts=[
            verdict("a", score=0.0, raw=-0.41234),
            verdict("a", "oracle", score=1.0),
            verdict("a", "rated", score=0.7, raw=7.0, detail="Well said."),
        ],
    )
    second = replace(second, verdicts=[verdict("b", "rated", status=Status.FAILED, detail="no reply")])
    texts, _ = texts_of(prompt(first, second), names)
    assert [row["verdicts"] for row in texts["candidates"]] == [[[0, -0.412], 1000, [700, 7.0]], [None, None, "failed"]]
    judges = names.to_json()["judges"]
    assert [(judges[number]["name"], judges[number]["heldOut"]) for number in texts["judges"]] == [
        ("summac_zs", False),
        ("oracle", True),
        ("rated", False),
    ]
    rated = texts["judges"][2]
    assert words_of(prompt(first, second), names) == {
        "temperature/1": {rated: "Well said."},
        "temperature/2": {rated: "no reply"},
    }


def test_evidence_is_places_and_no_words() -> None:
    names = Names([ROUND])
    support = Support(premise=1, entailment=0.9, refuter=None, contradiction=0.0)
    weak = Support(premise=1, entailment=0.1, refuter=2, contradiction=0.75)
    detail = format_supports([support, weak], "sentence", "sentence")
    chosen = judged(1, "Ada did it. It burnt down.", 0.5, rank=0)
    chosen = replace(chosen, verdicts=[verdict("a", score=0.5, detail=detail)])
    texts, unsupported = texts_of(prompt(chosen), names)
    assert unsupported == 1
    assert texts["documents"] == {0: [0, 19, 1, 19, 1, 14]}  # the question is the first sentence
    assert texts["candidates"][0]["grounding"] == {0: [0, 11, 2, 90, 0, 0, 1, 14, 2, 10, 3, 75]}
    assert words_of(prompt(chosen), names) == {}
    assert names.evidence == {"sentences"}


def test_what_only_lacks_evidence_is_not_evidence() -> None:
    """Of rounds from before places were kept: a score of 0 says that there is no span, and nothing more is known."""
    names = Names([ROUND])
    none = replace(judged(1, "", 0.0, rank=0), verdicts=[verdict("a", "span_coverage", score=0.0)])
    texts, unsupported = texts_of(prompt(none), names)
    assert (texts["candidates"][0]["text"], texts["candidates"][0]["span"], unsupported) == ("", {0: []}, 1)
    assert names.evidence == set()
    texts_of(prompt(replace(none, verdicts=[verdict("a", "span_coverage", score=1.0, detail="p1 0-3")])), names)
    assert names.evidence == {"spans"}


def test_the_index_row() -> None:
    out = judged(3, "No.", 0.9, out="cut off")
    candidates = [judged(1, "Ada", 0.75, rank=0), judged(2, "Bob", 0.25), out, judged(-1, "It", 1.0)]
    row = index_of(prompt(*candidates), Names([ROUND]), 2)
    assert row == {
        "id": "qa/1", "title": "Who built the mill?", "round": 0, "set": 0, "outcome": "best",
        "chosen": 750, "gold": 1000, "scores": [750, 250],
        "disagreement": None, "unsupported": 2, "failed": 0, "declined": 0, "cut": 0,
    }  # fmt: skip


def test_the_reference_is_not_shown_twice_and_what_is_empty_is_left_out() -> None:
    texts, _ = texts_of(prompt(), Names([ROUND]))
    assert texts["references"] == ["Ada"]
    assert not {"constraints", "unanswerable", "summary", "documents"} & set(texts)
    assert texts["candidates"] == []


@pytest.mark.parametrize("text", ["x" * 91, "a\n\nb " * 200_000])
def test_titles_are_one_short_line(text: str) -> None:
    row = index_of(replace(prompt(), example=replace(EXAMPLE, question=text)), Names([ROUND]), None)
    assert len(row["title"]) <= 90
    assert row["title"].endswith("…")
    assert "\n" not in row["title"]


def test_every_prompt_of_a_run_is_json(run_dir: Path) -> None:
    run = read_run(run_dir)
    names = Names(run.rounds)
    for found in prompts_of(run.rounds[0].path):
        texts, unsupported = texts_of(found, names)
        assert sum(len(row["drawn"]) for row in texts["candidates"]) == len(found.candidates)
        assert json.loads(json.dumps([texts, index_of(found, names, unsupported)]))
    assert names.evidence == set()  # the judges of this run tell nothing
