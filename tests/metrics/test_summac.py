import pickle
import random
from collections.abc import Callable
from typing import get_args

import numpy as np
import pytest
import torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer

from reset_pl.errors import InputError
from reset_pl.metrics.summac import Granularity, SummacZS, split_chunks, zero_shot_score

MakeNli = Callable[..., str]


def sentence(rng: random.Random) -> str:
    return " ".join(
        rng.choices(["river", "flows", "north", "south", "mill", "stood", *"abcdef"], k=rng.randrange(5, 9))
    )


def make_pairs(seed: int, num_pairs: int) -> list[tuple[list[str], list[str]]]:
    """(document sentences, answer sentences), drawn from a small stock so that pairs repeat."""
    rng = random.Random(seed)
    stock = [sentence(rng) for _ in range(12)]
    return [
        (rng.choices(stock, k=rng.randrange(1, 6)), rng.choices(stock, k=rng.randrange(1, 4))) for _ in range(num_pairs)
    ]


def join(sentences: list[str]) -> str:
    return " ".join(f"{text}." for text in sentences)


def slow_summac(folder: str, document: list[str], answer: list[str], use_contradiction: bool) -> float:
    """The rule of SummaC-ZS, pair by pair, with numpy; labels are neutral, contradiction, entailment."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    image = np.zeros((3, len(document), len(answer)))
    for i, premise in enumerate(document):
        for j, hypothesis in enumerate(answer):
            with torch.no_grad():
                logits = model(**tokenizer(f"{premise}.", f"{hypothesis}.", return_tensors="pt")).logits[0].numpy()
            image[:, i, j] = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
    scores = image[2].max(axis=0) - (image[1].max(axis=0) if use_contradiction else 0)
    return float(scores.mean())


def test_zero_shot_score_by_hand() -> None:
    entailment = [[0.8, 0.1, 0.3], [0.2, 0.1, 0.6]]
    contradiction = [[0.1, 0.7, 0.2], [0.1, 0.1, 0.1]]
    assert zero_shot_score(entailment, contradiction) == pytest.approx(((0.8 - 0.7) + (0.6 - 0.1)) / 2)
    assert zero_shot_score(entailment, []) == pytest.approx((0.8 + 0.6) / 2)
    assert zero_shot_score([], []) == 0.0
    assert zero_shot_score([[]], [[]]) == 0.0


@pytest.mark.parametrize("use_contradiction", [True, False])
@pytest.mark.parametrize("batch_tokens", [1, 100, None])
def test_equals_the_rule_written_out(make_nli: MakeNli, use_contradiction: bool, batch_tokens: int | None) -> None:
    folder, pairs = make_nli(), make_pairs(seed=1, num_pairs=6)
    scores = SummacZS(folder, batch_tokens, use_contradiction, device="cpu").score(
        [(join(d), join(a)) for d, a in pairs]
    )
    expected = [slow_summac(folder, document, answer, use_contradiction) for document, answer in pairs]
    assert scores == pytest.approx(expected, abs=1e-5)
    assert max(scores) - min(scores) > 0.05  # the random model tells pairs apart, so a wrong rule would show


def test_labels_are_read_from_the_config(make_nli: MakeNli) -> None:
    """Equal weights with two labels swapped score the other way round."""
    pairs = [(join(document), join(answer)) for document, answer in make_pairs(seed=2, num_pairs=5)]
    scores = SummacZS(make_nli(("neutral", "contradiction", "entailment"))).score(pairs)
    swapped = SummacZS(make_nli(("neutral", "entailment", "contradiction"))).score(pairs)
    assert scores == pytest.approx([-score for score in swapped])
    assert max(map(abs, scores)) > 0.05


def test_scores_do_not_depend_on_company(make_nli: MakeNli) -> None:
    scorer = SummacZS(make_nli(), batch_tokens=80)
    pairs = [(join(document), join(answer)) for document, answer in make_pairs(seed=3, num_pairs=8)]
    together = scorer.score(pairs)
    assert together == pytest.approx([scorer.score([pair])[0] for pair in pairs], abs=1e-5)
    assert scorer.score(pairs[::-1]) == together[::-1]


def test_edges(make_nli: MakeNli) -> None:
    scorer = SummacZS(make_nli())
    assert scorer.score([]) == []
    assert scorer.score([("The river flows north.", ""), ("", "The river flows north."), ("", "")]) == [0.0] * 3
    assert scorer.score([("The river flows north.", "Short one.")]) == [0.0]  # 10 characters are left out
    assert scorer.score([("The river flows north.", "Shorter one.")]) != [0.0]


def test_later_document_sentences_are_not_read(make_nli: MakeNli) -> None:
    scorer, answer = SummacZS(make_nli()), "a mill stood there"
    opening = " ".join(["river flows north a b."] * 100)
    assert scorer.score([(opening, answer)]) == scorer.score([(f"{opening} a mill stood there.", answer)])


PARTED = "One came in. Two went out.\nNo title\n\nThree stayed there. Four."


@pytest.mark.parametrize(
    ("granularity", "chunks"),
    [
        ("document", [PARTED]),
        ("paragraph", ["One came in. Two went out.\nNo title", "Three stayed there. Four."]),
        ("sentence", ["One came in.", "Two went out.", "Three stayed there."]),
        ("2sents", ["One came in. Two went out.", "Two went out. Three stayed there.", "Three stayed there."]),
        (
            "mixed",
            [
                *("One came in.", "Two went out.", "Three stayed there."),
                *("One came in. Two went out.\nNo title", "Three stayed there. Four."),
            ],
        ),
    ],
)
def test_chunks_by_hand(granularity: Granularity, chunks: list[str]) -> None:
    assert split_chunks(PARTED, granularity) == chunks


def test_line_breaks_part_paragraphs_where_no_empty_line_does() -> None:
    assert split_chunks("One came in.\n Two went out.\nShort.", "paragraph") == ["One came in.", "Two went out."]


@pytest.mark.parametrize("granularity", get_args(Granularity))
@pytest.mark.parametrize("text", ["", " \n\n "])
def test_blank_texts_have_no_chunk(granularity: Granularity, text: str, make_nli: MakeNli) -> None:
    assert split_chunks(text, granularity) == []
    scorer = SummacZS(make_nli(), document_granularity=granularity, answer_granularity=granularity)
    assert scorer.score([(text, "A mill stood there."), ("A mill stood there.", text)]) == [0.0, 0.0]


def test_document_and_answer_have_their_own_granularity(make_nli: MakeNli) -> None:
    folder, document, answer = make_nli(), "River flows north. A mill stood there.", "North a b c. South d e f."
    scorer = SummacZS(folder, document_granularity="document", answer_granularity="sentence")
    whole = SummacZS(folder, document_granularity="document", answer_granularity="document")
    by_hand = [whole.score([(document, sentence)])[0] for sentence in ("North a b c.", "South d e f.")]
    assert scorer.score([(document, answer)])[0] == pytest.approx(sum(by_hand) / 2, abs=1e-5)
    assert scorer.score([(document, answer)]) != whole.score([(document, answer)])


@pytest.mark.parametrize("option", ["document_granularity", "answer_granularity"])
def test_unknown_choices_are_bad_input(option: str) -> None:
    with pytest.raises(InputError, match=f"expected {option} to be one of .*, got 'word'"):
        SummacZS("any", **{option: "word"})  # type: ignore[arg-type]


def test_pickles_without_the_model(make_nli: MakeNli) -> None:
    scorer = SummacZS(make_nli(), use_contradiction=False)
    pairs = [("The river flows north.", "A mill stood there.")]
    scores = scorer.score(pairs)
    data = pickle.dumps(scorer)
    assert len(data) < 1000
    assert pickle.loads(data).score(pairs) == scores


def test_a_two_label_model_scores_by_entailment_alone(make_nli: MakeNli) -> None:
    folder, river, mill = make_nli(("entailment", "not_entailment")), "The river flows north.", "A mill stood there."
    scorer = SummacZS(folder, use_contradiction=False, device="cpu")
    entailment = scorer.nli.classify([(river, mill), (mill, mill), (river, river), (mill, river)])
    best = [max(entailment[river, claim][0], entailment[mill, claim][0]) for claim in (mill, river)]
    assert scorer.score([(f"{river} {mill}", f"{mill} {river}")]) == pytest.approx([sum(best) / 2], abs=1e-6)
    with pytest.raises(InputError, match="contradiction label"):
        SummacZS(folder).score([(river, mill)])


def test_long_texts_are_cut_to_what_the_model_reads(make_nli: MakeNli) -> None:
    """The window is 32 tokens; three are special and the short side has three, so 26 of the long one are read."""
    scorer = SummacZS(make_nli(), device="cpu", document_granularity="document", answer_granularity="document")
    answer, long = "mill stood there", " ".join(["river"] * 26 + ["mill"] * 200)
    cut, longer = " ".join(["river"] * 26), " ".join(["river"] * 25)
    scores = scorer.score([(long, answer), (cut, answer), (longer, answer)])
    assert scores[0] == pytest.approx(scores[1], abs=1e-6)
    assert scores[0] != pytest.approx(scores[2], abs=1e-6)
