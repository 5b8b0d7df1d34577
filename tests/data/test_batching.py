from collections.abc import Iterable
from itertools import islice
from typing import Any

import lightning as L
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.data.batching import (
    GROUPING_WINDOW,
    EncodedRows,
    GlobalBatchSampler,
    ResumableLoader,
    length_grouped,
)
from reset_pl.data.encoded import EncodedTable, EncodingCounts
from reset_pl.data.encoding import Encoded
from reset_pl.data.layout import Collate
from reset_pl.errors import InputError
from reset_pl.records import IGNORE_INDEX

WORKERS = pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.integration)])


def row(*input_ids: int, num_prompt: int = 1, dataset: str = "d") -> Encoded:
    return Encoded(input_ids=list(input_ids), prompt_length=num_prompt, dataset=dataset)


def table(rows: Iterable[Encoded]) -> EncodedTable:
    rows = list(rows)
    return EncodedTable(
        np.array([token for row in rows for token in row.input_ids], np.uint16),
        np.cumsum([0, *(len(row.input_ids) for row in rows)]),
        np.array([row.prompt_length for row in rows], np.int32),
        EncodingCounts(),
    )


def make_sampler(num_rows: int, batch_size: int, lengths: list[int] | None = None, **share: int) -> GlobalBatchSampler:
    """Rows in their own order, half of each of them targets."""
    tokens = np.array(lengths or [4] * num_rows)
    return GlobalBatchSampler(np.arange(num_rows), tokens, tokens // 2, batch_size, **share)


def make_loader(num_rows: int = 11, batch_size: int = 2, num_workers: int = 0, accumulate: int = 1) -> ResumableLoader:
    """A loader whose row i holds the token i."""
    return ResumableLoader(
        EncodedRows({"d": table(row(i, i) for i in range(num_rows))}),
        batch_sampler=make_sampler(num_rows, batch_size, accumulate=accumulate),
        collate_fn=Collate(0, packed=False),
        num_workers=num_workers,
    )


def tokens(batches: Any) -> list[list[int]]:
    return [batch["input_ids"][:, 0].tolist() for batch in batches]


EPOCH = [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10]]

# ---------------------------------------------------------------- EncodedRows


def test_rows_of_several_sets_lie_end_to_end_in_the_order_of_their_names() -> None:
    rows = EncodedRows({"b": table([row(7, 8)]), "a": table([row(1, 2, 3), row(4, 5, num_prompt=2)])})
    assert [(list(r.input_ids), r.prompt_length, r.dataset) for r in (rows[i] for i in range(len(rows)))] == [
        ([1, 2, 3], 1, "a"),
        ([4, 5], 2, "a"),
        ([7, 8], 1, "b"),
    ]
    assert rows.lengths.tolist() == [3, 2, 2]
    assert rows.num_targets.tolist() == [2, 0, 1]
    assert rows[0].labels == [IGNORE_INDEX, 2, 3]


# ---------------------------------------------------------------- GlobalBatchSampler

some_lengths = st.lists(st.integers(2, 60), min_size=0, max_size=70)


