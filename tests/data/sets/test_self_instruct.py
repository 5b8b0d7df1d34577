from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.data.sets.base import Dropped
from reset_pl.data.sets.self_instruct import SelfInstruct, split_prompt
from reset_pl.records import Example

RAW = "yizhongw/self-instruct/data/gpt3_generations/batch_221203/all_instances_82K.jsonl"
HUB = "yizhongw/self_instruct/self_instruct/train/0000.parquet"

WITH_INPUT = [
    "{i}\nInput: {x}\nOutput:",
    "{i}\n\nInput: {x}\n\nOutput:",
    "Task: {i}\nInput: {x}\nOutput:",
    "{i}\n\n{x}\n\nOutput:",
    "{i}\n\n{x}\n\n",
    "{i}\n{x}\n\n",
    "Task: {i}\n\n{x}\n\n",
]
WITHOUT_INPUT = ["{i} Output:", "{i}\nOutput:", "{i}\n\nOutput:", "{i}\n", "{i}\n\n", "Task: {i}\n\n"]

line = st.text(st.characters(blacklist_categories=("Cc", "Cs", "Zl", "Zp")), min_size=1, max_size=20)
clean = line.map(str.strip).filter(lambda text: text and ":" not in text and "{" not in text)


@given(clean, st.sampled_from(WITHOUT_INPUT))
def test_forms_without_input_are_undone(instruction: str, form: str) -> None:
    assert split_prompt(form.format(i=instruction)) == (instruction, "")


@given(clean, st.lists(clean, min_size=1, max_size=3), st.sampled_from(WITH_INPUT), st.sampled_from(["\n", "\n\n"]))
def test_forms_with_input_are_undone(instruction: str, lines: list[str], form: str, between: str) -> None:
    given_text = between.join(lines)
    assert split_prompt(form.format(i=instruction, x=given_text)) == (instruction, given_text)


def test_raw_rows(put, mirror) -> None:
    rows = [
        {"instruction": "List two birds.", "input": "", "output": "Wren, robin."},
        {"instruction": "Translate.", "input": "Guten Tag", "output": "Good day"},
        {"instruction": "Say nothing.", "input": " ", "output": " "},
    ]
    put(RAW, rows)
    source = SelfInstruct(data_dir=str(mirror))
    (example,) = source.load()
    assert (example.instruction, example.response) == ("List two birds.", "Wren, robin.")
    _, dropped = source.convert_table(source.rows().with_format("arrow")[:])
    assert dropped == {"has_input": 1, "empty_response": 1}
    kept = SelfInstruct(data_dir=str(mirror), input_policy="keep").load()
    assert [item.instruction for item in kept] == ["List two birds.", "Translate.\n\nGuten Tag"]


def test_prompts_and_completions(put, mirror) -> None:
    rows = [
        {"prompt": "List two birds.\n\nOutput:", "completion": " Wren, robin.<|endoftext|>"},
        {"prompt": "Task: Name a tree.\n\n", "completion": "Oak.<|endoftext|>"},
        {"prompt": "Translate.\nInput: Guten Tag\nOutput:", "completion": " Good day<|endoftext|>"},
        {"prompt": "Sort.\n3 1 2\n\n", "completion": "1 2 3<|endoftext|>"},
        {"prompt": "Be silent.\n", "completion": "<|endoftext|>"},
        {"prompt": "\n\nOutput:", "completion": " x<|endoftext|>"},
    ]
    put(HUB, rows)
    source = SelfInstruct(shape="hub", data_dir=str(mirror))
    examples, dropped = source.convert_table(source.rows().with_format("arrow")[:])
    assert [(item.instruction, item.response) for item in examples] == [
        ("List two birds.", "Wren, robin."),
        ("Name a tree.", "Oak."),
    ]
    assert dropped == {"has_input": 2, "empty_response": 1, "empty_instruction": 1}


@pytest.mark.parametrize("field", ["instruction", "input", "output"])
def test_null_is_empty(field: str) -> None:
    row: dict[str, Any] = {"instruction": "Say.", "input": "", "output": "So.", field: None}
    result = SelfInstruct().convert(row)
    expected = {"instruction": Dropped("empty_instruction"), "output": Dropped("empty_response")}
    assert result == expected[field] if field in expected else isinstance(result, Example)


def test_real_tasks(put, mirror, real) -> None:
    """The expert-written tasks, their instances in the shape of the generated ones."""
    tasks = real("self_instruct/user_oriented_40.jsonl")
    rows = [{"instruction": task["instruction"], **instance} for task in tasks for instance in task["instances"]]
    put(RAW, rows)
    bare = [row for row in rows if not row["input"].strip()]
    assert 0 < len(bare) < len(rows)
    assert len(SelfInstruct(data_dir=str(mirror)).load()) == len(bare)
    assert len(SelfInstruct(data_dir=str(mirror), input_policy="keep").load()) == len(rows)
