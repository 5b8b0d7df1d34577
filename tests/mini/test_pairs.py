import random

from reset_pl.mini.grammar import parse_statement
from reset_pl.mini.pairs import LABELS, draw_pair
from reset_pl.mini.world import NAMES


def label_by_the_facts(premise, hypothesis):
    known, claimed = parse_statement(premise), parse_statement(hypothesis)
    if not known or not claimed:
        return "neutral"
    if known == claimed:
        return "entailment"
    return "contradiction" if known.subject == claimed.subject and known.relation == claimed.relation else "neutral"


def test_labels_follow_from_the_facts():
    rng = random.Random(0)
    pairs = [draw_pair(rng) for _ in range(3000)]
    for pair in pairs:
        assert pair.label == label_by_the_facts(pair.premise, pair.hypothesis), pair
    assert {pair.label for pair in pairs} == set(LABELS)


def test_no_name_of_another_split_is_used():
    rng = random.Random(0)
    words = {word.rstrip(".?") for _ in range(3000) for text in draw_pair(rng)[:2] for word in text.split()}
    assert not words & (set(NAMES["test"]) | set(NAMES["validation"]))
