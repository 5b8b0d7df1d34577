import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from reset_pl.metrics.instruction_checkers import CHECKERS
from reset_pl.metrics.instructions import accuracies, broken, follows, loose_variants, share_followed
from reset_pl.records import Constraint
from tests.metrics.ifeval_pairs import make_pairs

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / ".venv-ifeval" / "bin" / "python"
needs_reference = pytest.mark.skipif(
    not REFERENCE.exists(), reason=f"no lm-evaluation-harness at {REFERENCE} (.ci/run installs it)"
)

AT_LEAST, LESS = {"relation": "at least"}, {"relation": "less than"}

# (type, arguments, responses that follow it, responses that do not)
CASES: list[tuple[str, dict[str, Any], list[str], list[str]]] = [
    (
        "keywords:existence",
        {"keywords": ["river", "a.b"]},
        ["The RIVER and a.b", "riverbank a.b"],
        ["river acb", "a.b", ""],
    ),
    (
        "keywords:frequency",
        {"keyword": " c++ ", "frequency": 2, **AT_LEAST},
        ["C++ or c++", "c++c++c++"],
        ["c++ and cc", "c"],
    ),
    (
        "keywords:frequency",
        {"keyword": "cat", "frequency": 2, **LESS},
        ["one cat", "none"],
        ["cat concat", "cat cat cat"],
    ),
    (
        "keywords:forbidden_words",
        {"forbidden_words": ["art", "C++"]},
        ["a party", "c and c+"],
        ["Art!", "I like c++.", "modern-art"],
    ),
    (
        "keywords:letter_frequency",
        {"letter": "E", "let_frequency": 2, "let_relation": "at least"},
        ["Eve", "see"],
        ["e", "none"],
    ),
    ("keywords:letter_frequency", {"letter": "#", "let_frequency": 1, "let_relation": "less than"}, ["a"], ["#", "##"]),
    (
        "language:response_language",
        {"language": "fr"},
        ["Les enfants rentrent à la maison.", "Where are they? Les enfants rentrent lentement à la maison.", "123"],
        ["The children walk home slowly.", "你好，今天天气很好。"],
    ),
    (
        "language:response_language",
        {"language": "zh"},
        ["你好，今天天气很好。我们去公园吧。"],
        ["The children walk home."],
    ),
    (
        "length_constraints:number_sentences",
        {"num_sentences": 2, **AT_LEAST},
        ["Dr. Lee ran. He fell.", "A! B? C."],
        ["Dr. Lee ran.", "line\nline"],
    ),
    ("length_constraints:number_sentences", {"num_sentences": 2, **LESS}, ["One."], ["One. Two."]),
    (
        "length_constraints:number_words",
        {"num_words": 3, **AT_LEAST},
        ["one two three", "it's me"],
        ["one two", "- . !"],
    ),
    ("length_constraints:number_words", {"num_words": 3, **LESS}, ["one two"], ["one two three"]),
    (
        "length_constraints:number_paragraphs",
        {"num_paragraphs": 2},
        ["one\n***\ntwo", "***one***two***", "one *** two"],
        ["one", "one\n\ntwo", "one *** *** two", "a***b***c"],
    ),
    (
        "length_constraints:nth_paragraph_first_word",
        {"num_paragraphs": 2, "nth_paragraph": 2, "first_word": "Weird"},
        ["one\n\nweird two", 'one\n\n"Weird, two', "one\n\nWEIRD's", "\n\nweird\n\ntwo"],
        ["one\n\ntwo weird", "weird", "one\n\nweird\n\nthree", "one\n\n\n\nweird", "one\n\nweirdly"],
    ),
    (
        "detectable_content:number_placeholders",
        {"num_placeholders": 2},
        ["[a] and [b c]", "[a][b][c]"],
        ["[a]", "(a) (b)", "[a\nb] [c]"],
    ),
    (
        "detectable_content:postscript",
        {"postscript_marker": "P.S."},
        ["Hi\nP.S. bye", "p. s. x"],
        ["PS bye", "P.P. x", "pxsx"],
    ),
    ("detectable_content:postscript", {"postscript_marker": "P.P.S"}, ["P.P.S bye", "p. p.s"], ["P.S. bye"]),
    ("detectable_content:postscript", {"postscript_marker": "N.B. "}, ["n.b. so"], ["nxbx so"]),
    (
        "detectable_format:number_bullet_lists",
        {"num_bullets": 2},
        ["* a\n* b", "- a\n  - b", "* a\n- b\n**bold**"],
        ["* a", "* a\n* b\n* c", "1. a\n2. b", "** a\n* b"],
    ),
    (
        "detectable_format:constrained_response",
        {},
        ["My answer is yes.", "Well. My answer is maybe. So."],
        ["my answer is yes.", "My answer is yes", "Yes."],
    ),
    (
        "detectable_format:number_highlighted_sections",
        {"num_highlights": 2},
        ["*a* and *b*", "**a** and **b**", "*a* **b**"],
        ["*a*", "* *\n* *", "**** ****", "*a\nb* *c*"],
    ),
    (
        "detectable_format:multiple_sections",
        {"section_spliter": " SECTION ", "num_sections": 2},
        ["SECTION 1\na\nSECTION 2\nb", "SECTION1 SECTION 10"],
        ["SECTION 1", "Section 1 Section 2", "SECTION a SECTION b"],
    ),
    (
        "detectable_format:json_format",
        {},
        ['{"a": 1}', '```json\n{"a": [1]}\n```', "```\n[]```", "5"],
        ["{a: 1}", "Sure: {}"],
    ),
    ("detectable_format:title", {}, ["<<Poem>>", "x <<A b>> y"], ["<Poem>", "<<>>", "<< >>", "<<a\nb>>"]),
    (
        "combination:two_responses",
        {},
        ["one\n******\ntwo", "******one******two"],
        ["one", "one******one", "one******two******three", "one******   ******two", "one***two"],
    ),
    ("combination:repeat_prompt", {"prompt_to_repeat": "Say Hi. "}, [" say hi. Hi!"], ["Hi! Say hi.", "Say"]),
    (
        "startend:end_checker",
        {"end_phrase": "The End "},
        ["So it was. the end", '"Yes. The End"'],
        ["The end.", "The End?"],
    ),
    ("startend:quotation", {}, ['"Hi"', ' "a" and "b" '], ['"Hi', "Hi", "'Hi'", '"']),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "at least"},
        ["NASA and ESA", "I AM", "DON'T", "WELL-KNOWN TWO", "U.S. X", "It was IT'S. No more."],
        ["NASA and Esa", "WELL-KNOWN", "12 34 A"],
    ),
    (
        "change_case:capital_word_frequency",
        {"capital_frequency": 2, "capital_relation": "less than"},
        ["NASA", "none"],
        ["NASA ESA"],
    ),
    (
        "change_case:english_capital",
        {},
        ["I AM HERE AND SO ARE YOU. IT IS A SUNNY DAY, ISN'T IT?"],
        ["I am here and so are you.", "123", "ДЕТИ МЕДЛЕННО ИДУТ ДОМОЙ."],
    ),
    (
        "change_case:english_lowercase",
        {},
        ["the children walk home slowly, all 5 of them!"],
        ["The children walk home slowly.", "123", "les enfants rentrent lentement à la maison."],
    ),
    ("punctuation:no_comma", {}, ["a; b"], ["a, b"]),
]


