from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import lightning as L
import pytest
import torch

from reset_pl.data.batching import ResumableLoader
from reset_pl.data.curated import CuratedSource
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.data.mixture import FactorMixture
from reset_pl.data.sources import JsonlSource
from reset_pl.errors import InputError
from reset_pl.records import Example, Selection
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.tables import prompt_row, selected_row
from reset_pl.tuning.sft import SFT

Make = Callable[..., Example]
MakeData = Callable[..., ResetDataModule]


class ListSource:
    """Examples in memory; counts how often it is read."""

    def __init__(self, name: str, examples: list[Example]) -> None:
        self.name = name
        self.examples = examples
        self.reads = 0

    def load(self) -> list[Example]:
        self.reads += 1
        return self.examples


@pytest.fixture
def make_data(tiny_model: Path, make_example: Make) -> MakeData:
    """A data module over sets of 2 and 5 rows."""

    def make(**kwargs: Any) -> ResetDataModule:
        sets = [
            ListSource(name, [make_example(f"{name}{i}", dataset=name) for i in range(size)])
            for name, size in (("small", 2), ("large", 5))
        ]
        return ResetDataModule(**{"train": sets, "tokenizer": str(tiny_model), "batch_size": 4, **kwargs})

    return make


@pytest.fixture
def make_round(tmp_path: Path, make_example: Make) -> Callable[..., Path]:
    """Writes a finished round that chose ``answers``: example key → text."""

    def make(name: str, **answers: str) -> Path:
        directory = tmp_path / "rounds" / name
        directory.mkdir(parents=True)
        ledger = Ledger(directory)
        ledger.write_table([prompt_row(make_example(key)) for key in answers], "prompts")
        selections = [
            Selection(example_id=f"d/{key}", candidate_id=f"0/d/{key}/top_k/0", score=1.0, text=text)
            for key, text in answers.items()
        ]
        ledger.write_table([selected_row(selection, "d") for selection in selections], "selected")
        return directory

    return make


def responses(data: ResetDataModule, loader: ResumableLoader) -> list[list[str]]:
    """The targets of every batch, as text."""
    decode = data.encoder.tokenizer.decode
    return [
        [
            decode(batch["targets"][batch["row_of_target"] == i].tolist()).removesuffix("</s>").strip()
            for i in range(len(batch["dataset"]))
        ]
        for batch in loader
    ]


def flat(batches: list[list[str]]) -> list[str]:
    return [text for batch in batches for text in batch]


# ---------------------------------------------------------------- the mixture


def test_before_any_round_the_mixture_is_read(make_data: MakeData) -> None:
    data = make_data()
    batches = responses(data, data.train_dataloader())
    assert [len(batch) for batch in batches] == [4, 4, 2]
    counts = Counter(flat(batches))
    assert {counts[f"It is large{i}."] for i in range(5)} == {1}
    assert sorted(counts[f"It is small{i}."] for i in range(2)) == [2, 3]
    assert Counter(name for batch in data.train_dataloader() for name in batch["dataset"]) == {"small": 5, "large": 5}


def trainer(**kwargs: Any) -> Any:
    given = {
        "global_rank": 0,
        "world_size": 1,
        "current_epoch": 0,
        "accumulate_grad_batches": 1,
        "reload_dataloaders_every_n_epochs": 1,
        "strategy": SimpleNamespace(handles_gradient_accumulation=False),
    }
    return SimpleNamespace(**{**given, **kwargs})


def test_the_order_is_the_seeds_and_every_epoch_has_its_own(make_data: MakeData) -> None:
    def order(epoch: int = 0, **kwargs: Any) -> list[str]:
        data = make_data(**kwargs)
        data.trainer = trainer(current_epoch=epoch)
        return flat(responses(data, data.train_dataloader()))

    assert order() == order()
    assert len({tuple(order()), tuple(order(seed=7)), tuple(order(epoch=1))}) == 3


@pytest.mark.parametrize(("every", "expected"), [(0, [0, 0, 0, 0]), (1, [0, 1, 2, 3]), (2, [0, 0, 2, 2])])
def test_a_restart_inside_an_epoch_gets_the_order_that_it_began_with(
    make_data: MakeData, every: int, expected: list[int]
) -> None:
    """Lightning keeps a loader until it asks for the next one; a restart asks at once, whatever the epoch."""

    def order(epoch: int, every: int) -> list[str]:
        data = make_data()
        data.trainer = trainer(current_epoch=epoch, reload_dataloaders_every_n_epochs=every)
        return flat(responses(data, data.train_dataloader()))

    assert [order(epoch, every) for epoch in range(4)] == [order(epoch, 1) for epoch in expected]


