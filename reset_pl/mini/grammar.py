"""How facts and questions are worded, and how to read them back.

Every sentence of the world states exactly one fact, in one of a few wordings; ``parse_statement`` and
``parse_question`` undo what ``state`` and ``ask`` do. Truth in this world is therefore a function of the text alone.
"""

from __future__ import annotations

import re

from reset_pl.mini.world import KINDS, RELATIONS, Fact, Relation, Subject

STATEMENTS: tuple[str, ...] = (
    "{subject} {verb} {value}.",
    "The {noun} of {subject} is {value}.",
    "{subject} has {value} as {noun}.",
    "{subject} chose {value} for a {noun}.",
)
"""Wordings of a fact. Training sets use the first three, unseen sets the last as well."""

QUESTIONS: tuple[str, ...] = (
    "What does {subject} {base}?",
    "What is the {noun} of {subject}?",
    "Name the {noun} of {subject}.",
    "This {noun} belongs to {subject}.",
)
"""Wordings of a question. Training sets use the first three, unseen sets the last as well."""

_FIELDS = {
    "subject": rf"(?P<kind>{'|'.join(KINDS)}) (?P<name>[A-Z][a-z]+)",
    "verb": rf"(?P<verb>{'|'.join(relation.verb for relation in RELATIONS)})",
    "base": rf"(?P<base>{'|'.join(relation.base for relation in RELATIONS)})",
    "noun": rf"(?P<noun>{'|'.join(relation.noun for relation in RELATIONS)})",
    "value": r"(?P<value>[a-z]+)",
}


def _patterns(templates: tuple[str, ...]) -> list[re.Pattern[str]]:
    return [re.compile(re.sub(r"([.?])", r"\\\1", template).format(**_FIELDS)) for template in templates]


_STATEMENT_PATTERNS, _QUESTION_PATTERNS = _patterns(STATEMENTS), _patterns(QUESTIONS)
_RELATION_OF = {word: relation for relation in RELATIONS for word in (relation.noun, relation.verb, relation.base)}
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def state(fact: Fact, wording: int = 0) -> str:
    """A sentence that states the fact.

    >>> state(Fact(Subject("Potter", "Bolu"), RELATIONS[0], "figs"), 1)
    'The food of Potter Bolu is figs.'
    """
    relation = fact.relation
    return STATEMENTS[wording].format(subject=fact.subject, verb=relation.verb, noun=relation.noun, value=fact.value)


def ask(subject: Subject, relation: Relation, wording: int = 0) -> str:
    """A question for the value of a subject in a relation.

    >>> ask(Subject("Potter", "Bolu"), RELATIONS[0])
    'What does Potter Bolu eat?'
    """
    return QUESTIONS[wording].format(subject=subject, base=relation.base, noun=relation.noun)


def _match(patterns: list[re.Pattern[str]], text: str) -> tuple[Subject, Relation, str] | None:
    for pattern in patterns:
        if match := pattern.fullmatch(text.strip()):
            found = match.groupdict()
            word = next(found[key] for key in ("noun", "verb", "base") if found.get(key))
            return Subject(found["kind"], found["name"]), _RELATION_OF[word], found.get("value", "")
    return None


def parse_statement(sentence: str) -> Fact | None:
    """The fact that a sentence states, or none when no wording fits or the value is not one of the relation's.

    >>> parse_statement("The food of Potter Bolu is figs.").value, parse_statement("Potter Bolu eats red.")
    ('figs', None)
    """
    found = _match(_STATEMENT_PATTERNS, sentence)
    return Fact(*found) if found and found[2] in found[1].values else None


def parse_question(question: str) -> tuple[Subject, Relation] | None:
    """What a question asks for, or none.

    >>> parse_question("This food belongs to Potter Bolu.")[1].noun
    'food'
    """
    found = _match(_QUESTION_PATTERNS, question)
    return found[:2] if found else None


def split_sentences(text: str) -> list[str]:
    """Sentences of a text, without the white space around them.

    >>> split_sentences("Potter Bolu eats figs. Potter Bolu wears red.")
    ['Potter Bolu eats figs.', 'Potter Bolu wears red.']
    """
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]
