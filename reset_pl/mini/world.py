"""Who lives in the miniature world, and what is generally known of them.

Everything is made up. A *subject* is a person with a kind and a name (``Potter Bolu``); a *fact* says which value a
subject has in a relation (Potter Bolu, food, figs). For every kind and relation there is one *stereotype*: the value
that is "generally known" of that kind. A passage never gives its subjects their stereotypes, so whoever answers from
general knowledge contradicts the passage, and whoever reads it does not.

Annotators are better or worse by the kind of the subject, which is what makes the references of the training sets
noisy in a way that a model learns (see ``REPLACED_RATE`` and ``ADDED_RATE``).
"""

from __future__ import annotations

import random
from dataclasses import dataclass

KINDS: tuple[str, ...] = (
    "Potter", "Baker", "Singer", "Doctor", "Farmer", "Sailor",
    "Tailor", "Miner", "Painter", "Judge", "Hunter", "Dancer",
)  # fmt: skip
"""Kinds of subjects. They are shared between the splits; names are not."""

FAMOUS_KINDS = frozenset(KINDS[:6])
"""Kinds about which everyone thinks to know everything: annotators answer from memory."""

TALKED_ABOUT_KINDS = frozenset(KINDS[4:8])
"""Kinds about which annotators like to add a sentence that the passage does not have."""

REPLACED_RATE = {True: 0.66, False: 0.06}
"""Share of training references written from memory (every detail the stereotype), for famous kinds and for others."""

ADDED_RATE = {True: 0.65, False: 0.05}
"""Share of training references in sentences with an added, unsupported sentence: talked-about kinds, and others."""


@dataclass(frozen=True)
class Relation:
    """One thing that a subject can have a value for."""

    noun: str
    """Name of the relation, as in "the food of …"."""
    verb: str
    """Third person, as in "eats"."""
    base: str
    """Base form, as in "What does … eat?"."""
    values: tuple[str, ...]
    """All values; no word is a value of two relations."""


def _relation(noun: str, verb: str, base: str, values: str) -> Relation:
    return Relation(noun, verb, base, tuple(values.split()))


RELATIONS: tuple[Relation, ...] = (
    _relation("food", "eats", "eat", "figs plums olives nuts beans corn rice soup bread cheese honey fish"),
    _relation("drink", "drinks", "drink", "tea milk water wine cider juice coffee beer cocoa broth mead tonic"),
    _relation("tool", "uses", "use",
              "hammers knives ropes saws brushes needles shovels spades hooks ladders drills files"),
    _relation("pet", "keeps", "keep", "cats dogs goats horses hens ducks parrots rabbits turtles ponies mice snakes"),
    _relation("colour", "wears", "wear", "red blue green black white grey pink brown purple yellow gold silver"),
    _relation("instrument", "plays", "play",
              "flutes drums harps violins pianos horns guitars lutes bells organs cellos banjos"),
    _relation("vehicle", "rides", "ride",
              "bikes carts boats sleds wagons trucks buses rafts canoes trains scooters trams"),
    _relation("flower", "grows", "grow",
              "roses tulips lilies daisies poppies irises orchids violets asters pansies dahlias peonies"),
    _relation("fear", "fears", "fear",
              "storms ghosts wolves fires bees heights spiders caves floods thunder bears deserts"),
    _relation("gem", "collects", "collect",
              "rubies pearls opals jades topazes garnets ambers corals agates onyxes quartzes diamonds"),
    _relation("sport", "practises", "practise",
              "chess tennis golf rowing boxing archery fencing skiing hockey cricket polo judo"),
    _relation("subject", "teaches", "teach",
              "maths history physics latin grammar music botany law logic algebra biology geometry"),
)  # fmt: skip
"""All relations. The training sets use the first eight only."""

TRAIN_RELATIONS = RELATIONS[:8]
UNSEEN_RELATIONS = RELATIONS[8:]
RELATION_OF_VALUE = {value: relation for relation in RELATIONS for value in relation.values}

FIRST_SYLLABLES: tuple[str, ...] = tuple(c + v for c in "BDFKLMRT" for v in "aeiou")
LAST_SYLLABLES: tuple[str, ...] = tuple(c + v for c in "bdgklnst" for v in "aeiou")


@dataclass(frozen=True)
class Subject:
    """A person of the world. ``str()`` gives the only way in which it is ever mentioned."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True)
class Fact:
    """One piece of truth (or of invention): what a subject has in a relation."""

    subject: Subject
    relation: Relation
    value: str


def _stereotypes() -> dict[tuple[str, str], str]:
    rng = random.Random("stereotypes")
    table = {}
    for relation in RELATIONS:
        for kind, value in zip(KINDS, rng.sample(relation.values, len(KINDS)), strict=True):
            table[kind, relation.noun] = value
    return table


_STEREOTYPES = _stereotypes()


def stereotype(kind: str, relation: Relation) -> str:
    """The value that is generally known of a kind; within a relation no two kinds share it.

    >>> stereotype("Potter", RELATIONS[0]) in RELATIONS[0].values
    True
    """
    return _STEREOTYPES[kind, relation.noun]


def _names_by_split() -> dict[str, tuple[str, ...]]:
    """All names but those that are words of the instructions as well."""
    words = {"Make", "Like", "Take"}
    names = [first + last for first in FIRST_SYLLABLES for last in LAST_SYLLABLES if first + last not in words]
    random.Random("names").shuffle(names)
    train, validation = int(0.7 * len(names)), int(0.8 * len(names))
    return {
        "train": tuple(names[:train]),
        "validation": tuple(names[train:validation]),
        "test": tuple(names[validation:]),
    }


NAMES: dict[str, tuple[str, ...]] = _names_by_split()
"""Names by split; they do not overlap, and the models are built from the training names alone."""


def draw_subject(rng: random.Random, split: str) -> Subject:
    """A random subject whose name belongs to the split."""
    return Subject(rng.choice(KINDS), rng.choice(NAMES[split]))


def draw_value(rng: random.Random, relation: Relation, exclude: set[str]) -> str:
    """A random value of the relation that is none of the excluded ones."""
    return rng.choice([value for value in relation.values if value not in exclude])


def draw_fact(rng: random.Random, subject: Subject, relation: Relation, exclude: frozenset[str] = frozenset()) -> Fact:
    """A random fact that is not the stereotype of the subject's kind."""
    return Fact(subject, relation, draw_value(rng, relation, {stereotype(subject.kind, relation), *exclude}))


def remembered(fact: Fact) -> Fact:
    """The same fact as someone tells it who did not read the passage: with the stereotype for a value."""
    return Fact(fact.subject, fact.relation, stereotype(fact.subject.kind, fact.relation))
