"""Sentence pairs for the NLI model: premise, hypothesis and how they relate.

A premise entails a hypothesis when it states the same fact, in whichever wording; it contradicts it when it gives the
same subject another value in the same relation; everything else is neutral, and so is whatever a model may write that
is not a sentence of the world. Names are of the training split alone.
"""

from __future__ import annotations

import random
from collections import defaultdict
from typing import NamedTuple

from reset_pl.mini.grammar import QUESTIONS, STATEMENTS, ask, state
from reset_pl.mini.world import (
    KINDS,
    NAMES,
    RELATIONS,
    Fact,
    Relation,
    Subject,
    draw_subject,
    draw_value,
    remembered,
)

LABELS: tuple[str, ...] = ("entailment", "neutral", "contradiction")
"""Label names, in the order of the model's outputs."""

_BY_FIRST: dict[str, list[str]] = defaultdict(list)
_BY_LAST: dict[str, list[str]] = defaultdict(list)
for _name in NAMES["train"]:
    _BY_FIRST[_name[:2]].append(_name)
    _BY_LAST[_name[2:]].append(_name)


class Pair(NamedTuple):
    """One premise and one hypothesis."""

    premise: str
    hypothesis: str
    label: str


def draw_pair(rng: random.Random) -> Pair:
    """A random pair: a fact and what somebody might write of it."""
    fact = _draw_fact(rng)
    premise = state(fact, rng.randrange(len(STATEMENTS)))
    chance = rng.random()
    if chance < 0.28:
        return Pair(premise, _hypothesis(rng, fact), "entailment")
    if chance < 0.46:
        return Pair(premise, _hypothesis(rng, _other_value(rng, fact)), "contradiction")
    if chance < 0.88:
        return Pair(premise, _hypothesis(rng, _near_miss(rng, fact)), "neutral")
    if chance < 0.94:
        return Pair(premise, _garbled(rng, fact), "neutral")
    return _odd(rng, fact, premise)


def _draw_fact(rng: random.Random) -> Fact:
    subject, relation = draw_subject(rng, "train"), rng.choice(RELATIONS)
    return Fact(subject, relation, rng.choice(relation.values))


def _hypothesis(rng: random.Random, fact: Fact) -> str:
    """Mostly in the plainest wording, as models answer."""
    return state(fact, 0 if rng.random() < 0.7 else rng.randrange(len(STATEMENTS)))


def _other_value(rng: random.Random, fact: Fact) -> Fact:
    guess = remembered(fact)
    if guess != fact and rng.random() < 0.4:
        return guess
    return Fact(fact.subject, fact.relation, draw_value(rng, fact.relation, {fact.value}))


def _near_miss(rng: random.Random, fact: Fact) -> Fact:
    """Another subject (of a name or kind nearly the same), or another relation; the value may be the premise's."""
    subject, relation = fact.subject, fact.relation
    miss = rng.choice(("first", "first", "last", "last", "last", "name", "kind", "relation", "relation", "all"))
    if miss in ("first", "last"):
        subject = Subject(subject.kind, _misspelt(rng, subject.name, miss))
    elif miss == "kind":
        subject = Subject(rng.choice([kind for kind in KINDS if kind != subject.kind]), subject.name)
    elif miss in ("name", "all"):
        subject = _other_subject(rng, subject)
    if miss in ("relation", "all"):
        relation = rng.choice([other for other in RELATIONS if other is not fact.relation])
    value = fact.value if relation is fact.relation and rng.random() < 0.6 else rng.choice(relation.values)
    return Fact(subject, relation, value)


def _misspelt(rng: random.Random, name: str, part: str) -> str:
    """A training name that differs in its first or last syllable only."""
    same = _BY_LAST[name[2:]] if part == "first" else _BY_FIRST[name[:2]]
    return rng.choice([other for other in same if other != name])


def _other_subject(rng: random.Random, subject: Subject) -> Subject:
    while True:
        other = draw_subject(rng, "train")
        if other.name != subject.name:
            return other


def _garbled(rng: random.Random, fact: Fact) -> str:
    """What a model writes when it loses the thread: a sentence cut off, doubled or with a word of another relation."""
    words = _hypothesis(rng, fact).split()
    kind = rng.choice(("cut", "doubled", "swapped", "foreign", "shuffled"))
    if kind == "cut":
        return " ".join(words[: rng.randrange(1, len(words))])
    if kind == "doubled":
        place = rng.randrange(len(words))
        return " ".join([*words[: place + 1], *words[place:]])
    if kind == "shuffled":
        shuffled = rng.sample(words, len(words))
        return " ".join(shuffled) if shuffled != words else words[-1]
    if kind == "swapped":
        return state(Fact(fact.subject, fact.relation, _foreign_value(rng, fact.relation)))
    return state(Fact(fact.subject, rng.choice([r for r in RELATIONS if r is not fact.relation]), fact.value))


def _foreign_value(rng: random.Random, relation: Relation) -> str:
    return rng.choice(rng.choice([other for other in RELATIONS if other is not relation]).values)


def _odd(rng: random.Random, fact: Fact, premise: str) -> Pair:
    """Questions as premises (they entail nothing) and hypotheses that say nothing."""
    question = ask(fact.subject, fact.relation, rng.randrange(len(QUESTIONS)))
    hypothesis = _hypothesis(rng, fact)
    filler = rng.choice(("That is all.", "See you soon.", "Thank you.", f"{fact.subject} likes {fact.value}.", ""))
    return rng.choice(
        (
            Pair(question, hypothesis, "neutral"),
            Pair(question, hypothesis, "neutral"),
            Pair(premise, question, "neutral"),
            Pair(premise, filler, "neutral"),
        )
    )
