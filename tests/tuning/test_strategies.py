"""DeepSpeed's settings; what it does with them is in tests/test_zero.py."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import pytest

from reset_pl.errors import InputError
from reset_pl.policy.adapters import Lora
from reset_pl.tuning.sft import SFT
from reset_pl.tuning.strategies import CpuDeepSpeedStrategy, deepspeed_config, zero_stage

MakeTrainer = Callable[..., L.Trainer]


def test_only_deepspeed_has_a_configuration(make_trainer: MakeTrainer) -> None:
    assert deepspeed_config(make_trainer().strategy) is None
    strategy = CpuDeepSpeedStrategy(stage=2)
    config = deepspeed_config(strategy)
    assert config is strategy.config
    assert zero_stage(config) == 2


def test_what_a_file_configures_is_kept() -> None:
    config = deepspeed_config(CpuDeepSpeedStrategy(config={"train_micro_batch_size_per_gpu": 7}))
    assert config is not None
    assert config["train_micro_batch_size_per_gpu"] == 7
    assert zero_stage(config) == 0


@pytest.mark.parametrize(
    ("module", "trainer", "message"),
    [
        ({"lora": Lora(quantize=True)}, {}, "expected --model.lora.quantize false under DeepSpeed stage 3"),
        ({"dtype": "bfloat16"}, {}, "expected --trainer.precision bf16-true with --model.dtype bfloat16"),
        ({"dtype": "float16"}, {}, "expected --trainer.precision 16-mixed with --model.dtype float16"),
        ({}, {"gradient_clip_algorithm": "value"}, "expected --trainer.gradient_clip_algorithm norm under DeepSpeed"),
    ],
)
def test_what_deepspeed_cannot_train_is_refused(
    make_trainer: MakeTrainer, tiny_model: Path, module: dict[str, Any], trainer: dict[str, Any], message: str
) -> None:
    policy = SFT(str(tiny_model), **module)
    policy.trainer = make_trainer(strategy=CpuDeepSpeedStrategy(stage=3), devices=1, **trainer)
    with pytest.raises(InputError, match=message):
        policy.setup("fit")


def test_the_same_is_trained_without_deepspeed(make_trainer: MakeTrainer, tiny_model: Path) -> None:
    policy = SFT(str(tiny_model), dtype="bfloat16")
    policy.trainer = make_trainer(gradient_clip_algorithm="value")
    policy.setup("fit")
