"""TRL's own DPO, all pairs in every step: what ``tests/tuning/test_preference.py`` compares with.

Usage, with a Python that has TRL: python tests/trl_dpo.py SETTINGS.json
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


def main() -> None:
    import torch
    from datasets import Dataset
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import DPOConfig, DPOTrainer

    folder = Path(sys.argv[1]).parent
    settings = json.loads(Path(sys.argv[1]).read_text())
    rows = [json.loads(line) for line in Path(settings["pairs"]).read_text().splitlines()]
    policy, reference = (AutoModelForCausalLM.from_pretrained(settings["model"]) for _ in range(2))
    config = DPOConfig(
        output_dir=str(folder),
        beta=settings["beta"],
        learning_rate=settings["lr"],
        weight_decay=0.0,
        max_grad_norm=0.0,
        lr_scheduler_type="cosine",
        warmup_steps=1,
        num_train_epochs=settings["steps"],
        per_device_train_batch_size=len(rows),
        max_length=None,
        gradient_checkpointing=False,
        bf16=False,
        use_cpu=True,
        logging_steps=1,
        report_to="none",
        save_strategy="no",
        disable_tqdm=True,
    )
    trainer = DPOTrainer(
        policy,
        reference,
        args=config,
        train_dataset=Dataset.from_list(rows),
        processing_class=AutoTokenizer.from_pretrained(settings["model"]),
    )
    trainer.train()
    (folder / "log.json").write_text(json.dumps(trainer.state.log_history))
    torch.save(policy.state_dict(), folder / "weights.pt")


if __name__ == "__main__":
    main()
