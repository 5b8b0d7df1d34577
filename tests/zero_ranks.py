"""A fit without rounds as one plain process or as two under DeepSpeed: what ``test_zero.py`` starts and compares.

Usage: python tests/zero_ranks.py SETTINGS.json
"""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import lightning as L
import torch

from reset_pl.data.datamodule import ResetDataModule
from reset_pl.data.pairs import PairSource
from reset_pl.data.sources import JsonlSource
from reset_pl.policy.adapters import Lora
from reset_pl.policy.fingerprint import policy_fingerprint
from reset_pl.policy.probe import log_probs, probe_prompts
from reset_pl.policy.weights import full_tensors, gathered, is_sharded
from reset_pl.tuning.mtl import MTL
from reset_pl.tuning.preference import PreferenceTuning
from reset_pl.tuning.strategies import CpuDeepSpeedStrategy

SECOND_STAGE = 4
"""Step at which the second stage begins."""


class Observer(L.Callback):
    """Begins a second stage, and writes down what every rank sees."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {"losses": [], "rates": [], "moments": []}

    def on_train_start(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        module: Any = pl_module
        parameters = list(module.policy.parameters())
        self.seen["sharded"] = sum(is_sharded(p) for p in parameters)
        self.seen["dtype"] = str(parameters[0].dtype)
        self.seen["training"] = module.policy.training
        self.seen["start"] = policy_fingerprint(module.policy)
        self.seen["decays"] = [group["weight_decay"] for group in module.schedule.optimizer.param_groups]
        self.seen["resident"] = leave_in_the_middle(module.policy)

    def on_train_batch_end(
        self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        module: Any = pl_module
        if not batch["ends_step"]:
            return
        self.seen["losses"].append(trainer.callback_metrics["train/loss"].item())
        self.seen["rates"].append(module.schedule.get_last_lr()[0])
        self.seen["moments"].append(largest_moment(module.schedule.optimizer))
        if trainer.global_step == SECOND_STAGE:
            module.begin_stage("second", num_steps=4, lr=5e-3)
            self.seen["moments_at_its_begin"] = largest_moment(module.schedule.optimizer)

    def on_train_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        module: Any = pl_module
        self.seen["end"] = policy_fingerprint(module.policy)
        self.seen["log_probs"] = probe(module.policy)
        self.weights = {name: tensor.clone() for name, tensor in full_tensors(module.policy)}


def largest_moment(optimizer: torch.optim.Optimizer) -> float:
    """Largest first moment that the optimizer holds, 0 when it holds none."""
    moments = [state["exp_avg"].abs().max().item() for state in optimizer.state.values() if "exp_avg" in state]
    return max(moments, default=0.0)


def leave_in_the_middle(model: Any) -> list[int]:
    """Numbers this rank holds of the weights: before, inside ``gathered``, after an error there, after half a walk."""

    def count() -> int:
        return sum(parameter.numel() for parameter in model.parameters())

    counts = [count()]
    with contextlib.suppress(RuntimeError), gathered(model):
        counts.append(count())
        raise RuntimeError("generation failed")
    counts.append(count())
    walk: Any = full_tensors(model)
    next(walk)
    walk.close()
    return [*counts, count()]


def probe(model: Any) -> list[list[float]]:
    """What the model gives fixed prompts, rank 1 asking only for one of them: no rank may wait for another."""
    with gathered(model):
        prompts = probe_prompts(model.config.vocab_size)
        own = prompts if not torch.distributed.is_initialized() or torch.distributed.get_rank() == 0 else prompts[:1]
        return log_probs(model, own)


def main() -> None:
    settings = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(sys.argv[1]).parent
    stage = settings["stage"]
    L.seed_everything(0)
    observer = Observer()
    trainer = L.Trainer(
        accelerator="cpu",
        devices=2 if stage else 1,
        strategy=CpuDeepSpeedStrategy(stage=stage, **settings.get("strategy", {})) if stage else "auto",
        max_epochs=2,
        callbacks=[observer],
        logger=False,
        log_every_n_steps=1,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
        reload_dataloaders_every_n_epochs=1,
        default_root_dir=folder,
        **settings.get("trainer", {}),
    )
    lora = settings.get("lora")
    kind, source = (PreferenceTuning, PairSource) if settings.get("pairs") else (MTL, JsonlSource)
    module: Any = kind(settings["model"], lr=1e-2, lora=Lora(**lora) if lora else None, **settings.get("module", {}))
    data = ResetDataModule(
        train=[source(path) for path in settings["train"]], tokenizer=settings["model"], **settings["data"]
    )
    trainer.fit(module, datamodule=data)
    name = settings["name"]
    (folder / f"{name}-{trainer.global_rank}.json").write_text(json.dumps(observer.seen))
    if trainer.global_rank == 0:
        torch.save(observer.weights, folder / f"{name}.pt")
    if stage:
        torch.distributed.destroy_process_group()


if __name__ == "__main__":
    main()
