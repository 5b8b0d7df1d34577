import pytest

from reset_pl.mini.grammar import (
    QUESTIONS,
    STATEMENTS,
    ask,
    parse_question,
    parse_statement,
    split_sentences,
    state,
)
from reset_pl.mini.world import RELATIONS, Fact, Subject

FACT = Fact(Subject("Potter", "Bolu"), RELATIONS[0], "figs")


@pytest.mark.parametrize("relation", RELATIONS, ids=lambda relation: relation.noun)
def test_every_wording_reads_back(relation):
    for value in relation.values:
        fact = Fact(FACT.subject, relation, value)
        assert [parse_statement(state(fact, n)) for n in range(len(STATEMENTS))] == [fact] * len(STATEMENTS)
    asked = [parse_question(ask(FACT.subject, relation, n)) for n in range(len(QUESTIONS))]
    assert asked == [(FACT.subject, relation)] * len(QUESTIONS)


@pytest.mark.parametrize(
    "sentence",
    [
        "",
        "Potter Bolu eats red.",
        "Potter Bolu eats figs",
        "Potter Bolu eats figs figs.",
        "Potter eats figs.",
        "The food of Potter Bolu.",
    ],
)
def test_what_is_no_sentence_of_the_world_states_nothing(sentence):
    assert parse_statement(sentence) is None


def test_sentences_end_at_lines_too():
    assert split_sentences("A b. C d!\nE f") == ["A b.", "C d!", "E f"]
    assert split_sentences(" \n") == []
