import math
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import multiprocessing

from reset_pl.metrics.coverage import span_coverage
from reset_pl.metrics.rouge import rouge_l
from reset_pl.metrics.summac import SummacZS
from reset_pl.metrics.wrappers import (
    ExactMatch,
    InstructionFollowing,
    MeanScore,
    RougeL,
    SpanCoverage,
    SummacFaithfulness,
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


@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_reset_and_pickle() -> None:
    metric = ExactMatch()
    metric.update(["mill"], [["mill"]])
    copy = pickle.loads(pickle.dumps(metric))
    copy.update(["x"], [["mill"]])
    assert (metric.compute().item(), copy.compute().item()) == (1.0, 0.5)
    metric.reset()
    assert math.isnan(metric.compute().item())


def test_unequal_lengths_are_an_error_and_add_nothing() -> None:
    metric = ExactMatch()
    metric.update(["mill"], [["mill"]])
    with pytest.raises(ValueError, match="zip"):
        metric.update(["mill", "x"], [["mill"]])
    assert metric.compute().item() == 1.0


def _run_rank(rank: int, init_file: str, folder: str) -> None:
    """Rank 0 sees three batches of four examples, rank 1 one batch of one."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{init_file}", rank=rank, world_size=2)
    batches = [slice(0, 2), slice(2, 3), slice(3, 4)] if rank == 0 else [slice(4, 5)]
    metrics: dict[str, MeanScore] = {"exact": ExactMatch(), "rouge": RougeL(), "span": SpanCoverage()}
    for metric in metrics.values():
        for batch in batches:
            metric.update(ANSWERS[batch], REFERENCES[batch])
    metrics["idle"] = ExactMatch()  # one rank sees nothing at all
    if rank == 0:
        metrics["idle"].update(ANSWERS, REFERENCES)
    torch.save({name: metric.compute() for name, metric in metrics.items()}, f"{folder}/rank{rank}.pt")
    dist.destroy_process_group()


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:The ``compute`` method")
def test_two_processes_with_uneven_batches_equal_one(tmp_path: Path) -> None:
    multiprocessing.spawn(_run_rank, args=(str(tmp_path / "store"), str(tmp_path)), nprocs=2)
    pairs = list(zip(ANSWERS, REFERENCES, strict=True))
    for rank in range(2):
        values = {name: value.item() for name, value in torch.load(tmp_path / f"rank{rank}.pt").items()}
        assert values["exact"] == values["idle"] == 2 / 5
        assert values["rouge"] == pytest.approx(sum(rouge_l(answer, *refs) for answer, refs in pairs) / 5, abs=1e-12)
        assert values["span"] == sum(span_coverage(answer, *refs) for answer, refs in pairs) / 5
