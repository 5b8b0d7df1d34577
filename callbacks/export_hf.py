"""Leaves every stage as a Hugging Face folder."""

from __future__ import annotations

import lightning as L

from callbacks.stage_end import AtStageEnd, run_root
from reset_pl.policy.card import model_card
from reset_pl.policy.export import export_policy
from reset_pl.tuning.sft import SFT


class ExportPolicy(AtStageEnd):
    """Writes ``policy/<stage>/`` (safetensors and tokenizer) at the end of every stage, for transformers and vLLM.

    One folder a stage; adapters are merged into the weights. All ranks take part, rank 0 writes.
    """

    def at_stage_end(self, trainer: L.Trainer, module: SFT) -> None:
        """Write the folder, unless it is there.

        Raises:
            InputError: The disk is full or cannot be written.
        """
        folder = run_root(trainer) / "policy" / module.stage
        # Rank 0 looks for all: on a node with a disk of its own the others see no folder.
        if module.global_step == 0 or trainer.strategy.broadcast(folder.exists()):
            return
        tokenizer = trainer.datamodule.encoder.tokenizer  # type: ignore[attr-defined]
        card = model_card(run_root(trainer), base=module.model_path, stage=module.stage)
        export_policy(module.policy, tokenizer, folder, writes=trainer.is_global_zero, card=card)
