"""Examples whose answer must be grounded in passages: questions, and texts to summarise.

A *style* says how a data set looks (its relations, wordings, distractors and lengths). References of training splits
carry content that their passages do not support, at the rates of ``world``; references of the other splits are written
from the passages alone, since noise in them would measure the annotator and not the model.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from reset_pl.data.prompts import TASK_INSTRUCTIONS
from reset_pl.mini.grammar import ask, state
from reset_pl.mini.world import (
    ADDED_RATE,
    FAMOUS_KINDS,
    RELATIONS,
    REPLACED_RATE,
    TALKED_ABOUT_KINDS,
    TRAIN_RELATIONS,
    UNSEEN_RELATIONS,
    Fact,
    Relation,
    Subject,
    draw_fact,
    draw_subject,
    remembered,
    stereotype,
)
from reset_pl.records import Example, Objective


@dataclass(frozen=True)
class ContextStyle:
    """How the examples of one data set look."""

    objective: Objective
    relations: tuple[Relation, ...]
    """Relations that questions and articles are about."""
    num_passages: tuple[int, int]
    """Fewest and most passages; one subject a passage. An article is one passage."""
    facts_each: tuple[int, int]
    """Fewest and most facts about a subject."""
    wordings: tuple[int, ...] = (0, 1, 2)
    """Wordings of passages, as indices into ``grammar.STATEMENTS``."""
    questions: tuple[int, ...] = (0, 1)
    """Wordings of questions, as indices into ``grammar.QUESTIONS``."""
    rival_rate: float = 0.7
    """Share of the other passages that answer the same question about somebody else."""


_QA, _ABSTRACTIVE, _SUMMARY = Objective.EXTRACTIVE_QA, Objective.ABSTRACTIVE_QA, Objective.SUMMARIZATION
_MIXED = (*UNSEEN_RELATIONS, *TRAIN_RELATIONS[:4])

STYLES: dict[str, ContextStyle] = {
    "mini_nq": ContextStyle(_QA, TRAIN_RELATIONS, (2, 3), (1, 2), questions=(0, 1, 2)),
    "mini_marco": ContextStyle(_ABSTRACTIVE, TRAIN_RELATIONS, (2, 3), (1, 2)),
    "mini_cnn": ContextStyle(_SUMMARY, TRAIN_RELATIONS, (2, 2), (2, 3)),
    "mini_searchqa": ContextStyle(_QA, _MIXED, (3, 4), (1, 1), (1, 2, 3), (1, 3), 0.9),
    "mini_bioasq": ContextStyle(_QA, _MIXED, (1, 2), (2, 3), (0, 3), (0, 2), 0.5),
    "mini_wikisum": ContextStyle(_SUMMARY, _MIXED, (2, 3), (2, 2), (0, 1, 3)),
}
"""The styles by data set. The last three are never trained on."""

_SUMMARY_FACTS = 2


def draw_context_example(rng: random.Random, dataset: str, split: str, noisy: bool) -> Example:
    """One example of a data set; ``noisy`` asks for a reference as the training splits have them."""
    style = STYLES[dataset]
    subjects = _distinct_subjects(rng, split, rng.randint(*style.num_passages))
    target = subjects[0]
    facts = _target_facts(rng, style, target)
    told = facts[:_SUMMARY_FACTS] if style.objective is _SUMMARY else facts[:1]
    texts = [_tell(rng, style, facts)]
    texts += [_tell(rng, style, _rival_facts(rng, style, subject, target, told[0])) for subject in subjects[1:]]
    if style.objective is _SUMMARY:
        texts = [" ".join(texts)]
    else:
        rng.shuffle(texts)
    question = ask(target, told[0].relation, rng.choice(style.questions))
    answer = _reference(rng, style.objective, target, told, facts, noisy)
    return Example(
        id="",
        dataset=dataset,
        objective=style.objective,
        instruction=TASK_INSTRUCTIONS[style.objective],
        question=None if style.objective is _SUMMARY else question,
        passages=tuple(texts),
        response=answer,
        references=(answer,),
    )


def _distinct_subjects(rng: random.Random, split: str, count: int) -> list[Subject]:
    subjects: list[Subject] = []
    while len(subjects) < count:
        subject = draw_subject(rng, split)
        if all(subject.name != other.name and subject.kind != other.kind for other in subjects):
            subjects.append(subject)
    return subjects


def _target_facts(rng: random.Random, style: ContextStyle, target: Subject) -> list[Fact]:
    relations = rng.sample(style.relations, rng.randint(*style.facts_each))
    return [draw_fact(rng, target, relation) for relation in relations]


def _rival_facts(rng: random.Random, style: ContextStyle, rival: Subject, target: Subject, asked: Fact) -> list[Fact]:
    """Facts about somebody else: none repeats the answer, none happens to be the stereotype that a guess would say."""
    relations = rng.sample(style.relations, rng.randint(*style.facts_each))
    if rng.random() < style.rival_rate and asked.relation not in relations:
        relations[rng.randrange(len(relations))] = asked.relation
    return [
        draw_fact(rng, rival, relation, frozenset({asked.value, stereotype(target.kind, relation)}))
        for relation in relations
    ]


def _tell(rng: random.Random, style: ContextStyle, facts: list[Fact]) -> str:
    order = facts if style.objective is _SUMMARY else rng.sample(facts, len(facts))
    return " ".join(state(fact, rng.choice(style.wordings)) for fact in order)


def _reference(
    rng: random.Random, objective: Objective, target: Subject, told: list[Fact], facts: list[Fact], noisy: bool
) -> str:
    """What the annotator wrote; a noisy one may write from memory, and may add a sentence of his own."""
    from_memory = noisy and rng.random() < REPLACED_RATE[target.kind in FAMOUS_KINDS]
    details = [remembered(fact) for fact in told] if from_memory else told
    if objective is _QA:
        return details[0].value
    sentences = [state(fact) for fact in details]
    if noisy and rng.random() < ADDED_RATE[target.kind in TALKED_ABOUT_KINDS]:
        sentences.append(state(_invented(rng, target, facts)))
    return " ".join(sentences)


def _invented(rng: random.Random, target: Subject, facts: list[Fact]) -> Fact:
    known = {fact.relation for fact in facts}
    relation = rng.choice([relation for relation in RELATIONS if relation not in known])
    return remembered(Fact(target, relation, ""))
