import pickle
import random
from collections.abc import Callable
from itertools import permutations
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tokenizers.processors import BertProcessing
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    PreTrainedTokenizerFast,
    RobertaConfig,
    RobertaForSequenceClassification,
)

from reset_pl.errors import InputError
from reset_pl.metrics import nli
from reset_pl.metrics.nli import Dtype, NliClassifier, TextPair, nli_label_indices

MakeNli = Callable[..., str]
LABELS = ("neutral", "contradiction", "entailment")
PAIR = ("The river flows north.", "A mill stood there.")


def make_pairs(seed: int, num_pairs: int, longest: int = 12) -> list[TextPair]:
    rng = random.Random(seed)
    words = ["river", "flows", "north", "south", "mill", "stood", *"abcdef"]
    return [
        (
            " ".join(rng.choices(words, k=rng.randrange(1, longest))),
            " ".join(rng.choices(words, k=rng.randrange(1, longest))),
        )
        for _ in range(num_pairs)
    ]


def one_by_one(folder: str, pairs: list[TextPair], max_tokens: int = 32) -> list[list[float]]:
    """Probabilities of all labels, pair by pair, by transformers' own tokenizing of pairs."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    rows = []
    for pair in pairs:
        with torch.no_grad():
            encoded = tokenizer(*pair, truncation=True, max_length=max_tokens, return_tensors="pt")
            rows.append(model(**encoded).logits[0].softmax(0).tolist())
    return rows


@pytest.mark.parametrize("labels", list(permutations(LABELS)))
def test_every_order_of_labels_is_read_from_the_config(make_nli: MakeNli, labels: tuple[str, ...]) -> None:
    folder, pairs = make_nli(labels), make_pairs(seed=1, num_pairs=12)
    found = NliClassifier(folder, device="cpu").classify(pairs)
    expected = one_by_one(folder, pairs)
    entailment, contradiction = labels.index("entailment"), labels.index("contradiction")
    assert len({round(row[entailment], 2) for row in expected}) > 3  # the random model tells pairs apart
    for pair, row in zip(pairs, expected, strict=True):
        assert found[pair] == pytest.approx((row[entailment], row[contradiction]), abs=1e-5)


@pytest.mark.parametrize("batch_tokens", [1, 100, 10_000])
def test_pairs_of_all_lengths_equal_transformers(make_nli: MakeNli, batch_tokens: int) -> None:
    """Shorter and longer than the model's 32 positions, either side the longer one."""
    folder, pairs = make_nli(), make_pairs(seed=2, num_pairs=20, longest=60)
    found = NliClassifier(folder, batch_tokens, device="cpu").classify(pairs)
    for pair, row in zip(pairs, one_by_one(folder, pairs), strict=True):
        assert found[pair] == pytest.approx((row[2], row[1]), abs=1e-5)
    assert len(set(found.values())) > 10


def test_a_tokenizer_that_pads_and_cuts_by_itself_does_not_show(make_nli: MakeNli) -> None:
    """Settings that a tokenizer.json brings along are not the classifier's."""
    folder, pairs = make_nli(), make_pairs(seed=3, num_pairs=8)
    expected = NliClassifier(folder, device="cpu").classify(pairs)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.backend_tokenizer.enable_padding(length=20)
    tokenizer.backend_tokenizer.enable_truncation(3)
    tokenizer.backend_tokenizer.save(f"{folder}/tokenizer.json")
    assert NliClassifier(folder, device="cpu").classify(pairs) == expected


@given(
    st.sets(st.tuples(st.text("ab", max_size=9), st.text("ab", max_size=9)), max_size=40),
    st.integers(1, 60),
    st.integers(4, 30),
)
def test_batches_hold_every_pair_once_within_the_budget(pairs: set[TextPair], budget: int, max_tokens: int) -> None:
    loaded = nli._Loaded(None, None, special_tokens=3, entailment=0, contradiction=None, max_tokens=max_tokens)
    characters = {text: text for pair in pairs for text in pair}  # anything with a length stands in for tokens
    batches = list(nli._batches(loaded, pairs, characters, budget))
    assert sorted(pair for batch in batches for pair in batch) == sorted(pairs)
    lengths = [[min(len(first) + len(second) + 3, max_tokens) for first, second in batch] for batch in batches]
    assert all(len(batch) == 1 or len(batch) * max(batch) <= budget for batch in lengths)
    flat = [length for batch in lengths for length in batch]
    assert flat == sorted(flat, reverse=True)
    assert all((len(batch) + 1) * max(batch) > budget for batch in lengths[:-1])  # only the last may have room left


def test_no_pair_is_classified_twice(make_nli: MakeNli, monkeypatch: pytest.MonkeyPatch) -> None:
    classified: list[TextPair] = []
    classify_batch = nli._classify_batch

    def record(loaded: nli._Loaded, batch: list[TextPair], encodings: dict[str, object]) -> list[tuple[float, float]]:
        classified.extend(batch)
        return classify_batch(loaded, batch, encodings)

    monkeypatch.setattr(nli, "_classify_batch", record)
    pairs = make_pairs(seed=4, num_pairs=9)
    found = NliClassifier(make_nli(), batch_tokens=40).classify(pairs * 3)
    assert sorted(classified) == sorted(set(pairs)) == sorted(found)


def test_nothing_to_classify_loads_nothing() -> None:
    assert NliClassifier("nowhere").classify([]) == {}


