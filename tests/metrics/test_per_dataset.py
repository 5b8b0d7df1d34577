import math
import pickle
import warnings

import pytest

from reset_pl.metrics.per_dataset import PerDataset
from reset_pl.metrics.wrappers import Declines, ExactMatch, InstructionFollowing
from reset_pl.records import Constraint

NQ, BIOASQ = ["nq"] * 3, ["bioasq"]
ANSWERS = ["Nile", "Po", "Po", "p53"]
REFERENCES = [["Nile"], ["Rhine"], ["Elbe"], ["P53"]]


def values(metric: PerDataset) -> dict[str, float]:
    return {name: value.item() for name, value in metric.compute().items()}


def test_macro_weighs_data_sets_and_not_examples() -> None:
    metric = PerDataset(ExactMatch(), ["nq", "bioasq"])
    metric.update([*NQ, *BIOASQ], ANSWERS, REFERENCES)
    assert values(metric) == pytest.approx({"nq": 1 / 3, "bioasq": 1.0, "macro": (1 / 3 + 1) / 2})
    metric.update(BIOASQ, ["x"], [["y"]])
    assert values(metric) == pytest.approx({"nq": 1 / 3, "bioasq": 0.5, "macro": (1 / 3 + 1 / 2) / 2})


def test_counts_other_than_one_stay_with_their_data_set() -> None:
    comma, capital = Constraint(id="punctuation:no_comma"), Constraint(id="change_case:english_capital")
    metric = PerDataset(InstructionFollowing("instruction"), ["koala", "vicuna"])
    checks = [[comma, capital], [comma], [comma], []]
    metric.update(["koala", "koala", "vicuna", "vicuna"], ["No comma.", "None.", "One, here.", "Hi."], checks)
    assert values(metric) == pytest.approx({"koala": 2 / 3, "vicuna": 0.0, "macro": 1 / 3})


def test_a_data_set_without_examples_is_nan_and_so_is_macro() -> None:
    metric = PerDataset(ExactMatch(), ["nq", "bioasq"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert all(map(math.isnan, values(metric).values()))
    metric.update([], [], [])
    metric.update(BIOASQ, ["p53"], [["P53"]])
    found = values(metric)
    assert math.isnan(found["nq"])
    assert math.isnan(found["macro"])
    assert found["bioasq"] == 1.0


def test_forward_reset_and_pickle() -> None:
    metric = PerDataset(ExactMatch(), ["nq", "bioasq"])
    assert metric([*NQ, *BIOASQ], ANSWERS, REFERENCES)["macro"].item() == pytest.approx(2 / 3)
    assert metric(["nq", "bioasq"], ["a", "b"], [["a"], ["c"]])["macro"].item() == 0.5
    assert values(metric) == {"nq": 0.5, "bioasq": 0.5, "macro": 0.5}
    assert values(pickle.loads(pickle.dumps(metric))) == values(metric)
    metric.reset()
    assert math.isnan(values(metric)["macro"])


@pytest.mark.parametrize("names", [[], ["nq", "nq"], ["nq", "macro"]])
def test_names_must_be_distinct(names: list[str]) -> None:
    with pytest.raises(ValueError, match="expected names of data sets"):
        PerDataset(ExactMatch(), names)


def test_bad_batches_add_nothing() -> None:
    metric = PerDataset(ExactMatch(), ["nq"])
    metric.update(["nq"], ["Nile"], [["Nile"]])
    with pytest.raises(ValueError, match="expected data sets among nq, got bioasq"):
        metric.update(BIOASQ, ["p53"], [["P53"]])
    with pytest.raises(ValueError, match="expected data sets among nq, got macro"):
        metric.update(["macro"], ["p53"], [["P53"]])
    with pytest.raises(ValueError, match="expected a data set for each of 2 examples, got 1"):
        metric.update(["nq"], ["a", "b"], [["a"], ["b"]])
    assert values(metric) == {"nq": 1.0, "macro": 1.0}


def test_what_is_better_is_the_metrics_own() -> None:
    assert PerDataset(ExactMatch(), ["nq"]).higher_is_better is True
    assert PerDataset(Declines(), ["nq"]).higher_is_better is None
