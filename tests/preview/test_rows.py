"""What a row shows: the tokens of training, cut where the loss begins, and what was cut off."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reset_pl.data.encoding import Encoder
from reset_pl.data.prompts import AlpacaTemplate, ChatTemplate, VicunaTemplate
from reset_pl.preview.rows import Row, _pieces, row_of
from tests.conftest import make_example


@pytest.fixture(scope="module")
def encoder(tokenizer: Any) -> Encoder:
    """One token a byte."""
    return Encoder(tokenizer=tokenizer, template=AlpacaTemplate(), max_length=2048, max_response_tokens=480)


def target(row: Row) -> str:
    return "".join(piece.text for piece in row.pieces if piece.in_loss and not piece.special)


def prompt(row: Row) -> str:
    return "".join(piece.text for piece in row.pieces if not piece.in_loss and not piece.special)


def special(row: Row) -> list[tuple[str, bool]]:
    return [(piece.text, piece.in_loss) for piece in row.pieces if piece.special]


def test_the_loss_is_on_the_response_and_the_end(encoder: Encoder) -> None:
    row = row_of(make_example(7), encoder)
    assert target(row) == "w7"
    assert row.response_tokens == 3, "two bytes and the end of sequence"
    assert prompt(row).endswith("Question: Which word 7?\nPassage: It is w7 here.\n\n### Response:\n")
    assert special(row) in ([("</s>", True)], [("<s>", False), ("</s>", True)])
    assert (row.id, row.objective, row.template, row.notes) == ("qa/7", "extractive_qa", "alpaca", ())
    assert [in_loss for in_loss, _ in row.runs] == [False, True]


@settings(max_examples=40, deadline=None)
@given(
    passages=st.lists(st.text(st.characters(categories=("L", "N", "P", "Zs", "So")), min_size=1), max_size=4),
    response=st.text(st.characters(categories=("L", "N", "P", "Zs", "So")), min_size=1),
    max_length=st.integers(400, 700),
)
def test_the_pieces_are_the_row_that_is_trained_on(
    encoder: Encoder, passages: list[str], response: str, max_length: int
) -> None:
    encoder = replace(encoder, max_length=max_length, max_response_tokens=60)
    example = make_example(0, passages=tuple(passages), response=response)
    encoded, row = encoder.encode(example), row_of(example, encoder)
    decode = encoder.tokenizer.decode
    assert "".join(piece.text for piece in row.pieces) == decode(encoded.input_ids)
    assert target(row) == decode([label for label in encoded.labels if label > 2])
    assert row.prompt_tokens + row.response_tokens == len(encoded.input_ids)


def test_the_blank_that_the_target_begins_with_is_shown(encoder: Encoder) -> None:
    row = row_of(make_example(7), replace(encoder, template=VicunaTemplate()))
    assert target(row) == " w7"
    assert prompt(row).endswith("###ASSISTANT:")


@pytest.mark.parametrize(
    ("cut", "note"),
    [
        (0, None),
        (4, "context cut by 4 tokens: of 3 passages 1 shortened"),
        (20, "context cut by 20 tokens: of 3 passages 1 left out"),
        (24, "context cut by 24 tokens: of 3 passages 1 left out, 1 shortened"),
        (40, "context cut by 40 tokens: of 3 passages 2 left out"),
    ],
)
def test_what_is_cut_off_the_context(encoder: Encoder, cut: int, note: str | None) -> None:
    """A passage of ten bytes costs twenty tokens: ``\\nPassage: `` stands before it."""
    example = make_example(0, passages=("a" * 10, "b" * 10, "c" * 10))
    whole = len(encoder.encode(example).input_ids)
    row = row_of(example, replace(encoder, max_length=whole - cut))
    assert row.notes == (() if note is None else (note,))


def test_a_response_that_is_cut_has_no_end(encoder: Encoder) -> None:
    row = row_of(make_example(0, response="abcdefgh"), replace(encoder, max_response_tokens=5))
    assert target(row) == "abcde"
    assert ("</s>", True) not in special(row)
    assert row.notes == ("response cut after 5 of 8 tokens: no end of sequence",)


def test_without_a_response_there_is_a_prompt_and_no_target(encoder: Encoder) -> None:
    example = make_example(0, response=None, references=())
    row = row_of(example, encoder)
    assert (target(row), row.response_tokens, row.notes) == ("", 0, ("no target",))
    assert prompt(row) == prompt(row_of(make_example(0), encoder))


def test_an_unanswerable_question_is_called_so(encoder: Encoder) -> None:
    assert row_of(make_example(0, answerable=False), encoder).notes == ("the passages do not answer it",)


def test_a_pair_shows_the_chosen_answer_and_names_the_other(encoder: Encoder) -> None:
    row = row_of(make_example(0, rejected="w1\u202e"), encoder)
    assert (target(row), row.notes) == ("w0", ("preferred to: w1\\u202e",))


def test_a_row_that_training_leaves_out_is_shown_whole_with_the_reason(encoder: Encoder) -> None:
    row = row_of(make_example(0), replace(encoder, max_length=50))
    assert row.notes[0].startswith("left out of training: the prompt without its context has ")
    assert "raise --data.max_length (now 50)" in row.notes[0]
    assert row.prompt_tokens == row_of(make_example(0), encoder).prompt_tokens
    assert row.response_tokens == 0


def test_special_tokens_inside_a_chat_prompt_are_named(encoder: Encoder) -> None:
    from copy import deepcopy

    tokenizer = deepcopy(encoder.tokenizer)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<|user|>", "<|assistant|>"]})
    tokenizer.chat_template = "{% for m in messages %}<|user|>{{ m.content }}{% endfor %}<|assistant|>"
    row = row_of(make_example(0), replace(encoder, tokenizer=tokenizer, template=ChatTemplate()))
    assert special(row) == [("<|user|>", False), ("<|assistant|>", False), ("</s>", True)]
    assert row.template == "chat"


def test_a_tokenizer_that_drops_the_first_blank_shows_it_all_the_same() -> None:
    """As SentencePiece's do: each run decoded by itself would lose the blank between prompt and target."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["<s>", "</s>", "<unk>", "▁", *(f"▁{char}" for char in "ab"), *"ab:#"]
    backend = Tokenizer(models.BPE(vocab={word: i for i, word in enumerate(words)}, merges=[], unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    backend.decoder = decoders.Metaspace(prepend_scheme="first")
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>"
    )
    prompt_ids, target_ids = tokenizer("a b:")["input_ids"], tokenizer("a b", add_special_tokens=False)["input_ids"]
    assert tokenizer.decode(target_ids) == "a b", "by itself it has no blank in front"
    ids = [*prompt_ids, *target_ids, tokenizer.eos_token_id]
    pieces = list(_pieces(ids, [False] * len(prompt_ids) + [True] * (len(target_ids) + 1), tokenizer))
    assert [(piece.text, piece.in_loss) for piece in pieces] == [("a b:", False), (" a b", True), ("</s>", True)]