def test_max_tokens_cuts_the_longer_side(make_nli: MakeNli) -> None:
    classifier = NliClassifier(make_nli(), max_tokens=9)  # three of them special: three of each side are left
    long, cut = " ".join(["river"] * 200), " ".join(["river"] * 3)
    found = classifier.classify([(long, long), (cut, cut), (long, "mill"), (" ".join(["river"] * 5), "mill")])
    assert found[long, long] == pytest.approx(found[cut, cut], abs=1e-6)
    assert found[long, "mill"] == pytest.approx(found[" ".join(["river"] * 5), "mill"], abs=1e-6)
    assert found[long, "mill"] != pytest.approx(found[cut, cut], abs=1e-3)


def test_roberta_reads_fewer_tokens_than_it_has_positions(make_nli: MakeNli) -> None:
    """Its positions are counted from behind the padding token's; the folder's tokenizer names no limit."""
    folder = make_nli()
    config = RobertaConfig(
        vocab_size=64,
        hidden_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=32,
        type_vocab_size=2,
        pad_token_id=1,
        id2label=dict(enumerate(LABELS)),
    )
    RobertaForSequenceClassification(config).save_pretrained(folder)
    long, cut = (" ".join(["river"] * count) for count in (200, 40))
    found = NliClassifier(folder).classify([(long, "a mill stood there"), (cut, "a mill stood there")])
    assert found[long, "a mill stood there"] == pytest.approx(found[cut, "a mill stood there"], abs=1e-6)


def test_the_cpu_stays_in_single_precision(make_nli: MakeNli) -> None:
    folder, pairs = make_nli(), make_pairs(seed=5, num_pairs=5)
    half = NliClassifier(folder, device="cpu", dtype="float16")
    assert half.classify(pairs) == NliClassifier(folder, device="cpu").classify(pairs)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-4), ("float16", 0.02), ("bfloat16", 0.1)])
def test_precision_on_a_gpu(make_nli: MakeNli, dtype: Dtype, tolerance: float) -> None:
    folder, pairs = make_nli(), make_pairs(seed=6, num_pairs=40)
    classifier = NliClassifier(folder, device="cuda", dtype=dtype)
    single, found = NliClassifier(folder, device="cpu").classify(pairs), classifier.classify(pairs)
    for pair in pairs:
        assert found[pair] == pytest.approx(single[pair], abs=tolerance)
    assert found != single
    assert classifier._loaded is not None
    assert classifier._loaded.model.dtype == getattr(torch, dtype)


def test_pickles_without_the_model(make_nli: MakeNli) -> None:
    classifier = NliClassifier(make_nli(), batch_tokens=64, max_tokens=9)
    found = classifier.classify([PAIR])
    data = pickle.dumps(classifier)
    assert len(data) < 1000
    assert pickle.loads(data).classify([PAIR]) == found


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (("CONTRADICTION", "NEUTRAL", "ENTAILMENT"), (2, 0)),
        (("entailment", "neutral", "contradiction"), (0, 2)),
        (("SUPPORTS", "REFUTES", "NOT ENOUGH INFO"), (0, 1)),
        (("not_entailment", "contradiction", "entailment"), (2, 1)),
    ],
)
def test_label_names(labels: tuple[str, ...], expected: tuple[int, int]) -> None:
    assert nli_label_indices(dict(enumerate(labels))) == expected


@pytest.mark.parametrize(
    "labels",
    [
        ("LABEL_0", "LABEL_1", "LABEL_2"),
        ("neutral", "contradiction", "other"),
        ("entailment", "not_entailment"),
        ("entailment", "entails", "refutes"),
    ],
)
def test_untold_labels_are_bad_input(make_nli: MakeNli, labels: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="one entailment and one contradiction label in its config's id2label, got"):
        NliClassifier(make_nli(labels)).classify([PAIR])


@pytest.mark.parametrize("labels", [("entailment", "not_entailment"), ("NOT_ENTAILMENT", "ENTAILMENT")])
def test_two_labels_are_enough_without_contradiction(make_nli: MakeNli, labels: tuple[str, ...]) -> None:
    folder, pairs = make_nli(labels), make_pairs(seed=7, num_pairs=6)
    found = NliClassifier(folder, device="cpu", need_contradiction=False).classify(pairs)
    column = [label.lower() for label in labels].index("entailment")
    for pair, row in zip(pairs, one_by_one(folder, pairs), strict=True):
        assert found[pair] == pytest.approx((row[column], 0.0), abs=1e-5)


@pytest.mark.parametrize("model", ["nowhere", "models/of/nowhere"])
def test_a_missing_model_is_bad_input(model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"NLI model with its tokenizer") as raised:
        NliClassifier(model).classify([PAIR])
    assert f"(a folder, as seen from {tmp_path}, or a hub name), got {model!r}: " in str(raised.value)
    assert "\n" not in str(raised.value)


def test_a_folder_without_tokenizer_is_bad_input(make_nli: MakeNli) -> None:
    folder = make_nli()
    for file in Path(folder).glob("tokenizer*"):
        file.unlink()
    with pytest.raises(InputError, match="NLI model with its tokenizer"):
        NliClassifier(folder).classify([PAIR])


def test_a_tokenizer_without_padding_token_is_bad_input(make_nli: MakeNli) -> None:
    folder = make_nli()
    backend = AutoTokenizer.from_pretrained(folder).backend_tokenizer
    backend.post_processor = BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]").save_pretrained(folder)
    with pytest.raises(InputError, match="padding token"):
        NliClassifier(folder).classify([PAIR])


@pytest.mark.parametrize(("option", "value"), [("batch_tokens", 0), ("dtype", "float64")])
def test_arguments_out_of_range_are_bad_input(option: str, value: object) -> None:
    with pytest.raises(InputError, match=f"expected {option} to be .*, got {value!r}"):
        NliClassifier("any", **{option: value})  # type: ignore[arg-type]
