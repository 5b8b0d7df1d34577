"""Leaves every stage as a Hugging Face folder."""

from __future__ import annotations

import lightning as L

from callbacks.stage_end import AtStageEnd, run_root
from reset_pl.policy.export import export_policy
from reset_pl.tuning.sft import SFT


class ExportPolicy(AtStageEnd):
    """Writes ``policy/<stage>/`` (safetensors and tokenizer) at the end of every stage, for transformers and vLLM."""

    def at_stage_end(self, trainer: L.Trainer, module: SFT) -> None:
        """Write the folder, unless it is there."""
        folder = run_root(trainer) / "policy" / module.stage
        if module.global_step == 0 or folder.exists():
            return
        tokenizer = trainer.datamodule.encoder.tokenizer  # type: ignore[attr-defined]
        export_policy(module.policy, tokenizer, folder, writes=trainer.is_global_zero)
