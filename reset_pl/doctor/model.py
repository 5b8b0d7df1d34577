"""Tokenizer and template: what a model reads first, and how it ends."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from reset_pl.data.encoding import Encoder
from reset_pl.data.prompts import ChatTemplate
from reset_pl.doctor.finding import Finding, ok, red, warning
from reset_pl.records import Example, Objective

_EXAMPLE = Example(id="doctor/1", dataset="doctor", objective=Objective.INSTRUCTION, instruction="Say hello.")
_ANSWER = "Hello."


def check_template(encoder: Encoder) -> Iterator[Finding]:
    """Chat template, beginning and end of sequence, by encoding an example.

    Raises:
        InputError: The template cannot be rendered.
    """
    tokenizer, template = encoder.tokenizer, encoder.template
    is_chat = isinstance(template, ChatTemplate)
    if tokenizer.chat_template and not is_chat:
        yield warning(
            "template",
            f"{template.name}, but the tokenizer has a chat template of its own",
            "--data.template chat, unless the model is to learn the other one",
        )
    ids = encoder.prompt_ids(_EXAMPLE, 1)
    yield from _beginning(tokenizer, ids)
    if is_chat:
        yield from _end(tokenizer, template.prompt(_EXAMPLE, tokenizer))
    yield ok("template", f"{template.name}, {len(ids)} tokens around a short instruction")


def _beginning(tokenizer: Any, ids: list[int]) -> Iterator[Finding]:
    begin = tokenizer.bos_token_id
    if begin is None:
        return
    count = next((n for n, token in enumerate(ids) if token != begin), len(ids))
    if count > 1:
        yield red(
            "template",
            f"the prompt begins with {count} × {tokenizer.bos_token!r}",
            "take it out of the chat template, or out of the tokenizer's post-processor: such a model scores worse",
        )
    elif count == 0 and tokenizer("a")["input_ids"][0] == begin:
        yield warning(
            "template",
            f"the tokenizer puts {tokenizer.bos_token!r} before a text, but the prompt begins without",
            "begin the chat template with {{ bos_token }}",
        )


def _end(tokenizer: Any, prompt: str) -> Iterator[Finding]:
    """The template must end an answer with the token that sampling stops at and training teaches."""
    user, answer = {"role": "user", "content": "Say hello."}, {"role": "assistant", "content": _ANSWER}
    text = tokenizer.apply_chat_template([user, answer], tokenize=False)
    behind = text[len(prompt) :] if text.startswith(prompt) else text
    behind = behind.partition(_ANSWER)[2].strip()
    if not behind.startswith(tokenizer.eos_token):
        yield red(
            "template",
            f"it ends an answer with {behind[:20]!r}, but the tokenizer's end of sequence is {tokenizer.eos_token!r}, "
            "at which sampling stops",
            "set eos_token in tokenizer_config.json to what ends a turn",
        )


def check_length(max_length: int, config: Any) -> Iterator[Finding]:
    """Rows against the positions that the model knows."""
    positions = getattr(config.get_text_config(), "max_position_embeddings", None)
    if positions is not None and max_length > positions:
        yield red(
            "length",
            f"--data.max_length is {max_length}, but the model knows {positions} positions",
            f"--data.max_length {positions}",
        )
