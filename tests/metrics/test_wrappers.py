import math
import pickle
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing

from reset_pl.metrics.bootstrapped import Bootstrapped
from reset_pl.metrics.coverage import span_coverage
from reset_pl.metrics.instructions import accuracies
from reset_pl.metrics.per_dataset import PerDataset
from reset_pl.metrics.rouge import rouge_l
from reset_pl.metrics.summac import SummacZS
from reset_pl.metrics.wrappers import (
    BigramCoverage,
    Declines,
    ExactMatch,
    InstructionFollowing,
    MeanScore,
    RougeL,
    SpanCoverage,
    SummacFaithfulness,
    UnigramCoverage,
)
from reset_pl.records import Constraint

ANSWERS = ["the mill", "a river", "Ada ran home", "nothing", "the mill stood"]
REFERENCES = [["Mill"], ["the Nile", "River"], ["Ada ran"], ["else", "some", "words"], ["the mill stood there"]]
COMMA = Constraint(id="punctuation:no_comma")
CAPITAL = Constraint(id="change_case:english_capital")


def test_values_are_means_of_the_functions() -> None:
    matches, rouge, coverage = ExactMatch(), RougeL(), SpanCoverage()
    for metric in (matches, rouge, coverage):
        metric.update(ANSWERS[:2], REFERENCES[:2])
        metric.update([], [])
        metric.update(ANSWERS[2:], REFERENCES[2:])
    pairs = list(zip(ANSWERS, REFERENCES, strict=True))
    assert matches.compute().item() == 2 / 5
    assert rouge.compute().item() == pytest.approx(sum(rouge_l(answer, *refs) for answer, refs in pairs) / 5, abs=1e-12)
    assert coverage.compute().item() == sum(span_coverage(answer, *refs) for answer, refs in pairs) / 5


def test_forward_gives_the_batch_and_keeps_the_whole() -> None:
    metric = ExactMatch()
    assert metric(["mill"], [["mill"]]).item() == 1.0
    assert metric(["mill", "x"], [["no"], ["no"]]).item() == 0.0
    assert metric.compute().item() == pytest.approx(1 / 3)


def test_instruction_following_leaves_out_what_has_no_constraint() -> None:
    metric = InstructionFollowing()
    metric.update(["Hi, you", "Hi", "WE ARE AT HOME"], [[COMMA, CAPITAL], [], [COMMA, CAPITAL]])
    assert metric.compute().item() == 0.5
    loose = InstructionFollowing(loose=True)
    loose.update(["Sure, ok\nWE ARE AT HOME"], [[COMMA, CAPITAL]])
    assert loose.compute().item() == 1.0


@pytest.mark.parametrize("clip", [True, False])
def test_summac_faithfulness(make_nli: Callable[..., str], clip: bool) -> None:
    folder = make_nli(seed=1)
    documents = ["The river flows north.", "A mill stood there.", "a b c d e f g.", "x y z south south there."]
    answers = ["A mill stood there.", "The river flows north.", "f e d c b a.", "north mill mill stood z."]
    scores = SummacZS(folder).score(list(zip(documents, answers, strict=True)))
    assert min(scores) < 0 < max(scores)  # else clipping would not show
    metric = SummacFaithfulness(SummacZS(folder), clip=clip)
    metric.update(answers, documents)
    expected = sum(max(score, 0.0) if clip else score for score in scores) / 4
    assert metric.compute().item() == pytest.approx(expected, abs=1e-6)
    assert pickle.loads(pickle.dumps(metric)).compute() == metric.compute()


def test_reset_and_pickle() -> None:
    metric = ExactMatch()
    metric.update(["mill"], [["mill"]])
    copy = pickle.loads(pickle.dumps(metric))
    copy.update(["x"], [["mill"]])
    assert (metric.compute().item(), copy.compute().item()) == (1.0, 0.5)
    metric.reset()
    assert math.isnan(metric.compute().item())


METRICS = [ExactMatch, RougeL, SpanCoverage, UnigramCoverage, BigramCoverage, InstructionFollowing, Declines]


@pytest.mark.parametrize("metric", METRICS)
def test_before_the_first_example_the_mean_is_nan_without_a_warning(metric: type[MeanScore]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        empty = metric()
        assert math.isnan(empty.compute().item())
        empty.update(*([] for _ in range(1 if metric is Declines else 2)))
        assert math.isnan(empty.compute().item())


@pytest.mark.parametrize("loose", [False, True])
def test_ifeval_accuracies_are_those_of_the_function(loose: bool) -> None:
    answers = ["Hi, you", "WE ARE AT HOME", "Hi there", "Sure, ok\nWE ARE AT HOME", "NO MORE"]
    checks = [[COMMA], [COMMA, CAPITAL], [COMMA, CAPITAL], [COMMA, CAPITAL], [COMMA]]
    found = []
    for level in ("prompt", "instruction"):
        metric = InstructionFollowing(level, loose=loose)
        metric.update(answers[:2], checks[:2])
        metric.update(answers[2:], checks[2:])
        found.append(metric.compute().item())
    assert found == list(accuracies(zip(answers, checks, strict=True), loose=loose))
    # By hand: 1, 3 and 4 (4 is followed loosely, without its first line) break something; 8 constraints in all.
    assert found == ([3 / 5, 6 / 8] if loose else [2 / 5, 4 / 8])


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="share, prompt or instruction, got 'all'"):
        InstructionFollowing("all")  # type: ignore[arg-type]


