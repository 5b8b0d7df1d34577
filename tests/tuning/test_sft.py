import csv
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import lightning as L
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from transformers import AutoModelForCausalLM, get_cosine_schedule_with_warmup

from reset_pl.data.datamodule import ResetDataModule
from reset_pl.errors import InputError
from reset_pl.tuning.sft import SFT

from .conftest import Memory

MakeData = Callable[..., ResetDataModule]
MakeTrainer = Callable[..., L.Trainer]
Act = Callable[[L.Trainer, SFT, int], None]

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")


def weights(module: SFT) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in module.policy.named_parameters()}


def assert_same_weights(first: dict[str, torch.Tensor], second: dict[str, torch.Tensor], *, atol: float) -> None:
    assert first.keys() == second.keys()
    for name in first:
        torch.testing.assert_close(first[name], second[name], atol=atol, rtol=0, msg=lambda text: f"{name}: {text}")  # noqa: B023


def adamw(model: Any, weight_decay: float) -> torch.optim.AdamW:
    """The reference optimizer: decay on everything but the norms' vectors."""
    named = dict(model.named_parameters())
    vectors = [parameter for name, parameter in named.items() if "norm" in name]
    matrices = [parameter for name, parameter in named.items() if "norm" not in name]
    assert len(vectors) == 5
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=1.0)


@pytest.fixture
def module(tiny_model: Path) -> SFT:
    """A module outside a Trainer, with policy and optimizer."""
    module = SFT(str(tiny_model), lr=0.01, weight_decay=0.5, warmup_ratio=0.0)
    module.configure_model()
    module.configure_optimizers()
    return module


# ---------------------------------------------------------------- the optimizer's steps


@pytest.mark.parametrize("layout", ["packed", "padded"])
@pytest.mark.parametrize("accumulate", [1, 2, 4])
def test_training_is_the_loop_written_out_by_hand(
    tiny_model: Path, make_data: MakeData, make_trainer: MakeTrainer, layout: str, accumulate: int
) -> None:
    """transformers' loss and schedule, torch's AdamW and a plain loop over whole steps give the same weights.

    Responses are of unlike length, so a mean over micro-batches of their means would not.
    """
    data = make_data(layout=layout)
    module = SFT(str(tiny_model), lr=3e-3, weight_decay=0.1, warmup_ratio=0.4)
    make_trainer(accumulate_grad_batches=accumulate).fit(module, data)

    model = AutoModelForCausalLM.from_pretrained(tiny_model).train()
    start = deepcopy(model.state_dict())
    optimizer = adamw(model, weight_decay=0.1)
    for group in optimizer.param_groups:
        group["lr"] = 3e-3
    schedule = get_cosine_schedule_with_warmup(optimizer, 2, 4)
    for batch in make_data(layout="padded").train_dataloader():
        model(**{name: batch[name] for name in ("input_ids", "attention_mask", "labels")}).loss.backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()

    assert module.global_step == 4
    assert_same_weights(weights(module), dict(model.named_parameters()), atol=1e-6)
    assert (model.lm_head.weight - start["lm_head.weight"]).abs().max() > 1e-3


@pytest.mark.parametrize(("batch_size", "steps"), [(4, 4), (3, 6), (5, 4)])
def test_accumulation_leaves_the_optimizer_steps_what_they_are(
    tiny_model: Path, make_data: MakeData, make_trainer: MakeTrainer, batch_size: int, steps: int
) -> None:
    """16 rows an epoch; a last step of one row has one micro-batch."""
    module = SFT(str(tiny_model), lr=1e-3)
    make_trainer(accumulate_grad_batches=3, max_epochs=2).fit(module, make_data(batch_size=batch_size))
    assert module.steps_per_epoch == steps
    assert module.schedule.num_steps == module.global_step == 2 * steps
    assert module.schedule.finished


