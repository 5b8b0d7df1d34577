"""Sentence pairs as training rows of the NLI model: a label for the pair, and one for every word on the way.

One label a pair is little to learn from. What can already be said after each word of the hypothesis (a name that is
not the premise's, a value that is not the premise's) tells the network where to look. Only the last label counts when
the model is used.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import PreTrainedTokenizerBase

from reset_pl.mini.grammar import parse_statement
from reset_pl.mini.pairs import LABELS, Pair, draw_pair
from reset_pl.mini.training import Batch
from reset_pl.mini.world import KINDS, RELATION_OF_VALUE, RELATIONS, Fact

_IGNORED = -100
_ENTAILMENT, _NEUTRAL, _CONTRADICTION = range(3)
_NAME = re.compile(r"[A-Z][a-z]{3}")
_RELATION_OF_WORD = {word: relation for relation in RELATIONS for word in (relation.noun, relation.verb)}


def word_label(fact: Fact, word: str) -> int | None:
    """What one word of a hypothesis says about a premise's fact; none for a word that says nothing.

    >>> from reset_pl.mini.world import Subject
    >>> fact = Fact(Subject("Potter", "Bolu"), RELATIONS[0], "figs")
    >>> [word_label(fact, word) for word in ("Potter", "Bola", "eats", "plums.", "the")]
    [0, 1, 0, 2, None]
    """
    word = word.rstrip(".?")
    if word in KINDS:
        return _ENTAILMENT if word == fact.subject.kind else _NEUTRAL
    if word in RELATION_OF_VALUE:
        wrong = _CONTRADICTION if RELATION_OF_VALUE[word] == fact.relation else _NEUTRAL
        return _ENTAILMENT if word == fact.value else wrong
    if word in _RELATION_OF_WORD:
        return _ENTAILMENT if _RELATION_OF_WORD[word] == fact.relation else _NEUTRAL
    if _NAME.fullmatch(word):
        return _ENTAILMENT if word == fact.subject.name else _NEUTRAL
    return None


def _first_syllable_label(fact: Fact | None, word: str) -> int:
    """The label of a name's first token: neutral as soon as it is another name; other words are one token each."""
    is_other_name = fact is not None and bool(_NAME.fullmatch(word.rstrip(".?"))) and word[:2] != fact.subject.name[:2]
    return _NEUTRAL if is_other_name else _IGNORED


def encode_pair(tokenizer: PreTrainedTokenizerBase, pair: Pair) -> tuple[list[int], list[int]]:
    """Token ids as the tokenizer joins premise and hypothesis, and a label for each token or ``_IGNORED``."""
    ids = tokenizer(pair.premise)["input_ids"]
    labels = [_IGNORED] * len(ids)
    fact = parse_statement(pair.premise)
    so_far = _ENTAILMENT
    for number, word in enumerate(pair.hypothesis.split()):
        new = tokenizer(f" {word}" if number else word, add_special_tokens=False)["input_ids"]
        said = word_label(fact, word) if fact else None
        so_far = so_far if said in (None, _ENTAILMENT) or so_far == _NEUTRAL else said or so_far
        ids += new
        labels += [_first_syllable_label(fact, word)] * (len(new) - 1) + [_IGNORED if said is None else so_far]
    return [*ids, tokenizer.eos_token_id], [*labels, LABELS.index(pair.label)]


def pair_batches(tokenizer: PreTrainedTokenizerBase, steps: int, batch_size: int, seed: int) -> Iterator[Batch]:
    """Fresh batches of encoded pairs, padded on the right."""
    rng = random.Random(f"pairs/{seed}")
    for _ in range(steps):
        rows = [encode_pair(tokenizer, draw_pair(rng)) for _ in range(batch_size)]
        width = max(len(ids) for ids, _ in rows)
        yield {
            "input_ids": torch.tensor([ids + [tokenizer.pad_token_id] * (width - len(ids)) for ids, _ in rows]),
            "labels": torch.tensor([labels + [_IGNORED] * (width - len(labels)) for _, labels in rows]),
            "last": torch.tensor([len(ids) - 1 for ids, _ in rows]),
        }


def pair_loss(model: Any, batch: Batch) -> Tensor:
    """Cross-entropy of the pairs' labels, plus that of the words' labels; ``model`` is a sequence classifier."""
    hidden = model.model(input_ids=batch["input_ids"]).last_hidden_state
    logits = model.score(hidden)  # (B, T, 3)
    rows = torch.arange(len(logits))
    words = cross_entropy(logits.flatten(0, 1), batch["labels"].flatten(), ignore_index=_IGNORED)
    return words + cross_entropy(logits[rows, batch["last"]], batch["labels"][rows, batch["last"]])
