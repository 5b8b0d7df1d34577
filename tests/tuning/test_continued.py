from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest

from reset_pl.data.datamodule import ResetDataModule
from reset_pl.tuning.continued import ContinuedTuning

pytestmark = pytest.mark.filterwarnings("ignore:.*LeafSpec:FutureWarning")


class SecondStage(L.Callback):
    """Begins the stage of a round at the second epoch, as ``callbacks.ResetRounds`` does, and notes the rates."""

    def __init__(self, save_at: int | None = None, path: str = "") -> None:
        self.save_at = save_at
        self.path = path
        self.rates: list[float] = []

    def on_train_start(self, trainer: L.Trainer, pl_module: ContinuedTuning) -> None:  # type: ignore[override]
        if pl_module.schedule.num_steps == 0:
            pl_module.begin_stage("mtl", num_steps=pl_module.steps_per_epoch, lr=pl_module.lr)

    def on_train_epoch_start(self, trainer: L.Trainer, pl_module: ContinuedTuning) -> None:  # type: ignore[override]
        if trainer.current_epoch == 1 and pl_module.stage == "mtl":
            pl_module.begin_stage("round-000", num_steps=pl_module.steps_per_epoch, lr=pl_module.continued_lr)

    def on_train_batch_start(
        self, trainer: L.Trainer, pl_module: L.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        self.rates.append(trainer.optimizers[0].param_groups[0]["lr"])

    def on_train_batch_end(  # type: ignore[override]
        self, trainer: L.Trainer, pl_module: ContinuedTuning, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if pl_module.global_step == self.save_at:
            trainer.save_checkpoint(self.path)


def cosine(peak: float) -> list[float]:
    """Rates of four steps without warm-up: 1, (1 + √½) / 2, ½ and (1 - √½) / 2 of the peak."""
    return [peak, peak * 0.8535533905932737, peak * 0.5, peak * 0.14644660940672627]


def test_the_papers_rates_are_the_defaults(tiny_model: Path) -> None:
    module = ContinuedTuning(str(tiny_model))
    assert (module.lr, module.continued_lr, module.weight_decay, module.warmup_ratio) == (1e-5, 8e-6, 0.05, 0.03)


def test_rounds_have_their_own_rate(tiny_model: Path) -> None:
    module = ContinuedTuning(str(tiny_model), lr=0.2, continued_lr=0.1)
    module.configure_model()
    module.configure_optimizers()
    module.begin_stage("mtl", num_steps=3, lr=module.lr)
    assert module.stage_lr() == 0.2
    module.begin_stage("round-000", num_steps=3, lr=module.continued_lr)
    assert module.stage_lr() == 0.1


@pytest.mark.parametrize(("save_at", "new", "expected"), [(2, 0.02, 0.02), (6, 0.003, 0.003)], ids=["mtl", "round"])
def test_after_a_restart_the_configured_rate_of_the_running_stage_counts(
    tmp_path: Path,
    tiny_model: Path,
    make_data: Callable[..., ResetDataModule],
    make_trainer: Callable[..., L.Trainer],
    save_at: int,
    new: float,
    expected: float,
) -> None:
    path = str(tmp_path / "middle.ckpt")
    first = SecondStage(save_at, path)
    module = ContinuedTuning(str(tiny_model), lr=0.01, continued_lr=0.004, warmup_ratio=0.0)
    make_trainer(max_epochs=2, callbacks=[first]).fit(module, make_data())
    assert first.rates == pytest.approx(cosine(0.01) + cosine(0.004), abs=1e-12)

    again = SecondStage()
    rates = {"lr": new, "continued_lr": 0.004} if save_at < 4 else {"lr": 0.01, "continued_lr": new}
    resumed = ContinuedTuning(str(tiny_model), warmup_ratio=0.0, **rates)
    make_trainer(max_epochs=2, callbacks=[again]).fit(resumed, make_data(), ckpt_path=path)
    in_stage = save_at % 4
    assert again.rates[: 4 - in_stage] == pytest.approx(cosine(expected)[in_stage:], abs=1e-12)
    assert resumed.stage == "round-000"
    assert resumed.stage_finished
