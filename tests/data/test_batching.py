from functools import partial
from itertools import islice
from typing import Any

import lightning as L
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.data.batching import GlobalBatchSampler, ResumableLoader, collate
from reset_pl.data.encoding import Encoded
from reset_pl.records import IGNORE_INDEX

WORKERS = pytest.mark.parametrize("num_workers", [0, pytest.param(2, marks=pytest.mark.integration)])


def row(*input_ids: int, num_prompt: int = 1, dataset: str = "d") -> Encoded:
    labels = [IGNORE_INDEX] * num_prompt + list(input_ids[num_prompt:])
    return Encoded(input_ids=list(input_ids), labels=labels, dataset=dataset)


def make_loader(num_rows: int = 11, batch_size: int = 2, num_workers: int = 0) -> ResumableLoader:
    """A loader whose row i holds the token i."""
    return ResumableLoader(
        [row(i, i) for i in range(num_rows)],  # type: ignore[arg-type]
        batch_sampler=GlobalBatchSampler(num_rows, batch_size),
        collate_fn=partial(collate, pad_token_id=0),
        num_workers=num_workers,
    )


def tokens(batches: Any) -> list[list[int]]:
    return [batch["input_ids"][:, 0].tolist() for batch in batches]


EPOCH = [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10]]

# ---------------------------------------------------------------- collate


def test_collate_pads_on_the_right() -> None:
    batch = collate([row(5, 6, 7, dataset="a"), row(8, num_prompt=0, dataset="b")], pad_token_id=9)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 9, 9]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["labels"].tolist() == [[-100, 6, 7], [8, -100, -100]]
    assert batch["dataset"] == ["a", "b"]
    assert all(batch[name].dtype == torch.int64 for name in ("input_ids", "attention_mask", "labels"))


def test_padding_that_is_also_the_end_of_sequence_keeps_the_label_of_the_real_end() -> None:
    batch = collate([row(5, 2), row(5, 6, 2)], pad_token_id=2)
    assert batch["labels"].tolist() == [[-100, 2, -100], [-100, 6, 2]]
    assert batch["attention_mask"].tolist() == [[1, 1, 0], [1, 1, 1]]


# ---------------------------------------------------------------- GlobalBatchSampler


@given(num_rows=st.integers(0, 70), share=st.integers(1, 5), world_size=st.sampled_from([1, 2, 4]))
def test_ranks_share_the_batches_that_one_process_reads(num_rows: int, share: int, world_size: int) -> None:
    batch_size = share * world_size
    whole = list(GlobalBatchSampler(num_rows, batch_size))
    samplers = [GlobalBatchSampler(num_rows, batch_size, rank, world_size) for rank in range(world_size)]
    by_rank = [list(sampler) for sampler in samplers]

    assert [index for batch in whole for index in batch] == list(range(num_rows))
    assert {len(batches) for batches in by_rank} == {len(samplers[0])}
    left_out = num_rows % batch_size if 0 < num_rows % batch_size < world_size else 0
    assert len(samplers[0]) == len(whole) - bool(left_out)
    for k, batch in enumerate(zip(*by_rank, strict=True)):
        assert all(batch)
        assert sorted(index for part in batch for index in part) == whole[k]


def test_a_tail_smaller_than_the_ranks_is_left_out() -> None:
    assert list(GlobalBatchSampler(9, 4, rank=0, world_size=2)) == [[0, 2], [4, 6]]
    assert list(GlobalBatchSampler(10, 4, rank=1, world_size=2)) == [[1, 3], [5, 7], [9]]
    assert list(GlobalBatchSampler(9, 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8]]


# ---------------------------------------------------------------- ResumableLoader


@WORKERS
@pytest.mark.parametrize("done", [0, 1, 3, 5])
def test_a_restart_yields_exactly_the_remaining_batches_and_then_full_epochs(done: int, num_workers: int) -> None:
    loader = make_loader(num_workers=num_workers)
    batches = iter(loader)
    assert tokens(islice(batches, done)) == EPOCH[:done]
    state = loader.state_dict() if done else {"num_yielded": 0}
    assert state == {"num_yielded": done}

    restarted = make_loader(num_workers=num_workers)
    restarted.load_state_dict(state)
    assert restarted.state_dict() == state
    assert tokens(restarted) == EPOCH[done:]
    assert tokens(restarted) == EPOCH


def test_a_second_restart_counts_from_the_start_of_the_epoch() -> None:
    loader = make_loader()
    loader.load_state_dict({"num_yielded": 2})
    assert tokens(islice(iter(loader), 2)) == EPOCH[2:4]
    assert loader.state_dict() == {"num_yielded": 4}


def test_an_epoch_that_was_done_is_followed_by_a_full_one() -> None:
    loader = make_loader()
    assert tokens(loader) == EPOCH
    again = make_loader()
    again.load_state_dict(loader.state_dict())
    assert tokens(again) == EPOCH


def test_a_loader_that_was_never_read_has_a_state() -> None:
    assert make_loader().state_dict() == {"num_yielded": 0}


def test_length_is_the_whole_epochs() -> None:
    loader = make_loader()
    loader.load_state_dict({"num_yielded": 4})
    assert len(loader) == len(EPOCH)


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
