"""Rows for TRL: the standard format, and the very text that a stage is tuned on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reset_pl.data.encoding import Encoder
from reset_pl.data.prompts import TEMPLATES
from reset_pl.errors import InputError
from reset_pl.records import Selection
from reset_pl.reselection.export import Renderer, TemplateSettings, template_of_run, write_rows
from tests.conftest import make_example

EXAMPLE = make_example(1)
PAIR = Selection(
    example_id=EXAMPLE.id,
    candidate_id="a",
    score=3.0,
    text="It is “w1”.\u2028Yes.",
    rejected_id="b",
    rejected_text="w2",
    rejected_score=0.0,
)


def test_a_pair_in_the_paper_s_template() -> None:
    row = Renderer(TemplateSettings(name="vicuna", question_position="last")).pair(EXAMPLE, PAIR)
    assert list(row) == ["prompt", "chosen", "rejected"]
    assert row["prompt"].endswith("### USER: Answer.\nPassage: It is w1 here.\nQuestion: Which word 1?\n###ASSISTANT:")
    assert (row["chosen"], row["rejected"]) == (" It is “w1”.\u2028Yes.", " w2")


@pytest.mark.parametrize("name", [name for name in TEMPLATES if name != "chat"])
def test_prompt_and_completion_are_the_text_that_is_tuned_on(name: str, tokenizer: Any) -> None:
    row = Renderer(TemplateSettings(name=name)).completion(EXAMPLE, PAIR)
    encoder = Encoder(tokenizer=tokenizer, template=TEMPLATES[name](), max_length=2048, max_response_tokens=100)
    encoded = encoder.encode(replace(EXAMPLE, response=PAIR.text))
    assert tokenizer.decode(encoded.input_ids, skip_special_tokens=True) == row["prompt"] + row["completion"]


def test_the_files_load_as_trl_documents_them(tmp_path: Path) -> None:
    """Columns and types of https://huggingface.co/docs/trl/dataset_formats, standard format."""
    import datasets

    renderer = Renderer(TemplateSettings())
    write_rows([renderer.pair(EXAMPLE, PAIR)] * 3, tmp_path / "pairs.jsonl")
    write_rows([renderer.completion(EXAMPLE, PAIR)] * 2, tmp_path / "sft.jsonl")
    for name, columns, size in (
        ("pairs", ["prompt", "chosen", "rejected"], 3),
        ("sft", ["prompt", "completion"], 2),
    ):
        loaded = datasets.load_dataset(
            "json", data_files=str(tmp_path / f"{name}.jsonl"), split="train", cache_dir=str(tmp_path / "cache")
        )
        assert loaded.column_names == columns
        assert all(loaded.features[column].dtype == "string" for column in columns)
        assert len(loaded) == size
        assert loaded[0][columns[1]] == PAIR.text


def test_the_template_is_the_runs(tmp_path: Path) -> None:
    assert template_of_run(tmp_path) == TemplateSettings(name="alpaca")
    (tmp_path / "config.yaml").write_text(
        "data: {template: chat, question_position: last}\nmodel: {init_args: {model: some/folder}}\n"
    )
    assert template_of_run(tmp_path) == TemplateSettings(name="chat", question_position="last", tokenizer="some/folder")


def test_a_chat_template_needs_a_tokenizer_that_has_one(tiny_model: Path) -> None:
    with pytest.raises(InputError, match="expected --tokenizer with --template chat"):
        Renderer(TemplateSettings(name="chat"))
    with pytest.raises(InputError, match="expected a tokenizer at"):
        Renderer(TemplateSettings(name="chat", tokenizer=str(tiny_model / "nowhere")))
    with pytest.raises(InputError, match="expected a tokenizer with a chat template"):
        Renderer(TemplateSettings(name="chat", tokenizer=str(tiny_model))).pair(EXAMPLE, PAIR)