@pytest.mark.parametrize(("kind", "kwargs", "kept", "missed"), CASES)
def test_checkers(kind: str, kwargs: dict[str, Any], kept: list[str], missed: list[str]) -> None:
    constraint = Constraint(id=kind, kwargs=kwargs)
    assert {response: follows(response, constraint) for response in kept} == dict.fromkeys(kept, True)
    assert {response: follows(response, constraint) for response in missed} == dict.fromkeys(missed, False)


def test_every_checker_has_a_case_and_every_type_a_checker() -> None:
    assert {case[0] for case in CASES} == set(CHECKERS)
    assert len(CHECKERS) == 25


@pytest.mark.parametrize(("kind", "kwargs"), [(case[0], case[1]) for case in CASES])
def test_nothing_follows_no_constraint(kind: str, kwargs: dict[str, Any]) -> None:
    for loose in (False, True):
        assert not follows("", Constraint(id=kind, kwargs=kwargs), loose=loose)
        assert not follows(" \n ", Constraint(id=kind, kwargs=kwargs), loose=loose)


@pytest.mark.parametrize(
    ("constraint", "message"),
    [
        (Constraint(id="language:answer", kwargs={"language": "fr"}), "unknown constraint type 'language:answer'"),
        (Constraint(id="language:response_language", kwargs={"language": "French"}), "one of af, ar, .*, got 'French'"),
        (Constraint(id="length_constraints:number_words", kwargs={"num_words": 3}), "relation"),
        (Constraint(id="length_constraints:number_words", kwargs={"num_words": "3", **AT_LEAST}), "number_words"),
        (Constraint(id="length_constraints:number_words", kwargs={"num_words": 3, "relation": "about"}), "about"),
        (Constraint(id="punctuation:no_comma", kwargs={"num": 3}), "num"),
        (
            Constraint(
                id="keywords:letter_frequency",
                kwargs={"letter": "ab", "let_frequency": 1, "let_relation": "at least"},
            ),
            "one character",
        ),
        (
            Constraint(
                id="length_constraints:nth_paragraph_first_word",
                kwargs={"num_paragraphs": 2, "nth_paragraph": 3, "first_word": "a"},
            ),
            "between 1 and 2",
        ),
    ],
)
def test_bad_constraints_are_errors(constraint: Constraint, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        follows("Hello.", constraint)


def test_arguments_that_are_none_count_as_not_given() -> None:
    """The hub's IFEval rows carry every argument of every type, most of them none."""
    assert follows("Hello.", Constraint(id="punctuation:no_comma", kwargs={"num_words": None}))


def test_loose_variants() -> None:
    assert loose_variants("a\n*b*\nc") == ["a\n*b*\nc", "*b*\nc", "a\n*b*", "*b*", "a\nb\nc", "b\nc", "a\nb", "b"]


@pytest.mark.parametrize(
    ("kind", "response"),
    [
        ("startend:quotation", 'Sure:\n"Hi"'),
        ("startend:quotation", '"Hi"\nAnything else?'),
        ("startend:quotation", 'Sure:\n"Hi"\nBye'),
        ("startend:quotation", '**"Hi"**'),
    ],
)
def test_loose_forgives_what_stands_around(kind: str, response: str) -> None:
    assert not follows(response, Constraint(id=kind))
    assert follows(response, Constraint(id=kind), loose=True)


def test_share_and_broken() -> None:
    comma, quotes = Constraint(id="punctuation:no_comma"), Constraint(id="startend:quotation")
    words = Constraint(id="length_constraints:number_words", kwargs={"num_words": 2, **AT_LEAST})
    assert broken("Hi, you", [comma, quotes, words]) == [comma, quotes]
    assert share_followed("Hi, you", [comma, quotes, words]) == pytest.approx(1 / 3)


def test_deeply_nested_json_is_no_error() -> None:
    assert not follows("[" * 100_000, Constraint(id="detectable_format:json_format"))


def test_accuracies_of_prompts_and_of_instructions() -> None:
    comma, quotes = Constraint(id="punctuation:no_comma"), Constraint(id="startend:quotation")
    answered = [("Hi, you", [comma, quotes]), ('Sure:\n"Hi"', [comma, quotes]), ("Hi", [comma])]
    assert accuracies(answered) == (pytest.approx(1 / 3), pytest.approx(2 / 5))
    assert accuracies(answered, loose=True) == (pytest.approx(2 / 3), pytest.approx(3 / 5))


def verdicts_of_reference(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What lm-evaluation-harness says of each row, in its own environment."""
    script = Path(__file__).parent / "ifeval_reference.py"
    splitter = ROOT / "reset_pl" / "metrics" / "sentences.py"
    command = [str(REFERENCE), str(script), str(splitter)]
    done = subprocess.run(command, input=json.dumps(rows), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@needs_reference
@pytest.mark.integration
def test_verdicts_are_those_of_the_reference() -> None:
    """2,500 pairs, 100 of each type, each outcome at least a quarter of them; strict and loose, every constraint."""
    rows = make_pairs(per_type=100)
    verdicts = verdicts_of_reference(rows)
    met = Counter(
        row["instruction_id_list"][0] for row, v in zip(rows, verdicts, strict=True) if v["inst_level_strict_acc"][0]
    )
    assert all(25 <= met[kind] <= 75 for kind in CHECKERS), met
    answered = [
        (
            row["response"],
            [Constraint(id=i, kwargs=k) for i, k in zip(row["instruction_id_list"], row["kwargs"], strict=True)],
        )
        for row in rows
    ]
    for mode in ("strict", "loose"):
        expected = [verdict[f"inst_level_{mode}_acc"] for verdict in verdicts]
        found = [[follows(text, check, loose=mode == "loose") for check in checks] for text, checks in answered]
        differing = [row for row, ours, theirs in zip(rows, found, expected, strict=True) if ours != theirs]
        assert differing == []
        prompts = sum(verdict[f"prompt_level_{mode}_acc"] for verdict in verdicts) / len(rows)
        instructions = [verdict for prompt in expected for verdict in prompt]
        assert accuracies(answered, loose=mode == "loose") == (prompts, sum(instructions) / len(instructions))


# Where the reference is at fault: (type, arguments, response, ours; the reference says the opposite)
PATTERN_FAULTS: list[tuple[str, dict[str, Any], str, bool]] = [
    ("keywords:existence", {"keywords": ["e.g."]}, "An eggs", False),
    ("keywords:frequency", {"keyword": "what?", "frequency": 1, **AT_LEAST}, "That is wha", False),
    ("keywords:forbidden_words", {"forbidden_words": ["Mr."]}, "I met Mr. Lee", False),
    ("keywords:forbidden_words", {"forbidden_words": ["a.m"]}, "Take aim", True),
    ("detectable_content:postscript", {"postscript_marker": "N.B."}, "nxbx so", False),
    ("detectable_format:multiple_sections", {"section_spliter": "(A)", "num_sections": 1}, "(A) 1 so", True),
]
RANDOM_FAULTS: list[tuple[str, dict[str, Any], str, bool]] = [
    ("keywords:letter_frequency", {"letter": "#", "let_frequency": 4, "let_relation": "at least"}, "#### x", True),
    ("length_constraints:number_words", {"num_words": 0, "relation": "less than"}, "One.", False),
]


@pytest.mark.parametrize(("kind", "kwargs", "response", "ours"), RANDOM_FAULTS)
def test_letters_and_thresholds_are_taken_as_given(
    kind: str, kwargs: dict[str, Any], response: str, ours: bool
) -> None:
    assert follows(response, Constraint(id=kind, kwargs=kwargs)) is ours


@pytest.mark.parametrize(("kind", "kwargs", "response", "ours"), PATTERN_FAULTS)
def test_words_are_no_patterns_unless_compatible(kind: str, kwargs: dict[str, Any], response: str, ours: bool) -> None:
    constraint = Constraint(id=kind, kwargs=kwargs)
    assert follows(response, constraint) is ours
    assert follows(response, constraint, compat=True) is not ours


def test_a_word_that_is_no_pattern_is_an_error_only_when_compatible() -> None:
    constraint = Constraint(id="keywords:existence", kwargs={"keywords": [":("]})
    assert follows("Well :(", constraint)
    with pytest.raises(ValueError, match="bad arguments .* unterminated"):
        follows("Well :(", constraint, compat=True)


@needs_reference
@pytest.mark.integration
def test_faults_of_the_reference_are_as_listed() -> None:
    faults = PATTERN_FAULTS + RANDOM_FAULTS
    rows = [
        {"key": 0, "prompt": "", "instruction_id_list": [kind], "kwargs": [kwargs], "response": response}
        for kind, kwargs, response, _ in faults
    ]
    theirs = [verdict["prompt_level_strict_acc"] for verdict in verdicts_of_reference(rows)]
    assert theirs == [not ours for *_, ours in faults]
