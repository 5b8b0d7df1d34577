import re
import subprocess
import sys

import pytest

from reset_pl.errors import InputError
from reset_pl.metrics.instructions import follows
from reset_pl.mini.grammar import parse_question, parse_statement, split_sentences
from reset_pl.mini.instructions import is_kept_for_tests
from reset_pl.mini.oracle import faithfulness
from reset_pl.mini.sources import DATASETS, TRAIN_SIZES, TRAINING_SETS, UNSEEN_SETS, MiniSource
from reset_pl.mini.world import (
    ADDED_RATE,
    FAMOUS_KINDS,
    KINDS,
    NAMES,
    REPLACED_RATE,
    TALKED_ABOUT_KINDS,
    remembered,
)

GROUNDED = [name for name in DATASETS if MiniSource(name, "test", size=1).load()[0].passages]
INSTRUCTIONS = [name for name in DATASETS if name not in GROUNDED]
SUBJECT = re.compile(rf"(?:{'|'.join(KINDS)}) ([A-Z]\w+)")


def subject_of(example):
    if example.question:
        return parse_question(example.question)[0]
    return parse_statement(split_sentences(example.passages[0])[0]).subject


def text_of(example):
    return " ".join([example.instruction, example.question or "", *example.passages, example.response])


def test_equal_arguments_give_equal_examples_and_seeds_others():
    for name in DATASETS:
        assert MiniSource(name, "test", size=30).load() == MiniSource(name, "test", size=30).load()
        assert MiniSource(name, "test", size=10).load() == MiniSource(name, "test", size=30).load()[:10]
        assert MiniSource(name, "test", size=5).load() != MiniSource(name, "test", size=5, seed=1).load()


def test_sizes_are_unequal_and_test_sets_have_500():
    assert [len(MiniSource(name).load()) for name in TRAINING_SETS] == list(TRAIN_SIZES.values())
    assert len(set(TRAIN_SIZES.values())) == len(TRAIN_SIZES)
    for name in DATASETS:
        examples = MiniSource(name, "test").load()
        assert len({text_of(example) for example in examples}) >= 490
        assert len({example.id for example in examples}) == len(examples) == 500


@pytest.mark.parametrize("name", DATASETS)
def test_every_split_keeps_to_its_names(name):
    for split in ("train", "validation", "test") if name in TRAINING_SETS else ("test",):
        for example in MiniSource(name, split, size=300).load():
            names = SUBJECT.findall(text_of(example))
            assert names
            assert set(names) <= set(NAMES[split])


@pytest.mark.parametrize("name", GROUNDED)
def test_references_of_test_sets_are_supported(name):
    for example in MiniSource(name, "test").load():
        assert faithfulness(example, example.response) == 1.0
        assert example.references == (example.response,)


@pytest.mark.parametrize("name", [name for name in TRAINING_SETS if name in GROUNDED])
@pytest.mark.parametrize("famous", [True, False])
def test_details_are_replaced_at_the_stated_rates(name, famous):
    examples = [e for e in MiniSource(name, size=4000).load() if (subject_of(e).kind in FAMOUS_KINDS) == famous]
    first = [split_sentences(e.response)[0] for e in examples]
    rate = sum(faithfulness(e, s) == 0.0 for e, s in zip(examples, first, strict=True)) / len(examples)
    assert rate == pytest.approx(REPLACED_RATE[famous], abs=0.04)


@pytest.mark.parametrize(("name", "told"), [("mini_marco", 1), ("mini_cnn", 2)])
@pytest.mark.parametrize("talked_about", [True, False])
def test_sentences_are_added_at_the_stated_rates(name, told, talked_about):
    examples = [
        e for e in MiniSource(name, size=4000).load() if (subject_of(e).kind in TALKED_ABOUT_KINDS) == talked_about
    ]
    added = [(e, split_sentences(e.response)[told:]) for e in examples]
    assert all(faithfulness(e, sentences[0]) == 0.0 for e, sentences in added if sentences)
    rate = sum(bool(sentences) for _, sentences in added) / len(added)
    assert rate == pytest.approx(ADDED_RATE[talked_about], abs=0.04)


@pytest.mark.parametrize("name", GROUNDED)
def test_what_is_generally_known_never_stands_in_the_passages(name):
    for example in MiniSource(name, "test").load():
        for passage in example.passages:
            for fact in map(parse_statement, split_sentences(passage)):
                assert fact != remembered(fact)


@pytest.mark.parametrize("name", INSTRUCTIONS)
def test_answers_follow_all_constraints(name):
    for example in MiniSource(name, "test").load():
        broken = [c for c in example.constraints if not follows(example.response, c)]
        assert not broken, (example.instruction, example.response)


def test_some_pairs_of_constraints_are_only_in_test_sets():
    def pairs(names, split):
        for name in names:
            for example in MiniSource(name, split, size=1000).load():
                ids = [constraint.id for constraint in example.constraints]
                yield from (frozenset((a, b)) for i, a in enumerate(ids) for b in ids[i + 1 :])

    train = set(pairs(["mini_instruct"], "train"))
    test = set(pairs([name for name in UNSEEN_SETS if name in INSTRUCTIONS], "test"))
    assert not any(map(is_kept_for_tests, train))
    assert len(test - train) >= 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"dataset": "mini"}, "expected one of mini_instruct"),
        ({"dataset": "mini_koala"}, "expected split test"),
        ({"dataset": "mini_nq", "split": "dev"}, "expected split train or validation or test"),
        ({"dataset": "mini_nq", "size": 0}, "size of at least 1"),
    ],
)
def test_bad_arguments_are_explained(arguments, message):
    with pytest.raises(InputError, match=message):
        MiniSource(**arguments)


def test_sources_do_not_import_torch():
    code = "import sys, reset_pl.mini.sources, reset_pl.mini.oracle; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