@pytest.mark.integration
def test_two_ranks_and_accumulation_take_the_steps_of_one(
    tmp_path: Path, tiny_model: Path, make_data: MakeData, make_trainer: MakeTrainer, memory: Memory
) -> None:
    """1 rank × 8 rows, 2 ranks × 4 and accumulation 4 × 2 give the same losses and weights."""
    reference = SFT(str(tiny_model), lr=3e-3)
    make_trainer(logger=memory).fit(reference, make_data(batch_size=8))
    torch.set_num_threads(1)
    for name, options in {
        "ranks": {"devices": 2, "strategy": "ddp_spawn", "use_distributed_sampler": False},
        "accumulated": {"accumulate_grad_batches": 4},
        "both": {"devices": 2, "strategy": "ddp_spawn", "use_distributed_sampler": False, "accumulate_grad_batches": 2},
    }.items():
        folder = tmp_path / name
        trainer = make_trainer(logger=CSVLogger(folder, "", ""), callbacks=[SaveWeights(folder)], **options)
        trainer.fit(SFT(str(tiny_model), lr=3e-3), make_data(batch_size=8))
        assert_same_weights(torch.load(folder / "weights.pt"), weights(reference), atol=1e-6)
        with (folder / "metrics.csv").open() as file:
            losses = [float(row["train/loss"]) for row in csv.DictReader(file) if row["train/loss"]]
        assert losses == pytest.approx(memory.values("train/loss"), abs=1e-5)
        assert len(losses) == 2


