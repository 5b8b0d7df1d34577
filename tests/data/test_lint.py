"""The lint of instructions against objectives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from reset_pl.data.lint import SAMPLE, is_grounded, lint
from reset_pl.data.prompts import TASK_INSTRUCTIONS
from reset_pl.mini.sources import DATASETS, MiniSource
from reset_pl.records import Example, Objective
from tests.conftest import make_example

SHARED = Path(__file__).parents[2].parent / "shared" / "data"


@pytest.mark.parametrize("instruction", TASK_INSTRUCTIONS.values())
def test_the_papers_instructions_are_grounded_and_every_part_of_them_counts(instruction: str) -> None:
    assert is_grounded(instruction)
    assert is_grounded(instruction.upper())
    assert is_grounded("Do not include new information beyond the given passages.")
    assert is_grounded("Do not include new information.")


@pytest.mark.parametrize(
    "instruction",
    [
        "Answer given the context.",
        "Answer the question from the passages.",
        "Answer based only on the retrieved documents.",
        "Use only the article.",
        "Answer according to these two paragraphs.",
        "Use the passages provided below.",
        "Don't use any outside knowledge.",
        "Answer without adding facts of your own, without external sources.",
        "Do not go beyond the text.",
    ],
)
def test_grounding_wording(instruction: str) -> None:
    assert is_grounded(instruction)


@pytest.mark.parametrize(
    "instruction",
    [
        "Answer the question.",
        "Summarize the text in a few sentences.",
        "Read the passages and answer the question.",
        "Answer to the question by extracting a specific text span.",
        "Write an article about new information systems.",
        "Include new information where you can.",
        "Given the question, find the answer.",
        "Answer from what you know.",
        "Contextualize your answer.",
        "Do not use commas.",
    ],
)
def test_near_misses(instruction: str) -> None:
    assert not is_grounded(instruction)


def test_context_dependent_rows_without_grounding_wording_are_counted_and_mended() -> None:
    good = [make_example(n, instruction=TASK_INSTRUCTIONS[Objective.EXTRACTIVE_QA]) for n in range(5)]
    bad = [make_example(n, instruction=text) for n, text in enumerate(["Answer.", "Reply.", "Reply."], start=5)]
    assert lint({"good": good}) == []
    (warning,) = lint({"good": good, "qa": good + bad})
    assert warning.startswith("qa: the instructions of 3 of 8 extractive_qa rows (2 wordings) do not say to stay")
    assert "e.g. 'Reply.'" in warning, "the most frequent one is the example"
    assert repr(TASK_INSTRUCTIONS[Objective.EXTRACTIVE_QA]) in warning


def test_each_objective_of_a_mixed_set_gets_its_own_wording() -> None:
    rows = [
        make_example(0, objective="summarization", instruction="Summarize."),
        make_example(1, objective="abstractive_qa", instruction="Answer."),
        make_example(2, objective="instruction", instruction="Sing.", passages=()),
    ]
    warnings = lint({"mixed": rows})
    assert len(warnings) == 2
    for objective, warning in zip(("abstractive_qa", "summarization"), warnings, strict=True):
        assert f"1 of 1 {objective} rows" in warning
        assert TASK_INSTRUCTIONS[Objective(objective)] in warning


def open_rows(count: int, grounded: int) -> list[Example]:
    instruction = "Answer from the given passages."
    return [
        make_example(n, objective="instruction", passages=(), instruction=instruction if n < grounded else f"Sing {n}.")
        for n in range(count)
    ]


def test_instruction_rows_that_speak_of_passages_they_lack() -> None:
    (warning,) = lint({"open": open_rows(100, grounded=6)})
    assert warning.startswith("open: the instructions of 6 of 100 instruction rows (1 wording) speak of passages")
    assert "'Answer from the given passages.'" in warning
    assert lint({"open": open_rows(100, grounded=5)}) == [], "a few are a topic, not a conflict"
    with_passages = [make_example(0, objective="instruction", instruction="Answer from the given passages.")]
    assert lint({"open": with_passages}) == []


def test_a_long_instruction_is_shown_by_its_beginning_on_one_line() -> None:
    (warning,) = lint({"qa": [make_example(0, instruction="Reply\nfreely " + "and at length " * 50)]})
    assert "'Reply freely and at length" in warning
    assert "\n" not in warning
    assert len(warning) < 600


class Counted(Sequence[Example]):
    """A million rows; counts those that are read."""

    read = 0

    def __len__(self) -> int:
        return 1_000_000

    def __getitem__(self, index: int) -> Example:  # type: ignore[override]
        self.read += 1
        return make_example(index, instruction="Answer." if index % 2 else "Answer given the passages.")


def test_of_a_million_rows_a_seeded_sample_is_read() -> None:
    rows = Counted()
    (warning,) = lint({"big": rows})
    assert rows.read == SAMPLE
    assert f"(of a sample of {SAMPLE:,} of the set's 1,000,000 rows)" in warning
    bad = int(warning.split("instructions of ")[1].split(" of ")[0].replace(",", ""))
    assert 900 < bad < 1100, "half of them, within 4.5 standard deviations"
    assert lint({"big": Counted()}) == [warning]
    assert lint({"big": Counted()}, seed=1) != [warning]


@pytest.mark.parametrize("dataset", DATASETS)
def test_the_miniature_sets_are_clean(dataset: str) -> None:
    assert lint({dataset: MiniSource(dataset, "test", size=200).load()}) == []


@pytest.mark.skipif(not SHARED.exists(), reason=f"the real rows are not at {SHARED}")
def test_real_open_instructions_are_left_in_peace() -> None:
    rows = json.loads((SHARED / "dolly" / "dolly_fixture.json").read_text())
    texts = [row["instruction"] for row in rows if not row["context"]]
    examples = [make_example(n, objective="instruction", passages=(), instruction=text) for n, text in enumerate(texts)]
    assert examples
    assert lint({"dolly": examples}) == []
