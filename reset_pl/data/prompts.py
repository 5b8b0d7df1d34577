"""Example → prompt text. The strings are constants of the method (paper, Tables 2, 3, 6 and 9 to 15)."""

from __future__ import annotations

from typing import Protocol

from reset_pl.errors import InputError
from reset_pl.records import Example, Objective

TASK_INSTRUCTIONS: dict[Objective, str] = {
    Objective.EXTRACTIVE_QA: (
        "Answer to the question by extracting a specific text span from the given passages. "
        "Do not include new information beyond the given passages."
    ),
    Objective.ABSTRACTIVE_QA: (
        "Answer the question with well-formed sentences. Paraphrase the context in the passages if necessary. "
        "Do not include new information beyond the given passages."
    ),
    Objective.SUMMARIZATION: (
        "Summarize the text in a few sentences. Using original phrases or paraphrasing them if necessary. "
        "Do not include new information beyond the given passages."
    ),
}
"""The instruction of each context-dependent task (Table 3)."""

ALPACA_HEADER = (
    "Below is an instruction that describes a task, paired with an input that provides further context. "
    "Write a response that appropriately completes the request."
)
VICUNA_SYSTEM = (
    "A chat between a curious user and an artificial intelligence assistant. "
    "The assistant gives helpful, detailed, and polite answers to the user's questions."
)


def render_input(example: Example) -> str:
    r"""The input field: the question first, then one ``Passage:`` a line; a summary gets the bare article.

    The paper's section 2.3 puts the question after the passages, its Tables 9 and 11 to 13 before; the tables win.

    >>> render_input(Example(id="d/1", dataset="d", objective=Objective.EXTRACTIVE_QA, instruction="Answer.",
    ...                      question="Who?", passages=("Ada did.", "Bob slept.")))
    'Question: Who?\nPassage: Ada did.\nPassage: Bob slept.'
    """
    if example.objective is Objective.SUMMARIZATION:
        return "\n".join(example.passages)
    lines = [f"Question: {example.question}"] if example.question else []
    return "\n".join(lines + [f"Passage: {passage}" for passage in example.passages])


class Template(Protocol):
    """Renders a prompt. ``response_prefix`` is what stands between the prompt's last token and the answer."""

    name: str
    response_prefix: str

    def prompt_ids(self, example: Example, tokenizer: object) -> list[int]:
        """Token ids of everything before the answer, special tokens included once."""
        ...


class _TextTemplate:
    """A template that is plain text, tokenized with the tokenizer's own special tokens."""

    name: str
    response_prefix = ""

    def prompt(self, example: Example) -> str:
        """The text before the answer."""
        raise AssertionError("a template defines prompt()")

    def prompt_ids(self, example: Example, tokenizer: object) -> list[int]:
        """Token ids of the prompt, with the beginning-of-sequence token where the tokenizer has one."""
        return tokenizer(self.prompt(example))["input_ids"]  # type: ignore[operator]


class AlpacaTemplate(_TextTemplate):
    """LLaMA's template (Table 2). Instruction rows keep an empty ``### Input:`` (Table 15)."""

    name = "alpaca"

    def prompt(self, example: Example) -> str:
        """The text before the answer."""
        return (
            f"{ALPACA_HEADER}\n\n### Instruction:\n{example.instruction}"
            f"\n\n### Input:\n{render_input(example)}\n\n### Response:\n"
        )


class VicunaTemplate(_TextTemplate):
    """Vicuna's template (Table 6)."""

    name = "vicuna"
    response_prefix = " "

    def prompt(self, example: Example) -> str:
        """The text before the answer."""
        user = "\n".join(filter(None, [example.instruction, render_input(example)]))
        return f"{VICUNA_SYSTEM}\n\n### USER: {user}\n###ASSISTANT:"


class ChatTemplate:
    """The chat template that a modern instruct model's tokenizer brings along."""

    name = "chat"
    response_prefix = ""

    def prompt_ids(self, example: Example, tokenizer: object) -> list[int]:
        """Token ids up to and including the generation prompt.

        Raises:
            InputError: The tokenizer has no chat template.
        """
        if not tokenizer.chat_template:  # type: ignore[attr-defined]
            raise InputError(
                f"expected a tokenizer with a chat template, but {tokenizer.name_or_path} has none: "  # type: ignore[attr-defined]
                "set --data.template to alpaca or vicuna"
            )
        user = "\n".join(filter(None, [example.instruction, render_input(example)]))
        encoded = tokenizer.apply_chat_template(  # type: ignore[attr-defined]
            [{"role": "user", "content": user}], add_generation_prompt=True, return_dict=True
        )
        return list(encoded["input_ids"])
