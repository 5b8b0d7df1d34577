"""About how much disk a run needs."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from reset_pl.planning.memory import BYTES
from reset_pl.planning.model_size import ModelSize

_LEDGER_BYTES_PER_TOKEN = 12
"""At most, of a candidate's token in the ledger: its text, uncompressed parts and what judges say of it."""


@dataclass(frozen=True, kw_only=True)
class Disk:
    """Bytes that a run leaves behind, or holds for a while, in its directory."""

    checkpoints: int
    exports: int
    """Hugging Face folders, one a stage."""
    ledgers: int
    """At most."""

    @property
    def total(self) -> int:
        """Their sum."""
        return self.checkpoints + self.exports + self.ledgers


def run_disk(
    size: ModelSize, *, dtype: str, zero_stage: int, checkpoints: int, exports: int, candidate_tokens: int
) -> Disk:
    """An estimate.

    Args:
        size: The model.
        dtype: Type of its parameters.
        zero_stage: DeepSpeed's stage, 0 without it.
        checkpoints: How many there are at once, at most.
        exports: Exported policies.
        candidate_tokens: Tokens of all candidates, at most.
    """
    number = BYTES[dtype]
    has_adapters = size.trained < size.parameters
    moments = 8 if zero_stage else 2 * (4 if has_adapters else number)
    master = 4 if zero_stage and number < 4 else 0
    weights = size.trained * 4 if has_adapters else size.parameters * number  # a checkpoint holds what is trained
    checkpoint = weights + size.trained * (moments + master)
    return Disk(
        checkpoints=checkpoint * checkpoints,
        exports=size.parameters * number * exports,
        ledgers=candidate_tokens * _LEDGER_BYTES_PER_TOKEN,
    )


def free_bytes(folder: Path) -> int:
    """Free space where a folder is, or would be made."""
    while not folder.exists():
        folder = folder.parent
    return shutil.disk_usage(folder).free
