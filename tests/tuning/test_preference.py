import json
import math
import os
import subprocess
from collections.abc import Callable
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
from reset_pl.policy.adapters import Lora
from reset_pl.tuning.preference import REWARDS, PreferenceTuning
from reset_pl.tuning.sft import SFT

from .conftest import Memory
from .test_sft import SaveWeights, Watch, adamw, assert_same_weights, save_at, weights

MakeData = Callable[..., ResetDataModule]
MakeTrainer = Callable[..., L.Trainer]

ROOT = Path(__file__).parents[2]
TRL_PYTHON = Path(os.environ.get("TRL_PYTHON", ROOT / ".venv-trl" / "bin" / "python"))
"""Of an environment with ``pip install trl==1.16.*``."""

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")


def log_prob(model: Any, batch: dict[str, Any], row: int) -> torch.Tensor:
    """Of one answer of a padded batch, by softmax over all its tokens, in float64."""
    ids, labels = batch["input_ids"][row], batch["labels"][row]
    length = int(batch["attention_mask"][row].sum())
    table = model(input_ids=ids[None, :length]).logits[0].double().log_softmax(dim=1)
    return sum(table[t - 1, ids[t]] for t in range(1, length) if labels[t] != -100)


def loss_by_hand(policy: Any, reference: Any, batch: dict[str, Any], beta: float) -> torch.Tensor:
    """Equation 7, term by term."""
    terms = []
    for pair in range(batch["num_pairs"]):
        with torch.no_grad():
            chosen_before, rejected_before = (log_prob(reference, batch, 2 * pair + i) for i in (0, 1))
        chosen, rejected = (log_prob(policy, batch, 2 * pair + i) for i in (0, 1))
        terms.append(-torch.sigmoid(beta * (chosen - chosen_before) - beta * (rejected - rejected_before)).log())
    return torch.stack(terms).mean()


@pytest.fixture
def module(tiny_model: Path) -> PreferenceTuning:
    """A module outside a Trainer whose policy has left the reference a little."""
    module = PreferenceTuning(str(tiny_model), beta=0.5)
    module.configure_model()
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in module.policy.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return module


def only_batch(data: ResetDataModule) -> dict[str, Any]:
    (batch,) = data.train_dataloader()
    return batch


# ---------------------------------------------------------------- the loss


def test_the_loss_is_that_of_the_equation(module: PreferenceTuning, make_pairs: MakeData) -> None:
    batch = only_batch(make_pairs(layout="padded"))
    expected = loss_by_hand(module.policy, module.reference, batch, beta=0.5)
    assert abs(expected.item() - math.log(2)) > 1e-3
    for layout in ("padded", "packed"):
        losses = module.losses(only_batch(make_pairs(layout=layout)))
        assert losses.shape == (8,)
        assert losses.mean().item() == pytest.approx(expected.item(), abs=1e-5)


def test_the_gradient_raises_the_chosen_and_lowers_the_rejected_answer(
    module: PreferenceTuning, make_pairs: MakeData
) -> None:
    """Section 4: -beta · sigmoid(rejected - chosen reward) · (∇ log chosen - ∇ log rejected), pair by pair."""
    batch = only_batch(make_pairs(layout="padded"))
    parameters = list(module.policy.parameters())
    losses = module.losses(batch)
    for pair in range(8):
        got = torch.autograd.grad(losses[pair], parameters, retain_graph=True)
        chosen, rejected = (log_prob(module.policy, batch, 2 * pair + i) for i in (0, 1))
        difference = torch.autograd.grad(chosen - rejected, parameters)
        reward_chosen, reward_rejected = batch[REWARDS][pair]
        factor = -0.5 * torch.sigmoid(reward_rejected - reward_chosen)
        for own, expected in zip(got, difference, strict=True):
            torch.testing.assert_close(own, (factor * expected).float(), atol=1e-5, rtol=1e-4)


def test_at_the_start_policy_and_reference_agree_exactly(
    tiny_model: Path, make_pairs: MakeData, make_trainer: MakeTrainer, memory: Memory
) -> None:
    module = PreferenceTuning(str(tiny_model), lr=3e-3)
    make_trainer(logger=memory, max_epochs=3).fit(module, make_pairs())
    losses, margins = memory.values("train/loss"), memory.values("train/reward_margin")
    assert losses[0] == pytest.approx(math.log(2), abs=1e-7)
    assert margins[0] == memory.values("train/reward_accuracy")[0] == 0.0
    # The first step warms up at rate 0; the second leaves the start.
    assert losses[1] == losses[0] > losses[2]
    assert margins[2] > 0.0
    assert memory.values("train/reward_accuracy")[2] > 0.5
    chosen, rejected = memory.values("train/reward_chosen"), memory.values("train/reward_rejected")
    assert margins == pytest.approx([a - b for a, b in zip(chosen, rejected, strict=True)], abs=1e-6)