def test_the_template_and_the_limits_reach_the_rows(make_data: MakeData) -> None:
    data = make_data(template="vicuna", max_response_tokens=4, max_length=300)
    batch = next(iter(data.train_dataloader()))
    text = data.encoder.tokenizer.decode(batch["input_ids"][0], skip_special_tokens=True)
    assert text.startswith("A chat between a curious user")
    assert text.endswith("###ASSISTANT: It ")
    assert data.encoder.max_length == 300


def test_sources_are_read_once(make_data: MakeData) -> None:
    data = make_data()
    data.train_dataloader()
    data.train_dataloader()
    assert [source.reads for source in data.train_sources] == [1, 1]  # type: ignore[attr-defined]


def test_before_a_first_round_no_responses_are_needed(make_data: MakeData, make_example: Make) -> None:
    data = make_data(train=[ListSource("prompts", [make_example(response=None)])])
    with pytest.raises(InputError, match="expected a 'response' to train on"):
        data.train_dataloader()
    data.begins_with_round = True
    assert len(data.train_dataloader()) == 1


def test_few_rows_without_a_target_are_left_out_of_the_mixture(make_data: MakeData, make_example: Make) -> None:
    rows = [make_example(f"r{i}", response=None if i == 7 else f"It is {i}.") for i in range(300)]
    data = make_data(train=[ListSource("many", rows)], batch_size=100)
    assert len(flat(responses(data, data.train_dataloader()))) == 299


@pytest.mark.parametrize("layout", ["packed", "grouped", "padded"])
def test_every_layout_reads_the_same_rows(make_data: MakeData, layout: str) -> None:
    data, packed = make_data(layout=layout), make_data(layout="packed")
    own, reference = (flat(responses(d, d.train_dataloader())) for d in (data, packed))
    assert sorted(own) == sorted(reference)
    assert (own == reference) == (layout != "grouped")


def test_the_mixture_is_the_one_configured(make_data: MakeData) -> None:
    data = make_data(mixture=FactorMixture({"small": 1, "large": 0.6}))
    names = [name for batch in data.train_dataloader() for name in batch["dataset"]]
    assert Counter(names) == {"small": 2, "large": 3}


def test_accumulation_and_ranks_cut_the_steps_and_leave_them_what_they_are(make_data: MakeData) -> None:
    def steps(world_size: int, accumulate: int) -> list[list[str]]:
        batches = []
        for rank in range(world_size):
            data = make_data()
            data.trainer = trainer(global_rank=rank, world_size=world_size, accumulate_grad_batches=accumulate)
            loader = data.train_dataloader()
            batches.append(list(zip(responses(data, loader), loader, strict=True)))
        own: list[list[str]] = [[]]
        for micro in zip(*batches, strict=True):
            own[-1] += [text for texts, _ in micro for text in texts]
            if micro[0][1]["ends_step"]:
                own.append([])
        return [sorted(step) for step in own[:-1]]

    assert steps(1, 1) == steps(2, 1) == steps(1, 4) == steps(2, 2)


def test_validation_keeps_its_order(make_data: MakeData, make_example: Make) -> None:
    assert make_data().val_dataloader() == []
    validation = [ListSource(name, [make_example(f"{name}{i}") for i in range(3)]) for name in "ab"]
    data = make_data(validation=validation)
    loader = data.val_dataloader()
    assert isinstance(loader, ResumableLoader)
    assert responses(data, loader) == [["It is a0.", "It is a1.", "It is a2.", "It is b0."], ["It is b1.", "It is b2."]]


