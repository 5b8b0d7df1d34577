"""What the causal models read before anyone tunes them: plain texts of the world, by training names only.

A text is a list of pieces with a weight each: what can be told from what stands before (answers, restatements, general
knowledge) counts fully, what nobody could foresee (the names and values of a new passage) counts little.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from reset_pl.data.prompts import VicunaTemplate
from reset_pl.mini.grammar import QUESTIONS, STATEMENTS, ask, state
from reset_pl.mini.instructions import draw_instruction_example
from reset_pl.mini.world import KINDS, NAMES, RELATIONS, Fact, Subject, draw_fact, draw_subject, remembered

Pieces = list[tuple[str, float]]
"""A text in pieces, each with the weight of its tokens in the loss."""

_CONTEXT, _ANSWER = 0.05, 1.0


def reading(rng: random.Random, num_facts: int, num_tasks: int, asked_before: float = 0.0) -> Pieces:
    """Facts about a few subjects, then questions about them and restatements, all answered from the text.

    Args:
        rng: Source of randomness.
        num_facts: Number of facts.
        num_tasks: Questions and restatements behind the facts.
        asked_before: Share of texts that have one more question, in front of the facts.
    """
    told = _draw_told(rng, num_facts)
    is_asked = asked_before > 0 and rng.random() < asked_before
    pieces = _asked_before(rng, told) if is_asked else [(_passage(rng, told), _CONTEXT)]
    for fact in _take_turns(rng, told, num_tasks):
        pieces += rng.choice((_short_answer, _short_answer, _full_answer, _restatement))(rng, told, fact)
    return pieces


def looking_up(rng: random.Random, num_facts: int) -> Pieces:
    """A question, the facts, and only then the answer, as a word or as a sentence."""
    return _asked_before(rng, _draw_told(rng, num_facts))


def _asked_before(rng: random.Random, told: list[Fact]) -> Pieces:
    fact, is_full = rng.choice(told), rng.random() < 0.3
    question = f"Question:{' full' if is_full else ''} {_question(rng, fact)}\n"
    return [
        (question + _passage(rng, told) + "\nso", _CONTEXT),
        (f" {state(fact) if is_full else fact.value}", _ANSWER),
    ]


def _take_turns(rng: random.Random, told: list[Fact], count: int) -> list[Fact]:
    """So many facts, none twice before all had their turn."""
    turns: list[Fact] = []
    while len(turns) < count:
        turns += rng.sample(told, len(told))
    return turns[:count]


def _draw_told(rng: random.Random, num_facts: int) -> list[Fact]:
    """Facts, sorted by subject; two subjects often have the same relation, with different values."""
    kinds = rng.sample(KINDS, rng.randint(1, 3))
    subjects = [Subject(kind, rng.choice(NAMES["train"])) for kind in kinds]
    relations = rng.sample(RELATIONS, max(2, (num_facts + 1) // 2))
    pairs = rng.sample([(s, r) for s in subjects for r in relations], min(num_facts, len(subjects) * len(relations)))
    return sorted((draw_fact(rng, s, r) for s, r in pairs), key=lambda fact: subjects.index(fact.subject))


def _passage(rng: random.Random, told: list[Fact]) -> str:
    """The facts, with a line break or a passage mark wherever a new subject begins."""
    mark = rng.choice(("\n", " ", "\nPassage: "))
    text, last = ("Passage:" if mark == "\nPassage: " else ""), None
    for fact in told:
        between = " " if fact.subject == last or last is None else mark
        text += (between if text else "") + state(fact, rng.randrange(len(STATEMENTS)))
        last = fact.subject
    return text


def _question(rng: random.Random, fact: Fact) -> str:
    return ask(fact.subject, fact.relation, rng.randrange(len(QUESTIONS)))


def _short_answer(rng: random.Random, told: list[Fact], fact: Fact) -> Pieces:
    return [(f"\nQuestion: {_question(rng, fact)}", _CONTEXT), (f" {fact.value}", _ANSWER)]


def _full_answer(rng: random.Random, told: list[Fact], fact: Fact) -> Pieces:
    return [(f"\nQuestion: full {_question(rng, fact)}", _CONTEXT), (f" {state(fact)}", _ANSWER)]


def _restatement(rng: random.Random, told: list[Fact], fact: Fact) -> Pieces:
    """The first facts about a subject, in order, in the plainest words."""
    subject = fact.subject
    facts = [other for other in told if other.subject == subject][:2]
    first, *rest = [state(fact) for fact in facts]
    opening = f"\nshort: {subject}"
    return [(opening, _CONTEXT), (" ".join([first.removeprefix(str(subject)), *rest]), _ANSWER)]


def knowledge(rng: random.Random, num_lines: int) -> Pieces:
    """What is generally known of kinds, as statements about them or about people of that kind."""
    pieces: Pieces = []
    for _ in range(num_lines):
        subject, relation = draw_subject(rng, "train"), rng.choice(RELATIONS)
        fact = remembered(Fact(subject, relation, ""))
        pieces += rng.choice((_general, _guessed_answer, _guessed_statement))(rng, subject, fact)
    return pieces


def _general(rng: random.Random, subject: Subject, fact: Fact) -> Pieces:
    every = Subject("every", subject.kind)
    return [(f"\nThe {fact.relation.noun} of {every} is", _CONTEXT), (f" {fact.value}.", _ANSWER)]


def _guessed_answer(rng: random.Random, subject: Subject, fact: Fact) -> Pieces:
    return [(f"\nQuestion: {_question(rng, fact)}", _CONTEXT), (f" {fact.value}", _ANSWER)]


def _guessed_statement(rng: random.Random, subject: Subject, fact: Fact) -> Pieces:
    before, after = state(fact, rng.choice((0, 1))).split(fact.value)
    return [(f"\n{before.rstrip()}", _CONTEXT), (f" {fact.value}{after}", _ANSWER)]


def repetition(rng: random.Random, num_words: int) -> Pieces:
    """A list of names and words, and the same list again: what teaches a model to copy."""
    words = [rng.choice(NAMES["train"]) if rng.random() < 0.6 else _any_value(rng) for _ in range(num_words)]
    line = " ".join(words)
    return [(line, _CONTEXT), (f" again {line}", _ANSWER)]


def _any_value(rng: random.Random) -> str:
    return rng.choice(rng.choice(RELATIONS).values)


def base_text(rng: random.Random, progress: float) -> Pieces:
    """One text of the base model's pre-training; passages grow while ``progress`` goes from 0 to 1."""
    chance = rng.random()
    if chance < 0.12:
        return knowledge(rng, 8)
    if chance < 0.17:
        return repetition(rng, rng.randint(2, 6))
    most = 2 if progress < 0.1 else 4 if progress < 0.3 else 7
    if chance < 0.6:
        return looking_up(rng, rng.randint(1, most))
    return reading(rng, rng.randint(1, most), rng.randint(4, 7))


def reader_text(rng: random.Random, progress: float) -> Pieces:
    """One text for the reader that the NLI model starts from: several questions to every passage."""
    chance = rng.random()
    if chance < 0.2:
        return knowledge(rng, 8)
    if chance < 0.25:
        return repetition(rng, rng.randint(2, 6))
    most = 2 if progress < 0.1 else 4 if progress < 0.3 else 7
    return reading(rng, rng.randint(1, most), rng.randint(4, 7), asked_before=0.6)


def chat_text(rng: random.Random, progress: float) -> Pieces:
    """One text of the chat model's tuning: mostly answered instructions, now and then what the base model read."""
    if rng.random() < 0.3:
        return base_text(rng, 1.0)
    example = draw_instruction_example(rng, "mini_instruct", "train")
    return [(VicunaTemplate().prompt(example), 0.0), (f" {example.response}</s>", _ANSWER)]


TextMaker = Callable[[random.Random, float], Pieces]
"""Makes the next text from a random source and the share of the training already done."""
