"""Leaves every stage as a Hugging Face folder."""

from __future__ import annotations

import shutil

import lightning as L

from callbacks.stage_end import AtStageEnd, run_root
from reset_pl.tuning.sft import SFT


class ExportPolicy(AtStageEnd):
    """Writes ``policy/<stage>/`` (safetensors and tokenizer) at the end of every stage, for transformers and vLLM."""

    def at_stage_end(self, trainer: L.Trainer, module: SFT) -> None:
        """Write the folder under another name and rename it, so that it is whole or absent."""
        folder = run_root(trainer) / "policy" / module.stage
        if module.global_step == 0 or folder.exists() or not trainer.is_global_zero:
            return
        unfinished = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(unfinished, ignore_errors=True)
        module.policy.save_pretrained(unfinished)
        trainer.datamodule.encoder.tokenizer.save_pretrained(unfinished)  # type: ignore[attr-defined]
        unfinished.rename(folder)