def test_validation_reads_a_sample_with_no_row_lost_however_many_processes(
    make_data: MakeData, make_example: Make
) -> None:
    rows = [make_example(f"{i:02d}") for i in range(30)]

    def read(world_size: int, size: int | None = 13, seed: int = 0) -> list[str]:
        data = make_data(validation=[ListSource("a", rows)], validation_size=size, seed=seed, batch_size=4)
        read = []
        for rank in range(world_size):
            data.trainer = trainer(global_rank=rank, world_size=world_size)
            loader = data.val_dataloader()
            assert isinstance(loader, ResumableLoader)
            read += flat(responses(data, loader))
        return read

    assert read(1) == sorted(read(1)), "in their own order"
    assert len(read(1)) == 13
    assert sorted(read(3)) == read(1), "13 rows in batches of 4 leave one, which 3 processes could not share"
    assert read(1, seed=1) != read(1)
    assert len(read(1, size=None)) == 30
    with pytest.raises(InputError, match=r"a row in data.validation for each of 3 processes, but got 2"):
        read(3, size=2)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("split", ["train", "validation", "test"])
def test_two_sets_of_one_name_are_refused(make_data: MakeData, split: Any) -> None:
    data = make_data(**{split: [ListSource("a", []), ListSource("a", [])]})
    with pytest.raises(InputError, match=rf"different names in data.{split}: 'a' twice"):
        data.examples(split)


def test_no_training_set_is_refused(make_data: MakeData) -> None:
    with pytest.raises(InputError, match="at least one training set in data.train"):
        make_data(train=[]).train_dataloader()


@pytest.mark.parametrize(("batch_size", "world_size", "accumulate"), [(2, 4, 1), (0, 1, 1), (-4, 2, 1), (4, 2, 3)])
def test_a_batch_that_the_processes_cannot_share_is_refused(
    make_data: MakeData, batch_size: int, world_size: int, accumulate: int
) -> None:
    data = make_data(batch_size=batch_size)
    data.trainer = trainer(world_size=world_size, accumulate_grad_batches=accumulate)
    expected = rf"--data.batch_size \(now {batch_size}\).*{world_size} processes × {accumulate} accumulated batches"
    with pytest.raises(InputError, match=expected):
        data.train_dataloader()


@pytest.mark.parametrize(("world_size", "accumulate", "even_steps"), [(3, 1, False), (1, 3, True)])
def test_fewer_rows_than_a_step_needs_are_refused(
    make_data: MakeData, make_example: Make, world_size: int, accumulate: int, even_steps: bool
) -> None:
    """Two rows: without the check nothing would be trained, and nothing said."""
    data = make_data(train=[ListSource("two", [make_example(f"two{i}", dataset="two") for i in range(2)])])
    strategy = SimpleNamespace(handles_gradient_accumulation=even_steps)
    data.trainer = trainer(world_size=world_size, accumulate_grad_batches=accumulate, strategy=strategy)
    expected = rf"{world_size} processes × {accumulate} accumulated batches, but got 2 in all"
    with pytest.raises(InputError, match=expected):
        data.train_dataloader()


@pytest.mark.parametrize(("option", "value"), [("max_length", 0), ("max_response_tokens", 0), ("num_workers", -1)])
def test_numbers_out_of_range_are_refused(make_data: MakeData, option: str, value: int) -> None:
    with pytest.raises(InputError, match=rf"expected --data.{option} of at least \d, but got {value}"):
        make_data(**{option: value})


