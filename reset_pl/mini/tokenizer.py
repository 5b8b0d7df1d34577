"""The tokenizer of the miniature models: byte-level BPE, so that any text of the real world round-trips as well.

Names fall into their two syllables, the world's words are one token each, and the long fixed strings of the prompt
templates are one token each, which keeps prompts short enough for two cores.
"""

from __future__ import annotations

import re

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from reset_pl.data.prompts import ALPACA_HEADER, TASK_INSTRUCTIONS, VICUNA_SYSTEM
from reset_pl.mini.grammar import QUESTIONS, STATEMENTS
from reset_pl.mini.instructions import OPENINGS, RULES
from reset_pl.mini.world import FIRST_SYLLABLES, KINDS, LAST_SYLLABLES, RELATIONS

BOS, EOS, PAD = "<s>", "</s>", "<pad>"

_FIXED_STRINGS: tuple[str, ...] = (
    f"{ALPACA_HEADER}\n\n### Instruction:\n",
    "\n\n### Input:\n",
    "\n\n### Response:\n",
    f"{VICUNA_SYSTEM}\n\n### USER: ",
    "\n###ASSISTANT:",
    "\nQuestion:",
    "\nPassage:",
    "Question:",
    "Passage:",
    *TASK_INSTRUCTIONS.values(),
)
_OTHER_WORDS = "Well, likes That is all. Thank you. See you soon. at least less than again short full every"


def _lexicon() -> set[str]:
    """All words that the world's texts are written in, without names."""
    templates = [*STATEMENTS, *QUESTIONS, *(text for texts in OPENINGS.values() for text in texts), _OTHER_WORDS]
    templates += [phrasing for rule in RULES for phrasing in rule.phrasings]
    words = set(re.findall(r"[A-Za-z]+", re.sub(r"\{\w+\}", " ", " ".join(templates))))
    for relation in RELATIONS:
        words |= {relation.noun, relation.verb, relation.base, *relation.values}
    return words | set(KINDS)


def _training_items() -> list[str]:
    """What the merges are learnt from. Syllables come most often: they must win over whatever spans two of them."""
    words = sorted(_lexicon())
    syllables = [f" {syllable}" for syllable in FIRST_SYLLABLES] + list(LAST_SYLLABLES)
    return syllables * 1000 + [f" {word}" for word in words] * 2 + [word for word in words if word[0].isupper()] * 2


def train_tokenizer() -> Tokenizer:
    """The trained backend, special and fixed strings included."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        min_frequency=2,
        special_tokens=[PAD, BOS, EOS],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(_training_items(), trainer)
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in _FIXED_STRINGS])
    return tokenizer


def _wrap(tokenizer: Tokenizer, model_max_length: int) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BOS,
        eos_token=EOS,
        pad_token=PAD,
        padding_side="left",
        model_max_length=model_max_length,
        clean_up_tokenization_spaces=False,
    )


def causal_tokenizer() -> PreTrainedTokenizerFast:
    """For the causal models: a beginning-of-sequence token and the text."""
    tokenizer = train_tokenizer()
    bos = (BOS, tokenizer.token_to_id(BOS))
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A", pair=f"{BOS} $A $B:1", special_tokens=[bos]
    )
    return _wrap(tokenizer, 2048)


def pair_tokenizer() -> PreTrainedTokenizerFast:
    """For the NLI model: premise and hypothesis with a separator after each."""
    tokenizer = train_tokenizer()
    marks = [(mark, tokenizer.token_to_id(mark)) for mark in (BOS, EOS)]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"{BOS} $A {EOS}", pair=f"{BOS} $A {EOS} $B {EOS}", special_tokens=marks
    )
    wrapped = _wrap(tokenizer, 512)
    wrapped.padding_side = "right"
    return wrapped
