"""Tokenizer and template, one thing broken at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import AutoConfig, AutoTokenizer

from reset_pl.data.encoding import Encoder
from reset_pl.data.prompts import TEMPLATES
from reset_pl.doctor.finding import Finding
from reset_pl.doctor.model import check_length, check_template
from reset_pl.errors import InputError

GOOD = (
    "{{ bos_token }}{% for m in messages %}<{{ m.role }}>{{ m.content }}{{ eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def findings(folder: Path, chat_template: str | None, template: str = "chat", **changes: Any) -> list[Finding]:
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = chat_template
    for name, value in changes.items():
        setattr(tokenizer, name, value)
    encoder = Encoder(tokenizer=tokenizer, template=TEMPLATES[template](), max_length=512, max_response_tokens=64)
    return list(check_template(encoder))


def test_a_good_template(tiny_model: Path) -> None:
    (finding,) = findings(tiny_model, GOOD)
    assert finding.level == "ok"


def test_two_beginnings(tiny_model: Path) -> None:
    finding = findings(tiny_model, "{{ bos_token }}" + GOOD)[0]
    assert finding.level == "red"
    assert "2 × '<s>'" in finding.text


def test_no_beginning_where_the_tokenizer_has_one(tiny_model: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    tokenizer = AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    tokenizer.chat_template = GOOD.replace("{{ bos_token }}", "")
    encoder = Encoder(tokenizer=tokenizer, template=TEMPLATES["chat"](), max_length=512, max_response_tokens=64)
    assert [finding.level for finding in check_template(encoder)] == ["warning", "ok"]


def test_an_answer_that_ends_otherwise(tiny_model: Path) -> None:
    finding = findings(tiny_model, GOOD.replace("{{ eos_token }}", "<|im_end|>"))[0]
    assert finding.level == "red"
    assert "'<|im_end|>'" in finding.text
    assert "'</s>'" in finding.text


def test_no_chat_template(tiny_model: Path) -> None:
    with pytest.raises(InputError, match="expected a tokenizer with a chat template"):
        findings(tiny_model, None)


def test_a_chat_template_that_is_not_used(tiny_model: Path) -> None:
    assert [finding.level for finding in findings(tiny_model, GOOD, template="vicuna")] == ["warning", "ok"]


def test_rows_longer_than_the_model_reads(tiny_model: Path) -> None:
    config = AutoConfig.from_pretrained(tiny_model)
    assert list(check_length(2048, config)) == []
    (finding,) = check_length(4096, config)
    assert (finding.level, finding.fix) == ("red", "--data.max_length 2048")