def test_a_source_that_cannot_be_read_says_so(make_data: MakeData, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a JSONL file"):
        make_data(train=[JsonlSource(str(tmp_path / "none.jsonl"))]).train_dataloader()


# ---------------------------------------------------------------- the curated pool


def append(data: ResetDataModule, round_dir: Path, **kwargs: Any) -> None:
    data.append(CuratedSource(str(round_dir)).load(), round_dir=round_dir, **kwargs)


def test_after_a_round_the_curated_answers_alone_are_read(make_data: MakeData, make_round: Callable[..., Path]) -> None:
    data = make_data()
    append(data, make_round("round-000", a="A0.", b="B0."))
    assert sorted(flat(responses(data, data.train_dataloader()))) == ["A0.", "B0."]
    append(data, make_round("round-001", a="A1.", c="C1."))
    assert sorted(flat(responses(data, data.train_dataloader()))) == ["A0.", "A1.", "B0.", "C1."]


def test_another_runs_curated_set_has_seen_what_it_was_drawn_from(
    make_data: MakeData, make_round: Callable[..., Path]
) -> None:
    data = make_data(train=[CuratedSource(str(make_round("round-000", a="A0.", b="B0.")))])
    drawn_from = {example.dataset for example in data.examples("train")["round-000"]}
    assert drawn_from
    assert data.seen == {"round-000", *drawn_from}


def test_a_round_is_appended_once(make_data: MakeData, make_round: Callable[..., Path]) -> None:
    data = make_data()
    round_dir = make_round("round-000", a="A0.")
    append(data, round_dir)
    for accumulate in (True, False):
        append(data, round_dir, accumulate=accumulate)
        assert flat(responses(data, data.train_dataloader())) == ["A0."]
    assert data.state_dict() == {"curated_rounds": [str(round_dir)]}


def test_without_accumulation_the_newest_round_stands_alone(
    make_data: MakeData, make_round: Callable[..., Path]
) -> None:
    data = make_data()
    append(data, make_round("round-000", a="A0."))
    newest = make_round("round-001", b="B1.")
    append(data, newest, accumulate=False)
    assert flat(responses(data, data.train_dataloader())) == ["B1."]
    assert data.state_dict() == {"curated_rounds": [str(newest)]}


def test_the_pool_has_a_new_order_after_every_round(make_data: MakeData, make_round: Callable[..., Path]) -> None:
    answers = {f"k{i}": f"k{i}" for i in range(12)}
    data = make_data()
    append(data, make_round("round-000", **answers))
    first = flat(responses(data, data.train_dataloader()))
    assert first == flat(responses(data, data.train_dataloader()))
    assert first != list(answers)
    append(data, make_round("round-001", **answers), accumulate=False)
    append(data, make_round("round-002", z="z"))
    second = [text for text in flat(responses(data, data.train_dataloader())) if text != "z"]
    assert sorted(second) == sorted(first)
    assert second != first


@pytest.mark.parametrize("accumulate", [True, False])
def test_a_restart_reads_the_pool_from_the_ledgers(
    make_data: MakeData, make_round: Callable[..., Path], accumulate: bool
) -> None:
    data = make_data()
    append(data, make_round("round-000", a="A0.", b="B0."))
    append(data, make_round("round-001", c="C1."), accumulate=accumulate)
    state = data.state_dict()
    restarted = make_data()
    append(restarted, make_round("other", z="Z."))
    restarted.load_state_dict(state)
    assert restarted.curated == data.curated
    assert responses(restarted, restarted.train_dataloader()) == responses(data, data.train_dataloader())
    assert restarted.state_dict() == state


def test_a_state_is_not_changed_by_later_rounds(make_data: MakeData, make_round: Callable[..., Path]) -> None:
    data = make_data()
    append(data, make_round("round-000", a="A0."))
    state = data.state_dict()
    append(data, make_round("round-001", b="B1."))
    assert len(state["curated_rounds"]) == 1


def test_a_restart_without_its_ledger_says_so(make_data: MakeData, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a finished round"):
        make_data().load_state_dict({"curated_rounds": [str(tmp_path / "gone")]})


# ---------------------------------------------------------------- two processes


class WriteRows(L.Callback):
    """Writes what each rank read, a line a batch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        rows = batch["input_ids"][0].split(batch["row_lengths"])
        keys = sorted(str(ids[ids > 2].tolist()) for ids in rows)
        with (self.folder / f"rank-{trainer.global_rank}.txt").open("a") as file:
            file.write(";".join(keys) + "\n")


@pytest.mark.integration
@pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")
def test_two_processes_read_what_one_reads(tmp_path: Path, tiny_model: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(f'{{"objective": "instruction", "instruction": "Say {i}.", "response": "{i}"}}\n' for i in range(11))
    )

    def read(devices: int) -> list[set[str]]:
        folder = tmp_path / str(devices)
        folder.mkdir()
        trainer = L.Trainer(
            accelerator="cpu",
            devices=devices,
            strategy="ddp_spawn" if devices > 1 else "auto",
            use_distributed_sampler=False,
            max_epochs=1,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            callbacks=[WriteRows(folder)],
        )
        torch.set_num_threads(1)
        trainer.fit(SFT(str(tiny_model)), ResetDataModule([JsonlSource(str(rows))], str(tiny_model), batch_size=4))
        ranks = [(folder / f"rank-{rank}.txt").read_text().splitlines() for rank in range(devices)]
        return [{key for part in batch for key in part.split(";")} for batch in zip(*ranks, strict=True)]

    one = read(1)
    assert [len(batch) for batch in one] == [4, 4, 3]
    assert read(2) == one