def test_coverage_and_declines_by_hand() -> None:
    answers, passages = ["Ada wrote code", "the mill"], [["Ada wrote a letter."], ["one mill", "two"]]
    unigram, bigram, decline = UnigramCoverage(), BigramCoverage(), Declines()
    unigram.update(answers, passages)
    bigram.update(answers, passages)
    decline.update(["Not stated.", "Ulm", "No."])
    assert unigram.compute().item() == pytest.approx((2 / 3 + 1) / 2)
    assert bigram.compute().item() == pytest.approx((1 / 2 + 1) / 2)
    assert decline.compute().item() == pytest.approx(1 / 3)


def test_unequal_lengths_are_an_error_and_add_nothing() -> None:
    metric = ExactMatch()
    metric.update(["mill"], [["mill"]])
    with pytest.raises(ValueError, match="zip"):
        metric.update(["mill", "x"], [["mill"]])
    assert metric.compute().item() == 1.0


def _make_metrics(nli: str) -> dict[str, tuple[MeanScore | Bootstrapped, tuple[Sequence[Any], ...]]]:
    """Every wrapper with the five examples that it is updated with."""
    names = ["nq", "nq", "bioasq", "nq", "bioasq"]
    ids = ["a", "b", "c", "d", "e"]
    checks = [[COMMA], [COMMA, CAPITAL], [], [CAPITAL], [COMMA, CAPITAL]]
    texts = (ANSWERS, REFERENCES)
    followed = (["Hi, you", "HI", "Hi", "Sure, ok\nNO", "NO MORE"], checks)
    documents = [
        "The river flows north.",
        "A mill stood there.",
        "a b c d e f g.",
        "x y z south there.",
        "q r s t u v.",
    ]
    summac = SummacZS(nli, device="cpu")
    return {
        "exact": (ExactMatch(), texts),
        "rouge": (RougeL(), texts),
        "span": (SpanCoverage(), texts),
        "unigram": (UnigramCoverage(), texts),
        "bigram": (BigramCoverage(), texts),
        "summac": (SummacFaithfulness(summac, clip=False), (documents[::-1], documents)),
        "share": (InstructionFollowing(), followed),
        "prompt": (InstructionFollowing("prompt", loose=True), followed),
        "instruction": (InstructionFollowing("instruction"), followed),
        "declines": (Declines(), (["Not stated.", "No.", "In 1931.", "Unanswerable", "Ulm"],)),
        "sets": (PerDataset(RougeL(), ["nq", "bioasq"]), (names, *texts)),
        "intervals": (Bootstrapped(PerDataset(RougeL(), ["nq", "bioasq"]), resamples=100), (ids, names, *texts)),
    }


def _updated(nli: str, batches: Sequence[Sequence[int]]) -> dict[str, Any]:
    """What every wrapper computes after these batches, given by the positions of their examples."""
    found = {}
    for name, (metric, columns) in _make_metrics(nli).items():
        for batch in batches:
            metric.update(*([column[i] for i in batch] for column in columns))
        found[name] = metric.compute()
    return found


def _run_rank(rank: int, init_file: str, folder: str, nli: str) -> None:
    """First both ranks see something, rank 0 three batches and rank 1 one example; then rank 1 sees nothing at all."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{init_file}", rank=rank, world_size=2)
    uneven = _updated(nli, [[0, 1], [3], [4]] if rank == 0 else [[2]])
    idle = _updated(nli, [[4, 0], [1, 2, 3]] if rank == 0 else [])
    torch.save({"uneven": uneven, "idle": idle}, f"{folder}/rank{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.integration
def test_two_processes_with_uneven_batches_equal_one(make_nli: Callable[..., str], tmp_path: Path) -> None:
    nli = make_nli(seed=1)
    expected = _updated(nli, [[0, 1, 2, 3, 4]])
    multiprocessing.spawn(_run_rank, args=(str(tmp_path / "store"), str(tmp_path), nli), nprocs=2)
    for rank in range(2):
        for found in torch.load(tmp_path / f"rank{rank}.pt").values():
            for name, value in expected.items():
                tolerance = 1e-6 if name == "summac" else 1e-12  # the NLI model rounds by the batch
                torch.testing.assert_close(found[name], value, rtol=0, atol=tolerance, msg=f"{name} on rank {rank}")