class SaveWeights(L.Callback):
    """Leaves the trained weights behind, where the parent of spawned ranks finds them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def on_train_end(self, trainer: L.Trainer, pl_module: SFT) -> None:  # type: ignore[override]
        if trainer.is_global_zero:
            self.folder.mkdir(exist_ok=True)
            torch.save(weights(pl_module), self.folder / "weights.pt")


@pytest.mark.parametrize(
    ("limits", "num_steps"),
    [
        ({"max_epochs": 2}, 8),
        ({"max_epochs": 2, "max_steps": 3}, 3),
        ({"max_epochs": 1, "max_steps": 30}, 4),
        ({"max_epochs": -1, "max_steps": 6}, 6),
    ],
)
def test_the_schedule_ends_where_the_fit_ends(
    tiny_model: Path, make_data: MakeData, make_trainer: MakeTrainer, limits: dict[str, int], num_steps: int
) -> None:
    module = SFT(str(tiny_model), lr=1e-3)
    make_trainer(**limits).fit(module, make_data())
    assert module.schedule.num_steps == module.global_step == num_steps
    assert module.schedule.get_last_lr()[0] == pytest.approx(0.0, abs=1e-12)


def test_decay_is_on_matrices_only(module: SFT) -> None:
    decayed, plain = module.schedule.optimizer.param_groups
    assert (decayed["weight_decay"], plain["weight_decay"]) == (0.5, 0.0)
    assert {parameter.ndim for parameter in decayed["params"]} == {2}
    assert {parameter.ndim for parameter in plain["params"]} == {1}
    assert len(decayed["params"]) + len(plain["params"]) == len(list(module.policy.parameters()))


def test_frozen_weights_are_left_alone(module: SFT) -> None:
    module.policy.model.embed_tokens.weight.requires_grad = False
    optimizer = module.configure_optimizers()["optimizer"]
    given = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    assert len(given) == len(list(module.policy.parameters())) - 1


# ---------------------------------------------------------------- stages


def step(module: SFT, seed: int) -> None:
    """One optimizer step on random tokens."""
    input_ids = torch.randint(3, 259, (2, 6), generator=torch.Generator().manual_seed(seed))
    module.policy(input_ids=input_ids, labels=input_ids).loss.backward()
    module.schedule.optimizer.step()
    module.schedule.step()
    module.schedule.optimizer.zero_grad()


def test_a_stage_begins_without_the_moments_of_the_one_before(module: SFT) -> None:
    """Steps after ``begin_stage`` are those of a new AdamW on the same weights."""
    module.begin_stage("mtl", num_steps=4, lr=0.02)
    for seed in range(3):
        step(module, seed)
    assert len(module.schedule.optimizer.state) == len(list(module.policy.parameters()))
    fresh = SFT(module.model_path, lr=0.01, weight_decay=0.5, warmup_ratio=0.0)
    fresh.policy = deepcopy(module.policy)
    fresh.configure_optimizers()

    module.begin_stage("round-000", num_steps=5, lr=0.01)
    assert not module.schedule.optimizer.state
    fresh.begin_stage("round-000", num_steps=5, lr=0.01)
    for seed in range(5):
        step(module, seed)
        step(fresh, seed)
    assert_same_weights(weights(module), weights(fresh), atol=0.0)
    assert module.schedule.stage == "round-000"


class Watch(L.Callback):
    """Notes stages, rates and decays; lets ``before`` happen before a batch and ``after`` behind it."""

    def __init__(self, before: Act | None = None, after: Act | None = None) -> None:
        self.before = before
        self.after = after
        self.stages: list[tuple[str, bool]] = []
        self.rates: list[float] = []
        self.decays: list[list[float]] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: SFT) -> None:  # type: ignore[override]
        self.stages.append((pl_module.stage, pl_module.stage_finished))

    def on_train_batch_start(self, trainer: L.Trainer, pl_module: SFT, batch: Any, batch_idx: int) -> None:  # type: ignore[override]
        groups = trainer.optimizers[0].param_groups
        self.rates.append(groups[0]["lr"])
        self.decays.append([group["weight_decay"] for group in groups])
        if self.before is not None:
            self.before(trainer, pl_module, batch_idx)

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: SFT, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.stages.append((pl_module.stage, pl_module.stage_finished))
        if self.after is not None:
            self.after(trainer, pl_module, batch_idx)


def test_a_module_knows_its_stage_and_whether_it_is_over(
    tiny_model: Path, make_data: MakeData, make_trainer: MakeTrainer
) -> None:
    watch = Watch()
    make_trainer(callbacks=[watch]).fit(SFT(str(tiny_model)), make_data())
    assert watch.stages == [("start", True), *[("sft", False)] * 3, ("sft", True)]


# ---------------------------------------------------------------- restarts


def save_at(path: str, step: int) -> Act:
    def act(trainer: L.Trainer, module: SFT, batch_idx: int) -> None:
        if module.global_step == step:
            trainer.save_checkpoint(path)

    return act


def test_a_run_cut_in_two_gives_the_same_weights(
    tmp_path: Path, tiny_model: Path, make_data: MakeData, make_trainer: MakeTrainer
) -> None:
    path = str(tmp_path / "middle.ckpt")
    whole = SFT(str(tiny_model), lr=3e-3)
    make_trainer(max_epochs=2, callbacks=[Watch(after=save_at(path, 3))]).fit(whole, make_data())
    resumed = SFT(str(tiny_model), lr=3e-3)
    watch = Watch()
    make_trainer(max_epochs=2, callbacks=[watch]).fit(resumed, make_data(), ckpt_path=path)
    assert len(watch.rates) == 8 - 3
    assert_same_weights(weights(resumed), weights(whole), atol=1e-7)


def test_what_is_configured_wins_over_the_checkpoint(
    tmp_path: Path, tiny_model: Path, make_data: MakeData, make_trainer: MakeTrainer
) -> None:
    path = str(tmp_path / "middle.ckpt")
    before = Watch(after=save_at(path, 2))
    first = SFT(str(tiny_model), lr=1e-2, weight_decay=0.3, warmup_ratio=0.0)
    make_trainer(callbacks=[before]).fit(first, make_data())
    assert before.decays[0] == [0.3, 0.0]

    after = Watch()
    second = SFT(str(tiny_model), lr=2e-3, weight_decay=0.7, warmup_ratio=0.75)
    make_trainer(callbacks=[after]).fit(second, make_data(), ckpt_path=path)
    # Steps 2 and 3 of 4, of which 3 warm up: 2/3 of the new peak, then the peak.
    assert after.rates == pytest.approx([2e-3 * 2 / 3, 2e-3], abs=1e-12)
    assert after.decays == [[0.7, 0.0]] * 2


# ---------------------------------------------------------------- losses


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_the_run(
    tiny_model: Path, make_data: MakeData, make_trainer: MakeTrainer, value: float
) -> None:
    def poison(trainer: L.Trainer, module: SFT, batch_idx: int) -> None:
        if batch_idx == 2:
            with torch.no_grad():
                module.policy.lm_head.weight.fill_(value)

    # Without warm-up, step 2 of 4 is taken at half of the peak rate.
    module = SFT(str(tiny_model), lr=4e-3, warmup_ratio=0.0)
    with pytest.raises(
        InputError, match=r"became nan at step 2 \(learning rate 2\.0e-03\): lower --model\.lr"
    ) as error:
        make_trainer(callbacks=[Watch(before=poison)]).fit(module, make_data())
    assert "\n" not in str(error.value)


def test_loss_and_rate_are_logged_at_every_step(
    tiny_model: Path, make_data: MakeData, make_trainer: MakeTrainer, memory: Memory
) -> None:
    module = SFT(str(tiny_model), lr=1e-3, warmup_ratio=0.0)
    make_trainer(logger=memory).fit(module, make_data())
    assert memory.values("train/lr") == pytest.approx([1e-3, 8.535534e-4, 5e-4, 1.464466e-4], rel=1e-5)
    model = AutoModelForCausalLM.from_pretrained(tiny_model)
    batch = next(iter(make_data(layout="padded").train_dataloader()))
    expected = model(**{name: batch[name] for name in ("input_ids", "attention_mask", "labels")}).loss.item()
    losses = memory.values("train/loss")
    assert len(losses) == 4
    assert losses[0] == pytest.approx(expected, abs=1e-5)
    assert not any(name.startswith("train/loss/") for _, row in memory.rows for name in row)


@pytest.mark.parametrize("limit", [3, 0.4, 1])
def test_a_limit_that_cuts_an_optimizer_step_is_refused(
    tiny_model: Path, make_data: MakeData, make_trainer: MakeTrainer, limit: float
) -> None:
    options = {"accumulate_grad_batches": 2, "limit_train_batches": limit}
    with pytest.raises(InputError, match=r"limit_train_batches .* multiple .* \(2\), whole optimizer steps, but got"):
        make_trainer(**options).fit(SFT(str(tiny_model)), make_data(batch_size=4))
    module = SFT(str(tiny_model))
    make_trainer(accumulate_grad_batches=2, limit_train_batches=4).fit(module, make_data(batch_size=4))
    assert module.global_step == 2


@pytest.fixture
def per_token_loss(tiny_model: Path) -> Callable[[ResetDataModule], float]:
    """Mean loss over all response tokens of the training sets, row by row without padding."""

    def measure(data: ResetDataModule) -> float:
        model = AutoModelForCausalLM.from_pretrained(tiny_model)
        total, count = 0.0, 0
        for rows in data.examples("train").values():
            for row in map(data.encoder.encode, rows):
                labels = torch.tensor([row.labels])
                num_targets = int((labels[:, 1:] != -100).sum())
                with torch.no_grad():
                    total += model(input_ids=torch.tensor([row.input_ids]), labels=labels).loss.item() * num_targets
                count += num_targets
        return total / count

    return measure


@pytest.fixture(params=[1, 5, 12])
def batch_size(request: pytest.FixtureRequest) -> Iterator[int]:
    return request.param


def test_validation_loss_is_the_mean_over_tokens_whatever_the_batch(
    tiny_model: Path,
    make_data: MakeData,
    make_trainer: MakeTrainer,
    per_token_loss: Callable[[ResetDataModule], float],
    batch_size: int,
) -> None:
    data = make_data(batch_size=batch_size)
    data.validation_sources = data.train_sources
    (result,) = make_trainer().validate(SFT(str(tiny_model)), data, verbose=False)
    assert result["val/loss"] == pytest.approx(per_token_loss(data), abs=1e-5)


def test_a_policy_is_loaded_once(tiny_model: Path) -> None:
    module = SFT(str(tiny_model))
    assert module.policy is None
    module.configure_model()
    policy = module.policy
    module.configure_model()
    assert module.policy is policy
    assert policy.training