@pytest.mark.integration
@pytest.mark.skipif(not TRL_PYTHON.exists(), reason="needs TRL in .venv-trl")
def test_four_steps_are_trls(
    tmp_path: Path, tiny_model: Path, make_pairs: MakeData, make_trainer: MakeTrainer, memory: Memory
) -> None:
    """TRL's DPOTrainer reads the pairs.jsonl that ``select`` writes: the same losses, rewards and weights."""
    module = PreferenceTuning(str(tiny_model), lr=3e-3, beta=0.2, weight_decay=0.0, warmup_ratio=0.25)
    make_trainer(logger=memory, max_epochs=4).fit(module, make_pairs())

    settings = tmp_path / "trl" / "settings.json"
    settings.parent.mkdir()
    options = {"model": str(tiny_model), "pairs": str(tmp_path / "pairs" / "pairs.jsonl"), "steps": 4}
    settings.write_text(json.dumps({**options, "beta": 0.2, "lr": 3e-3}))
    process = subprocess.run(
        [str(TRL_PYTHON), str(ROOT / "tests" / "trl_dpo.py"), str(settings)],
        env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert process.returncode == 0, process.stderr[-3000:]
    steps = [row for row in json.loads((settings.parent / "log.json").read_text()) if "loss" in row]
    assert len(steps) == 4
    for ours, theirs, tolerance in (
        ("loss", "loss", 1e-5),
        ("reward_chosen", "rewards/chosen", 1e-5),
        ("reward_rejected", "rewards/rejected", 1e-5),
        ("reward_margin", "rewards/margins", 1e-5),
        ("reward_accuracy", "rewards/accuracies", 1e-6),
    ):
        expected = [float(row[theirs]) for row in steps]
        assert memory.values(f"train/{ours}") == pytest.approx(expected, abs=tolerance), ours
    assert_same_weights(weights(module), torch.load(settings.parent / "weights.pt"), atol=2e-6)


# ---------------------------------------------------------------- the optimizer's steps


@pytest.mark.parametrize(("layout", "accumulate"), [("packed", 1), ("padded", 1), ("packed", 4), ("padded", 2)])
def test_training_is_the_loop_written_out_by_hand(
    tiny_model: Path, make_pairs: MakeData, make_trainer: MakeTrainer, layout: str, accumulate: int
) -> None:
    """One batch of 8 pairs, or 4 of 2 whose answers are of unlike length: the same three steps."""
    module = PreferenceTuning(str(tiny_model), lr=3e-3, beta=0.2, weight_decay=0.1, warmup_ratio=0.4)
    make_trainer(accumulate_grad_batches=accumulate, max_epochs=3).fit(module, make_pairs(layout=layout))

    reference = AutoModelForCausalLM.from_pretrained(tiny_model)
    policy = deepcopy(reference)
    optimizer = adamw(policy, weight_decay=0.1)
    for group in optimizer.param_groups:
        group["lr"] = 3e-3
    schedule = get_cosine_schedule_with_warmup(optimizer, 2, 3)
    batch = only_batch(make_pairs(layout="padded"))
    for _ in range(3):
        loss_by_hand(policy, reference, batch, beta=0.2).backward()
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()

    assert module.global_step == 3
    assert module.stage == "dpo"
    assert module.stage_finished
    assert_same_weights(weights(module), dict(policy.named_parameters()), atol=2e-6)
    assert (policy.lm_head.weight - reference.lm_head.weight).abs().max() > 1e-3
    for name, parameter in module.reference.named_parameters():
        assert torch.equal(parameter, reference.get_parameter(name)), name


@pytest.mark.integration
def test_two_ranks_take_the_steps_of_one(
    tmp_path: Path, tiny_model: Path, make_pairs: MakeData, make_trainer: MakeTrainer, memory: Memory
) -> None:
    alone = PreferenceTuning(str(tiny_model), lr=3e-3)
    make_trainer(logger=memory, max_epochs=3).fit(alone, make_pairs())
    torch.set_num_threads(1)
    ranks = {"devices": 2, "strategy": "ddp_spawn", "use_distributed_sampler": False, "accumulate_grad_batches": 2}
    logger = CSVLogger(tmp_path, "", "")
    trainer = make_trainer(logger=logger, max_epochs=3, callbacks=[SaveWeights(tmp_path)], **ranks)
    trainer.fit(PreferenceTuning(str(tiny_model), lr=3e-3), make_pairs())
    assert_same_weights(torch.load(tmp_path / "weights.pt"), weights(alone), atol=1e-6)
    rows = [line.split(",") for line in (tmp_path / "metrics.csv").read_text().splitlines()]
    for name in ("loss", "reward_chosen", "reward_margin", "reward_accuracy"):
        column = rows[0].index(f"train/{name}")
        assert [float(row[column]) for row in rows[1:]] == pytest.approx(memory.values(f"train/{name}"), abs=1e-5)


def test_the_reference_has_no_dropout_and_the_policy_has(module: PreferenceTuning, make_pairs: MakeData) -> None:
    batch = only_batch(make_pairs(layout="padded"))
    expected = module.reference_log_probs(batch)
    for model in (module.policy, module.reference):
        model.train()
        for layer in model.model.layers:
            layer.self_attn.attention_dropout = 0.5
    assert torch.equal(module.reference_log_probs(batch), expected)
    assert not torch.equal(module.losses(batch), module.losses(batch))
    assert module.policy.training


# ---------------------------------------------------------------- adapters


def test_with_adapters_the_reference_is_the_model_without_them(
    tiny_model: Path, make_pairs: MakeData, make_trainer: MakeTrainer, memory: Memory
) -> None:
    module = PreferenceTuning(str(tiny_model), lr=0.02, lora=Lora(rank=4))
    make_trainer(logger=memory, max_epochs=4).fit(module, make_pairs())
    assert module.reference is None
    assert memory.values("train/loss")[0] == pytest.approx(math.log(2), abs=1e-7)
    assert memory.values("train/reward_margin")[-1] > 0.01
    whole = PreferenceTuning(str(tiny_model))
    whole.configure_model()
    batch = only_batch(make_pairs())
    assert torch.equal(module.reference_log_probs(batch), whole.reference_log_probs(batch))
    assert module.losses(batch).requires_grad
    assert all(p.requires_grad == (".lora_" in name) for name, p in module.named_parameters())


# ---------------------------------------------------------------- restarts


@pytest.mark.parametrize("lora", [None, Lora(rank=4)], ids=["whole", "adapters"])
def test_a_run_cut_in_two_gives_the_same_weights(
    tmp_path: Path, tiny_model: Path, make_pairs: MakeData, make_trainer: MakeTrainer, lora: Lora | None
) -> None:
    """Bit for bit, in the middle of an epoch: the reference is the start's again, not the checkpoint's."""

    def train(**options: Any) -> PreferenceTuning:
        L.seed_everything(0)
        module = PreferenceTuning(str(tiny_model), lr=3e-3, lora=lora)
        callbacks = [Watch(after=save_at(str(tmp_path / "middle.ckpt"), 3))]
        make_trainer(max_epochs=2, callbacks=callbacks).fit(module, make_pairs(batch_size=2), **options)
        assert module.global_step == 8
        return module

    whole = train()
    saved = torch.load(tmp_path / "middle.ckpt", weights_only=False)["state_dict"]
    assert not any(name.startswith("reference.") for name in saved)
    resumed = train(ckpt_path=str(tmp_path / "middle.ckpt"))
    assert_same_weights(weights(resumed), weights(whole), atol=0.0)
    batch = only_batch(make_pairs())
    assert torch.equal(resumed.reference_log_probs(batch), whole.reference_log_probs(batch))


def test_validation_on_pairs_is_their_mean_loss(
    module: PreferenceTuning, make_pairs: MakeData, make_trainer: MakeTrainer
) -> None:
    expected = module.losses(only_batch(make_pairs())).mean().item()
    data = make_pairs(batch_size=3)
    data.validation_sources = data.train_sources
    (result,) = make_trainer().validate(module, data, verbose=False)
    assert result["val/loss"] == pytest.approx(expected, abs=1e-5)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize("beta", [0.0, -0.1, math.inf, math.nan])
def test_a_beta_that_is_none_is_refused(tiny_model: Path, beta: float) -> None:
    with pytest.raises(InputError, match=r"expected --model\.beta above 0, but got"):
        PreferenceTuning(str(tiny_model), beta=beta)


def test_rows_with_one_answer_are_refused(
    tiny_model: Path, make_data: MakeData, make_pairs: MakeData, make_trainer: MakeTrainer
) -> None:
    with pytest.raises(
        InputError, match=r"pairs .*PairSource\), but got rows with one answer, e\.g\. of (small|large)"
    ):
        make_trainer().fit(PreferenceTuning(str(tiny_model)), make_data())
    mixed = make_pairs(batch_size=64)
    mixed.train_sources = [*mixed.train_sources, *make_data().train_sources]
    with pytest.raises(InputError, match="rows with one answer"):
        make_trainer().fit(PreferenceTuning(str(tiny_model)), mixed)


def test_pairs_are_not_tuned_on_as_if_both_answers_were_good(
    tiny_model: Path, make_pairs: MakeData, make_trainer: MakeTrainer
) -> None:
    with pytest.raises(InputError, match="to tune SFT on, but got preference pairs: set --model.class_path Pref"):
        make_trainer().fit(SFT(str(tiny_model)), make_pairs())