@given(lengths=some_lengths, share=st.integers(1, 4), world=st.sampled_from([1, 2, 4]), accumulate=st.integers(1, 3))
def test_ranks_and_micro_batches_share_the_steps_of_one_process(
    lengths: list[int], share: int, world: int, accumulate: int
) -> None:
    n, batch_size = len(lengths), share * world * accumulate
    whole = list(make_sampler(n, batch_size, lengths))
    assert [index for step in whole for index in step] == list(range(n))

    samplers = [
        make_sampler(n, batch_size, lengths, rank=rank, world_size=world, accumulate=accumulate)
        for rank in range(world)
    ]
    by_rank = [list(sampler) for sampler in samplers]
    assert {len(batches) for batches in by_rank} == {len(samplers[0])}
    assert all(batch for batches in by_rank for batch in batches)
    steps: list[list[int]] = [[]]
    for micro in zip(*by_rank, strict=True):
        steps[-1] += [index for part in micro for index in part]
        assert len({(part.step_targets, part.ends_step) for part in micro}) == 1
        if micro[0].ends_step:
            assert micro[0].step_targets == sum(lengths[i] // 2 for i in steps[-1])
            steps.append([])
    assert steps.pop() == []
    left_out = 0 < n % batch_size < world
    assert [sorted(step) for step in steps] == [list(step) for step in whole[: len(whole) - left_out]]


@given(lengths=st.lists(st.integers(1, 60), min_size=16, max_size=16), world=st.sampled_from([2, 4]))
def test_shares_of_a_step_hold_about_as_many_tokens(lengths: list[int], world: int) -> None:
    loads = []
    for rank in range(world):
        sampler = make_sampler(16, 16, lengths, rank=rank, world_size=world, accumulate=2)
        loads += [sum(lengths[i] for i in micro) for micro in sampler]
    # Graham's bound for longest-first: the largest load is at most 4/3 of the best possible.
    best = max(max(lengths), sum(lengths) / (2 * world), sum(sorted(lengths)[-2 * world - 1 : -2 * world + 1]))
    assert max(loads) <= 4 / 3 * max(best, 1)


def test_the_loss_of_two_ranks_and_micro_batches_by_hand() -> None:
    """Five rows of unlike length in a step of four: longest first, where there is least."""
    lengths = [10, 2, 8, 4, 6]
    ranks = [list(make_sampler(5, 4, lengths, rank=rank, world_size=2)) for rank in range(2)]
    assert ranks == [[[0, 1]], [[2, 3]]]  # 12 and 12 tokens; the fifth row has no partner
    assert ranks[0][0].step_targets == (10 + 2 + 8 + 4) // 2
    micro = list(make_sampler(5, 4, lengths, accumulate=2))
    assert sorted(map(sorted, micro[:2])) == [[0, 1], [2, 3]]
    assert micro[2] == [4]
    assert [part.ends_step for part in micro] == [False, True, True]


def test_a_tail_smaller_than_the_ranks_is_left_out() -> None:
    assert [len(make_sampler(n, 4, rank=1, world_size=2)) for n in (8, 9, 10, 11)] == [2, 2, 3, 3]
    assert len(make_sampler(9, 4)) == 3


def test_a_tail_that_makes_no_even_step_is_left_out() -> None:
    """Steps of 4 rows in 2 micro-batches, one or two ranks: a tail of one row, and one of three."""
    lengths = [len(make_sampler(n, 4, accumulate=2, even_steps=True)) for n in (9, 11)]
    assert lengths == [4, 6]
    assert [len(make_sampler(11, 4, world_size=2, accumulate=2, even_steps=even)) for even in (False, True)] == [5, 4]


# ---------------------------------------------------------------- length_grouped


@given(lengths=st.lists(st.integers(1, 99), min_size=1, max_size=120), batch_size=st.integers(1, 7))
def test_grouping_changes_the_order_and_nothing_else(lengths: list[int], batch_size: int) -> None:
    order = np.random.default_rng(0).permutation(len(lengths))
    grouped = length_grouped(order, np.array(lengths), batch_size, seed=1)
    assert sorted(grouped.tolist()) == list(range(len(lengths)))
    whole = len(lengths) // batch_size * batch_size
    assert grouped[whole:].tolist() == order[whole:].tolist()
    assert grouped.tolist() == length_grouped(order, np.array(lengths), batch_size, seed=1).tolist()


def test_grouped_batches_need_far_less_padding_and_stay_in_no_order() -> None:
    lengths = np.random.default_rng(0).integers(10, 1000, size=8 * GROUPING_WINDOW)
    order = np.random.default_rng(1).permutation(len(lengths))

    def padding(order: np.ndarray) -> float:
        batches = lengths[order].reshape(-1, 8)
        return 1 - float(batches.sum() / (batches.max(axis=1) * 8).sum())

    grouped = length_grouped(order, lengths, 8, seed=0)
    assert padding(order) > 0.35
    assert padding(grouped) < 0.03
    means = lengths[grouped].reshape(-1, 8).mean(axis=1)
    assert abs(np.corrcoef(means, np.arange(len(means)))[0, 1]) < 0.4


# ---------------------------------------------------------------- ResumableLoader


def yielded(loader: ResumableLoader, count: int) -> dict[str, int]:
    return {**loader.state_dict(), "num_yielded": count}


@WORKERS
@pytest.mark.parametrize("done", [0, 1, 3, 5])
def test_a_restart_yields_exactly_the_remaining_batches_and_then_full_epochs(done: int, num_workers: int) -> None:
    loader = make_loader(num_workers=2 - num_workers if num_workers else 0)  # another number of workers before
    batches = iter(loader)
    assert tokens(islice(batches, done)) == EPOCH[:done]
    state = loader.state_dict()
    assert state["num_yielded"] == done

    restarted = make_loader(num_workers=num_workers)
    restarted.load_state_dict(state)
    assert restarted.state_dict() == state
    assert tokens(restarted) == EPOCH[done:]
    assert tokens(restarted) == EPOCH


def test_a_second_restart_counts_from_the_start_of_the_epoch() -> None:
    loader = make_loader()
    loader.load_state_dict(yielded(loader, 2))
    assert tokens(islice(iter(loader), 2)) == EPOCH[2:4]
    assert loader.state_dict()["num_yielded"] == 4


def test_an_epoch_that_was_done_is_followed_by_a_full_one() -> None:
    loader = make_loader()
    assert tokens(loader) == EPOCH
    again = make_loader()
    again.load_state_dict(loader.state_dict())
    assert tokens(again) == EPOCH


def test_a_loader_that_was_never_read_has_a_state() -> None:
    assert make_loader().state_dict()["num_yielded"] == 0


def test_length_is_the_whole_epochs() -> None:
    loader = make_loader()
    loader.load_state_dict(yielded(loader, 4))
    assert len(loader) == len(EPOCH)


@given(lengths=some_lengths, accumulate=st.integers(1, 3), done=st.integers(0, 99))
def test_micro_batches_behind_any_point_are_the_rest(lengths: list[int], accumulate: int, done: int) -> None:
    sampler = make_sampler(len(lengths), 6, lengths, accumulate=accumulate, rank=1, world_size=2)
    whole = list(sampler)
    sampler.first_batch = done = min(done, len(whole))
    assert [(*part, part.ends_step) for part in sampler] == [(*part, part.ends_step) for part in whole[done:]]


def test_inside_an_epoch_the_steps_must_stay_the_same() -> None:
    state = yielded(make_loader(), 2)
    with pytest.raises(InputError, match=r"--trainer.accumulate_grad_batches 1 \(now 2\)"):
        make_loader(accumulate=2).load_state_dict(state)
    for other in (make_loader(num_rows=12), make_loader(batch_size=3)):
        with pytest.raises(InputError, match="the same rows in the same order"):
            other.load_state_dict(state)
    over = yielded(make_loader(), 99)
    make_loader(accumulate=2).load_state_dict(over)  # behind the end of an epoch anything may change


def test_the_fingerprint_is_of_the_steps_and_not_of_the_ranks() -> None:
    one, two = make_sampler(8, 4), make_sampler(8, 4, rank=1, world_size=2)
    assert one.fingerprint == two.fingerprint
    assert len({one.fingerprint, make_sampler(8, 2).fingerprint, make_sampler(7, 4).fingerprint}) == 3


class Recorder(L.LightningModule):
    """Learns nothing; remembers what it read, and saves a checkpoint after some batch."""

    def __init__(self, save_after: int | None = None, path: str = "") -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.automatic_optimization = True
        self.save_after = save_after
        self.path = path
        self.seen: list[list[int]] = []

    def training_step(self, batch: dict[str, Any], batch_idx: int) -> torch.Tensor:
        self.seen.append(batch["input_ids"][:, 0].tolist())
        return self.weight * 1.0

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self.global_step == self.save_after:
            self.trainer.save_checkpoint(self.path)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.0)


@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
@pytest.mark.parametrize("save_after", [4, 6, 9])
def test_lightning_goes_on_behind_the_last_batch_and_reads_later_epochs_whole(tmp_path: Any, save_after: int) -> None:
    def fit(module: Recorder, checkpoint: str | None = None) -> list[list[int]]:
        trainer = L.Trainer(
            accelerator="cpu",
            max_epochs=3,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(module, make_loader(), ckpt_path=checkpoint)
        return module.seen

    path = str(tmp_path / "middle.ckpt")
    assert fit(Recorder(save_after, path)) == EPOCH * 3
    assert fit(Recorder(), path) == (EPOCH * 3)[save_after:]
