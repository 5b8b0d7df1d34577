from collections.abc import Callable
from typing import Any

import pytest
from tokenizers import processors
from transformers import PreTrainedTokenizerFast

from reset_pl.data.encoding import Encoder
from reset_pl.data.prompts import (
    AlpacaNoInputTemplate,
    AlpacaTemplate,
    ChatTemplate,
    Template,
    VicunaTemplate,
    render_input,
)
from reset_pl.errors import InputError
from reset_pl.records import Example, Objective

Make = Callable[..., Example]

# The strings below are written out by hand from the paper: Tables 2, 3, 9, 10 and 15 (LLaMA), Table 6 (Vicuna).
ALPACA_QA = """\
Below is an instruction that describes a task, paired with an input that provides further context. Write a response \
that appropriately completes the request.

### Instruction:
Answer to the question by extracting a specific text span from the given passages. Do not include new information \
beyond the given passages.

### Input:
Question: who ran
Passage: Ada ran.
Passage: Bob slept.

### Response:
"""
ALPACA_SUMMARY = """\
Below is an instruction that describes a task, paired with an input that provides further context. Write a response \
that appropriately completes the request.

### Instruction:
Summarize the text in a few sentences. Using original phrases or paraphrasing them if necessary. Do not include new \
information beyond the given passages.

### Input:
Ada ran. Bob slept.

### Response:
"""
ALPACA_INSTRUCTION = """\
Below is an instruction that describes a task, paired with an input that provides further context. Write a response \
that appropriately completes the request.

### Instruction:
Name a colour.

### Input:


### Response:
"""
VICUNA_QA = """\
A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and \
polite answers to the user's questions.

### USER: Answer to the question by extracting a specific text span from the given passages. Do not include new \
information beyond the given passages.
Question: who ran
Passage: Ada ran.
Passage: Bob slept.
###ASSISTANT:"""
VICUNA_SUMMARY = """\
A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and \
polite answers to the user's questions.

### USER: Summarize the text in a few sentences. Using original phrases or paraphrasing them if necessary. Do not \
include new information beyond the given passages.
Ada ran. Bob slept.
###ASSISTANT:"""
VICUNA_INSTRUCTION = """\
A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and \
polite answers to the user's questions.

### USER: Name a colour.
###ASSISTANT:"""

EXTRACT = (
    "Answer to the question by extracting a specific text span from the given passages. "
    "Do not include new information beyond the given passages."
)
SUMMARIZE = (
    "Summarize the text in a few sentences. Using original phrases or paraphrasing them if necessary. "
    "Do not include new information beyond the given passages."
)
CHAT = (
    "{{ bos_token }}{% for message in messages %}[{{ message.role }}]{{ message.content }}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)


@pytest.fixture
def rows(make_example: Make) -> dict[str, Example]:
    return {
        "qa": make_example(
            objective=Objective.EXTRACTIVE_QA,
            instruction=EXTRACT,
            question="who ran",
            passages=("Ada ran.", "Bob slept."),
        ),
        "summary": make_example(
            objective=Objective.SUMMARIZATION, instruction=SUMMARIZE, passages=("Ada ran. Bob slept.",)
        ),
        "instruction": make_example(instruction="Name a colour."),
    }


@pytest.fixture
def bos_tokenizer(tokenizer: PreTrainedTokenizerFast) -> PreTrainedTokenizerFast:
    """The test tokenizer as LLaMA's behaves: it begins every text with ``<s>``, and has a chat template."""
    copy = PreTrainedTokenizerFast(
        tokenizer_object=type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str()),
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
    )
    copy.backend_tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", copy.bos_token_id)]
    )
    copy.chat_template = CHAT
    return copy


@pytest.mark.parametrize(
    ("template", "row", "text"),
    [
        (AlpacaTemplate(), "qa", ALPACA_QA),
        (AlpacaTemplate(), "summary", ALPACA_SUMMARY),
        (AlpacaTemplate(), "instruction", ALPACA_INSTRUCTION),
        (VicunaTemplate(), "qa", VICUNA_QA),
        (VicunaTemplate(), "summary", VICUNA_SUMMARY),
        (VicunaTemplate(), "instruction", VICUNA_INSTRUCTION),
    ],
)
def test_prompts_are_the_papers(
    rows: dict[str, Example], tokenizer: Any, template: AlpacaTemplate | VicunaTemplate, row: str, text: str
) -> None:
    assert template.prompt(rows[row]) == text
    assert tokenizer.decode(prompt_ids(template, rows[row], tokenizer)) == text


def test_the_question_may_stand_behind_the_passages(rows: dict[str, Example]) -> None:
    assert render_input(rows["qa"], "last") == "Passage: Ada ran.\nPassage: Bob slept.\nQuestion: who ran"
    for template in (AlpacaTemplate, VicunaTemplate):
        first, last = (template(position).prompt(rows["qa"]) for position in ("first", "last"))
        assert last == first.replace(
            "Question: who ran\nPassage: Ada ran.\nPassage: Bob slept.",
            "Passage: Ada ran.\nPassage: Bob slept.\nQuestion: who ran",
        )
        assert last != first
        assert template("last").prompt(rows["instruction"]) == template().prompt(rows["instruction"])


def test_alpacas_own_header_for_rows_without_input(rows: dict[str, Example]) -> None:
    assert AlpacaNoInputTemplate().prompt(rows["instruction"]) == (
        "Below is an instruction that describes a task. Write a response that appropriately completes the request."
        "\n\n### Instruction:\nName a colour.\n\n### Response:\n"
    )
    for name in ("qa", "summary"):
        assert AlpacaNoInputTemplate().prompt(rows[name]) == AlpacaTemplate().prompt(rows[name])


def prompt_ids(template: Template, example: Example, tokenizer: Any) -> list[int]:
    encoder = Encoder(tokenizer=tokenizer, template=template, max_length=2048, max_response_tokens=480)
    return encoder.prompt_ids(example, reserve=0)


def test_an_article_in_several_passages_is_bare_lines(make_example: Make) -> None:
    example = make_example(objective=Objective.SUMMARIZATION, passages=("One.", "Two."))
    assert render_input(example) == "One.\nTwo."


@pytest.mark.parametrize("template", [AlpacaTemplate(), VicunaTemplate(), ChatTemplate()])
def test_a_prompt_begins_once(
    rows: dict[str, Example], bos_tokenizer: Any, template: AlpacaTemplate | VicunaTemplate | ChatTemplate
) -> None:
    ids = prompt_ids(template, rows["qa"], bos_tokenizer)
    assert ids[0] == bos_tokenizer.bos_token_id
    assert ids.count(bos_tokenizer.bos_token_id) == 1
    assert bos_tokenizer.eos_token_id not in ids


def test_chat_is_the_tokenizers_own_template(rows: dict[str, Example], bos_tokenizer: Any) -> None:
    ids = prompt_ids(ChatTemplate(), rows["qa"], bos_tokenizer)
    user = f"{EXTRACT}\nQuestion: who ran\nPassage: Ada ran.\nPassage: Bob slept."
    assert bos_tokenizer.decode(ids) == f"<s>[user]{user}[assistant]"
    ids = prompt_ids(ChatTemplate(), rows["instruction"], bos_tokenizer)
    assert bos_tokenizer.decode(ids) == "<s>[user]Name a colour.[assistant]"


def test_chat_without_a_template_is_refused(rows: dict[str, Example], tokenizer: Any) -> None:
    with pytest.raises(InputError, match=r"chat template, but .*model has none: set --data.template to alpaca"):
        prompt_ids(ChatTemplate(), rows["qa"], tokenizer)
