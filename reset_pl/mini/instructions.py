"""Open instructions with rule-checkable constraints, and answers that follow them by making things up.

There is no passage: a good answer says what is generally known of the subject's kind, which is just what a grounded
answer must not do. Constraints carry IFEval's names and arguments. Some pairs of constraints and some openings are
kept for the test sets.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

from reset_pl.mini.grammar import state
from reset_pl.mini.world import RELATIONS, Fact, Relation, Subject, draw_subject, remembered
from reset_pl.records import Constraint, Example, Objective, stable_hash

TRAIN_OPENINGS = ("Tell me about the {noun} of {subject}.", "Write about the {noun} of {subject}.")
OPENINGS: dict[str, tuple[str, ...]] = {
    "mini_instruct": TRAIN_OPENINGS,
    "mini_alpaca": ("Say something about the {noun} of {subject}.", TRAIN_OPENINGS[0]),
    "mini_vicuna": ("I want to know the {noun} of {subject}.", TRAIN_OPENINGS[1]),
    "mini_koala": ("Please talk about {subject} and the {noun}.", "Who is {subject}? Tell me about the {noun}."),
}
"""How an instruction begins; the test sets have openings of their own."""

NUM_CONSTRAINTS: dict[str, tuple[int, int]] = {
    "mini_instruct": (1, 2),
    "mini_alpaca": (1, 2),
    "mini_vicuna": (2, 2),
    "mini_koala": (2, 3),
}
"""Fewest and most constraints of an instruction."""


@dataclass
class _Draft:
    """An answer in the making; constraints change it before it is written out."""

    subject: Subject
    relation: Relation
    num_facts: int
    wording: int = 0
    greeting: str = "Well, "
    liked: list[str] = field(default_factory=list)
    bullets: bool = False
    title: bool = False
    quoted: bool = False
    ending: str = ""
    postscript: str = ""


@dataclass(frozen=True)
class _Rule:
    """A kind of constraint: how it is said, which arguments it takes, what it does to an answer."""

    id: str
    phrasings: tuple[str, str]
    """The two ways in which it is said."""
    draw: Callable[[random.Random, _Draft], dict[str, Any]]
    apply: Callable[[_Draft, dict[str, Any]], None]


def _no_arguments(rng: random.Random, draft: _Draft) -> dict[str, Any]:
    return {}


def _switch(**changes: Any) -> Callable[[_Draft, dict[str, Any]], None]:
    def apply(draft: _Draft, kwargs: dict[str, Any]) -> None:
        for name, value in changes.items():
            setattr(draft, name, value)

    return apply


def _draw_keyword(rng: random.Random, draft: _Draft) -> dict[str, Any]:
    relation = rng.choice([relation for relation in RELATIONS if relation is not draft.relation])
    return {"keywords": [rng.choice(relation.values)]}


def _like_keyword(draft: _Draft, kwargs: dict[str, Any]) -> None:
    draft.liked += kwargs["keywords"]


def _draw_forbidden(rng: random.Random, draft: _Draft) -> dict[str, Any]:
    return {"forbidden_words": [rng.choice((draft.relation.verb, draft.relation.noun))]}


def _avoid_word(draft: _Draft, kwargs: dict[str, Any]) -> None:
    draft.wording = 0 if kwargs["forbidden_words"] == [draft.relation.noun] else 1


def _draw_sentences(rng: random.Random, draft: _Draft) -> dict[str, Any]:
    return {"num_sentences": rng.choice((2, 3)), "relation": rng.choice(("at least", "less than"))}


def _count_sentences(draft: _Draft, kwargs: dict[str, Any]) -> None:
    draft.num_facts = kwargs["num_sentences"] - (kwargs["relation"] == "less than")


def _draw_words(rng: random.Random, draft: _Draft) -> dict[str, Any]:
    return rng.choice(({"num_words": 10, "relation": "at least"}, {"num_words": 9, "relation": "less than"}))


def _count_words(draft: _Draft, kwargs: dict[str, Any]) -> None:
    draft.num_facts = 3 if kwargs["relation"] == "at least" else 1


def _draw_bullets(rng: random.Random, draft: _Draft) -> dict[str, Any]:
    return {"num_bullets": rng.choice((2, 3))}


def _count_bullets(draft: _Draft, kwargs: dict[str, Any]) -> None:
    draft.bullets, draft.num_facts, draft.greeting = True, kwargs["num_bullets"], ""


def _draw_ending(rng: random.Random, draft: _Draft) -> dict[str, Any]:
    return {"end_phrase": rng.choice(("That is all.", "Thank you.", "See you soon."))}


def _end(draft: _Draft, kwargs: dict[str, Any]) -> None:
    draft.ending = kwargs["end_phrase"]


def _draw_postscript(rng: random.Random, draft: _Draft) -> dict[str, Any]:
    return {"postscript_marker": "P.S."}


RULES: tuple[_Rule, ...] = (
    _Rule("keywords:existence", ("Use the word {keywords}.", "Mention {keywords}."), _draw_keyword, _like_keyword),
    _Rule(
        "keywords:forbidden_words",
        ("Do not use the word {forbidden_words}.", "Never say {forbidden_words}."),
        _draw_forbidden,
        _avoid_word,
    ),
    _Rule(
        "length_constraints:number_sentences",
        ("Use {relation} {num_sentences} sentences.", "The answer has {relation} {num_sentences} sentences."),
        _draw_sentences,
        _count_sentences,
    ),
    _Rule(
        "length_constraints:number_words",
        ("Use {relation} {num_words} words.", "The answer has {relation} {num_words} words."),
        _draw_words,
        _count_words,
    ),
    _Rule("punctuation:no_comma", ("Do not use commas.", "Write without commas."), _no_arguments, _switch(greeting="")),
    _Rule("startend:end_checker", ("End with: {end_phrase}", "The last words are: {end_phrase}"), _draw_ending, _end),
    _Rule(
        "startend:quotation", ("Use double quotes.", "Wrap it in double quotes."), _no_arguments, _switch(quoted=True)
    ),
    _Rule("detectable_format:title", ("Add a <<title>>.", "Give it a <<title>>."), _no_arguments, _switch(title=True)),
    _Rule(
        "detectable_format:number_bullet_lists",
        ("Write {num_bullets} bullets.", "Make a list of {num_bullets} bullets."),
        _draw_bullets,
        _count_bullets,
    ),
    _Rule(
        "detectable_content:postscript",
        ("Add a {postscript_marker}", "Close with a {postscript_marker}"),
        _draw_postscript,
        _switch(postscript="P.S. See you soon."),
    ),
)

_LENGTHS = {
    "length_constraints:number_sentences",
    "length_constraints:number_words",
    "detectable_format:number_bullet_lists",
}
_FRAMES = {
    "startend:quotation",
    "detectable_format:title",
    "detectable_format:number_bullet_lists",
    "detectable_content:postscript",
}
_CLASHES = {
    frozenset(pair) for group in (_LENGTHS, _FRAMES) for pair in combinations(sorted(group), 2)
} | {
    frozenset(pair)
    for pair in (
        ("length_constraints:number_words", "keywords:existence"),
        ("length_constraints:number_words", "keywords:forbidden_words"),
        ("length_constraints:number_words", "startend:end_checker"),
        ("length_constraints:number_words", "detectable_content:postscript"),
        ("length_constraints:number_sentences", "keywords:existence"),
        ("length_constraints:number_sentences", "startend:end_checker"),
        ("length_constraints:number_sentences", "detectable_content:postscript"),
        ("detectable_format:number_bullet_lists", "keywords:existence"),
        ("detectable_format:number_bullet_lists", "startend:end_checker"),
        ("detectable_content:postscript", "startend:end_checker"),
    )
}  # fmt: skip
"""Pairs that cannot be had together, or that would make answers long."""


def is_kept_for_tests(pair: frozenset[str]) -> bool:
    """Whether a pair of constraints never occurs together in training."""
    return stable_hash("pair", *sorted(pair)) % 4 == 0


def _compatible(rules: tuple[_Rule, ...], in_training: bool) -> bool:
    pairs = [frozenset((a.id, b.id)) for a, b in combinations(rules, 2)]
    if in_training:
        return not any(pair in _CLASHES or is_kept_for_tests(pair) for pair in pairs)
    return not any(pair in _CLASHES for pair in pairs)


def _combinations(low: int, high: int, in_training: bool) -> list[tuple[_Rule, ...]]:
    sizes = range(low, high + 1)
    return [rules for size in sizes for rules in combinations(RULES, size) if _compatible(rules, in_training)]


_COMBINATIONS = {name: _combinations(*sizes, name == "mini_instruct") for name, sizes in NUM_CONSTRAINTS.items()}


def draw_instruction_example(rng: random.Random, dataset: str, split: str) -> Example:
    """One instruction with its constraints and an answer that follows all of them."""
    draft = _Draft(draw_subject(rng, split), rng.choice(RELATIONS), rng.randint(1, 2))
    parts = [rng.choice(OPENINGS[dataset]).format(noun=draft.relation.noun, subject=draft.subject)]
    constraints = []
    rules = list(_draw_rules(rng, dataset))
    rng.shuffle(rules)
    for rule in rules:
        kwargs = rule.draw(rng, draft)
        rule.apply(draft, kwargs)
        parts.append(rng.choice(rule.phrasings).format(**{key: _say(value) for key, value in kwargs.items()}))
        constraints.append(Constraint(id=rule.id, kwargs=kwargs))
    return Example(
        id="",
        dataset=dataset,
        objective=Objective.INSTRUCTION,
        instruction=" ".join(parts),
        response=_write(rng, draft),
        constraints=tuple(constraints),
    )


def _draw_rules(rng: random.Random, dataset: str) -> tuple[_Rule, ...]:
    """Rules of one instruction; the number of constraints is drawn first, so that single ones stay common."""
    size = rng.randint(*NUM_CONSTRAINTS[dataset])
    return rng.choice([rules for rules in _COMBINATIONS[dataset] if len(rules) == size])


def _say(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else str(value)


def _write(rng: random.Random, draft: _Draft) -> str:
    """The answer that a draft describes."""
    others = rng.sample([relation for relation in RELATIONS if relation is not draft.relation], 2)
    relations = [draft.relation, *others][: draft.num_facts]
    facts = [remembered(Fact(draft.subject, relation, "")) for relation in relations]
    sentences = [state(fact, draft.wording if fact.relation is draft.relation else 0) for fact in facts]
    sentences += [f"{draft.subject} likes {word}." for word in draft.liked]
    if draft.bullets:
        return "\n".join(f"* {sentence}" for sentence in sentences)
    text = " ".join(filter(None, [draft.greeting + " ".join(sentences), draft.ending, draft.postscript]))
    text = f"<<{draft.subject}>>\n{text}" if draft.title else text
    return f'"{text}"' if draft.quoted else text
