"""Counts from the config against the model itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from reset_pl.errors import InputError
from reset_pl.planning.model_size import model_size
from reset_pl.policy.adapters import Lora
from reset_pl.policy.load import load_policy


@pytest.mark.parametrize("lora", [None, Lora(rank=2)])
def test_it_counts_what_is_loaded(tiny_model: Path, lora: Lora | None) -> None:
    loaded = load_policy(str(tiny_model), "float32", lora=lora)
    size = model_size(str(tiny_model), lora)
    assert size.parameters == sum(p.numel() for p in loaded.parameters())
    assert size.trained == sum(p.numel() for p in loaded.parameters() if p.requires_grad)
    assert (size.layers, size.width, size.vocabulary, size.cache_width) == (2, 16, 259, 2 * 16)


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a model at --model\.model"):
        model_size(str(tmp_path), None)
