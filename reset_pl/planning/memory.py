"""About how much memory a device needs in training."""

from __future__ import annotations

from dataclasses import dataclass

from reset_pl.planning.hardware import Hardware
from reset_pl.planning.model_size import ModelSize

BYTES = {"float32": 4, "bfloat16": 2, "float16": 2}
_BLOCK_ACTIVATIONS = 34
"""Bytes of a block's activations for a token and unit of width, at 2 bytes a number, without attention scores
(Korthikanti et al., arXiv 2205.05198, section 4.1)."""
_LOGIT_BYTES = 10
"""Of an entry of the logits: itself, its float32 copy and that copy's gradient."""
_NF4 = 0.53
"""Bytes of a weight in 4 bits with its doubly quantized constants (QLoRA, section 3)."""


@dataclass(frozen=True, kw_only=True)
class Memory:
    """Bytes on one device."""

    weights: int
    gradients: int
    optimizer: int
    """AdamW's two moments, and DeepSpeed's float32 copy of the weights."""
    activations: int
    """Of the longest micro-batch that there could be."""

    @property
    def total(self) -> int:
        """Their sum."""
        return self.weights + self.gradients + self.optimizer + self.activations


def training_memory(
    size: ModelSize,
    hardware: Hardware,
    *,
    dtype: str,
    quantized: bool,
    has_reference: bool = False,
    activation_checkpointing: bool,
    rows: int,
    max_length: int,
    max_targets: int,
) -> Memory:
    """An estimate, the sampler and the NLI model not counted.

    Args:
        size: The model.
        hardware: What it is shared by.
        dtype: Type of its parameters in memory.
        quantized: Whether what is not trained is kept in 4 bits.
        has_reference: Whether a frozen copy of the model is kept beside it.
        activation_checkpointing: Whether activations are computed again in the backward pass.
        rows: Rows of a micro-batch of one device.
        max_length: Longest row, in tokens.
        max_targets: Longest target, in tokens.
    """
    stage, shards = hardware.zero_stage, hardware.processes
    number = BYTES[dtype]
    frozen = size.parameters - size.trained
    has_adapters = frozen > 0
    trained_number = 4 if has_adapters and not stage else number  # peft keeps adapters in float32
    weights = frozen * (_NF4 if quantized else number) + size.trained * trained_number
    if has_reference:
        weights += size.parameters * number
    gradients = size.trained * trained_number
    # DeepSpeed keeps both moments and a float32 copy of low-precision weights; torch's AdamW moments like the weights.
    state = (12 if number < 4 else 8) if stage else 2 * trained_number
    optimizer = 0 if hardware.offloads else size.trained * state
    computed = 4 if hardware.precision.startswith("32") else 2
    tokens = rows * max_length
    block = tokens * size.width * _BLOCK_ACTIVATIONS * computed // 2
    kept = size.layers * tokens * size.width * computed + block if activation_checkpointing else size.layers * block
    return Memory(
        weights=int(weights) // (shards if stage >= 3 else 1),
        gradients=gradients // (shards if stage >= 2 else 1),
        optimizer=optimizer // (shards if stage >= 1 else 1),
        activations=kept + rows * max_targets * size.vocabulary * _LOGIT_BYTES,
    )
