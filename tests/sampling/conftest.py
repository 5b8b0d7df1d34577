from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM

from reset_pl.data.encoding import Encoder
from reset_pl.data.prompts import VicunaTemplate
from reset_pl.records import Example, Objective


@pytest.fixture
def make_examples() -> Callable[..., list[Example]]:
    """Instructions of unlike length."""

    def make(num: int) -> list[Example]:
        return [
            Example(
                id=f"d/{i}",
                dataset="d",
                objective=Objective.INSTRUCTION,
                instruction="Say" + " more" * (i % 5) + f" {i}.",
            )
            for i in range(num)
        ]

    return make


@pytest.fixture
def encoder(tokenizer: Any) -> Encoder:
    return Encoder(tokenizer=tokenizer, template=VicunaTemplate(), max_length=512, max_response_tokens=480)


@pytest.fixture
def policy(tiny_model: Path) -> Any:
    """The tiny model, sharpened so that its next tokens are unlike each other, in training mode."""
    model = AutoModelForCausalLM.from_pretrained(tiny_model).train()
    with torch.no_grad():
        model.lm_head.weight.mul_(30.0)
    return model
