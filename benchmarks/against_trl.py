"""Preparation and training speed beside TRL's SFTTrainer, on the same rows, tokenizer, model and tokens a step.

python3 -m venv /tmp/trl && /tmp/trl/bin/pip install torch==2.13.0 && /tmp/trl/bin/pip install -c constraints.txt trl
python benchmarks/against_trl.py --trl /tmp/trl/bin/python

TRL lives in an environment of its own. Every system is a process that prepares the rows (tokenized, loss on the
response only) and then trains steps of about the same number of real tokens; figures are real tokens (no padding) a
second, the median over steps, after one step that is not timed. Turns alternate, so that what else the machine does
meets all of them.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

MAX_LENGTH = 2048


def write_inputs(folder: Path, num_rows: int) -> None:
    """Rows of the paper's mixture (equal shares of the four sets), a tokenizer, a model of about 30 M parameters."""
    import torch
    from paper_mix import SIZES, make_examples, train_tokenizer, write_examples
    from transformers import LlamaConfig, LlamaForCausalLM

    from reset_pl.data.prompts import AlpacaTemplate

    train_tokenizer(folder / "model")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=448,
        intermediate_size=1216,
        num_hidden_layers=8,
        num_attention_heads=7,
        num_key_value_heads=7,
        max_position_embeddings=MAX_LENGTH,
        tie_word_embeddings=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )
    model = LlamaForCausalLM(config)
    model.save_pretrained(folder / "model")
    print(f"model: {sum(p.numel() for p in model.parameters()) / 1e6:.1f} M parameters", flush=True)
    template = AlpacaTemplate()
    with (folder / "rows.jsonl").open("w") as file:
        for dataset in SIZES:
            write_examples(folder / f"train/{dataset}.arrow", dataset, num_rows // len(SIZES))
            for example in make_examples(dataset, num_rows // len(SIZES)):
                row = {"prompt": template.prompt(example), "completion": example.response}
                file.write(json.dumps(row) + "\n")


# ---------------------------------------------------------------------- ours


def run_ours(folder: Path, layout: str, rows_per_step: int, steps: int) -> dict[str, object]:
    """Prepare and train with reset_pl."""
    import lightning as L
    import torch
    from paper_mix import SIZES

    from reset_pl.data.datamodule import ResetDataModule
    from reset_pl.data.table import ExampleTable
    from reset_pl.tuning.sft import SFT

    class Set:
        def __init__(self, name: str) -> None:
            self.name = name

        def load(self) -> ExampleTable:
            return ExampleTable([folder / f"train/{self.name}.arrow"], fingerprint=f"{layout}-{time.time_ns()}")

    class Clock(L.Callback):
        def __init__(self) -> None:
            self.times, self.tokens, self.sizes = [time.perf_counter()], [], []

        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            real = int(batch["attention_mask"].sum()) if "attention_mask" in batch else batch["input_ids"].numel()
            self.times.append(time.perf_counter())
            self.tokens.append(real)
            self.sizes.append(batch["input_ids"].numel())

    data = ResetDataModule(
        [Set(name) for name in SIZES], str(folder / "model"), max_length=MAX_LENGTH, batch_size=rows_per_step,
        max_response_tokens=MAX_LENGTH, layout=layout,
    )  # fmt: skip
    _ = data.encoder, data.examples("train")
    began = time.perf_counter()
    data.prepare_data()
    prepared = time.perf_counter() - began
    clock = Clock()
    trainer = L.Trainer(
        accelerator="cpu", max_steps=steps, max_epochs=-1, logger=False, enable_checkpointing=False, callbacks=[clock],
        enable_progress_bar=False, enable_model_summary=False, gradient_clip_val=1.0,
    )  # fmt: skip
    torch.manual_seed(0)
    trainer.fit(SFT(str(folder / "model"), lr=1e-5), data)
    return {"prepared": prepared, "times": clock.times, "tokens": clock.tokens, "sizes": clock.sizes}


# ---------------------------------------------------------------------- TRL


def run_trl(folder: Path, packing: bool, batch_size: int, steps: int) -> dict[str, object]:
    """Prepare and train with TRL; this function runs in TRL's environment."""
    from datasets import disable_caching, load_dataset
    from transformers import TrainerCallback
    from trl import SFTConfig, SFTTrainer

    class Clock(TrainerCallback):
        def __init__(self) -> None:
            self.times = []

        def on_train_begin(self, *args, **kwargs):
            self.times.append(time.perf_counter())

        def on_step_end(self, *args, **kwargs):
            self.times.append(time.perf_counter())

    disable_caching()  # or the second system would find the rows that the first has tokenized
    dataset = load_dataset("json", data_files=str(folder / "rows.jsonl"), split="train", cache_dir=str(folder / "hf"))
    clock = Clock()
    config = SFTConfig(
        output_dir=str(folder / "out"), max_length=MAX_LENGTH, packing=packing, per_device_train_batch_size=batch_size,
        max_steps=steps, learning_rate=1e-5, use_cpu=True, bf16=False, report_to=[], save_strategy="no",
        logging_strategy="no", disable_tqdm=True, gradient_checkpointing=False, completion_only_loss=True,
        dataset_num_proc=None,
    )  # fmt: skip
    began = time.perf_counter()
    trainer = SFTTrainer(model=str(folder / "model"), args=config, train_dataset=dataset, callbacks=[clock])
    prepared = time.perf_counter() - began
    tokens, sizes = [], []
    step = trainer.training_step

    def counting(model, inputs, *args, **kwargs):
        mask = inputs.get("attention_mask")
        sizes.append(inputs["input_ids"].numel())
        tokens.append(int(mask.sum()) if mask is not None else sizes[-1])
        return step(model, inputs, *args, **kwargs)

    trainer.training_step = counting
    trainer.train()
    return {"prepared": prepared, "times": clock.times, "tokens": tokens, "sizes": sizes}


# ---------------------------------------------------------------------- side by side


def summarise(runs: list[dict[str, object]]) -> dict[str, float]:
    """Real tokens a second (median over all timed steps), padding share, seconds of the quickest preparation."""
    rates = [
        tokens / (after - before)
        for run in runs
        for tokens, before, after in list(zip(run["tokens"], run["times"], run["times"][1:], strict=False))[1:]
    ]
    sizes, tokens = (sum(sum(run[name]) for run in runs) for name in ("sizes", "tokens"))
    steps = sum(len(run["tokens"]) for run in runs)
    return {
        "rate": statistics.median(rates),
        "padding": 1 - tokens / sizes,
        "prepared": min(run["prepared"] for run in runs),
        "tokens_per_step": tokens / steps,
    }


def main() -> None:
    """Run all systems in turn and print the figures with their ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--trl", required=True, help="python of TRL's environment")
    parser.add_argument("--rows", type=int, default=4000)
    parser.add_argument("--rows_per_step", type=int, default=6, help="ours, and TRL's without packing")
    parser.add_argument("--bins_per_step", type=int, default=2, help=f"TRL's packed rows of {MAX_LENGTH} tokens")
    parser.add_argument("--steps", type=int, default=5)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--run", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    systems = {
        "reset_pl packed": lambda: run_ours(arguments.folder, "packed", arguments.rows_per_step, arguments.steps),
        "reset_pl grouped": lambda: run_ours(arguments.folder, "grouped", arguments.rows_per_step, arguments.steps),
        "TRL packing": lambda: run_trl(arguments.folder, True, arguments.bins_per_step, arguments.steps),
        "TRL unpacked": lambda: run_trl(arguments.folder, False, arguments.rows_per_step, arguments.steps),
    }
    if arguments.run:
        result = systems[arguments.run]()
        (arguments.folder / "result.json").write_text(json.dumps(result))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_inputs(folder, arguments.rows)
        runs: dict[str, list[dict[str, object]]] = {system: [] for system in systems}
        for turn in range(arguments.turns):
            for system in systems:
                python = arguments.trl if system.startswith("TRL") else sys.executable
                options = [f"--{key}={getattr(arguments, key)}" for key in ("rows_per_step", "bins_per_step", "steps")]
                subprocess.run(
                    [python, __file__, "--trl", arguments.trl, "--run", system, "--folder", name, *options],
                    check=True,
                    capture_output=True,
                )
                runs[system].append(json.loads((folder / "result.json").read_text()))
                print(f"turn {turn}: {system}: {summarise(runs[system])}", flush=True)
    report({system: summarise(own) for system, own in runs.items()}, arguments.rows)


def report(results: dict[str, dict[str, float]], rows: int) -> None:
    """The table, ours against each of theirs."""
    from reset_pl.provenance import commit

    print(f"{'system':<18}{'tokens/s':>10}{'tokens a step':>15}{'padding':>9}{'preparation':>21}")
    for system, figures in results.items():
        print(
            f"{system:<18}{figures['rate']:>10.0f}{figures['tokens_per_step']:>15.0f}{figures['padding']:>9.1%}"
            f"{figures['prepared']:>9.1f} s {rows / figures['prepared']:>6.0f} rows/s"
        )
    packed, unpacked = results["TRL packing"], results["TRL unpacked"]
    for system in ("reset_pl packed", "reset_pl grouped"):
        own = results[system]
        print(
            f"{system}: {own['rate'] / packed['rate']:.2f}× TRL packing (bar 1.0), "
            f"{own['rate'] / unpacked['rate']:.2f}× TRL unpacked (bar 2.0); preparation "
            f"{min(packed['prepared'], unpacked['prepared']) / own['prepared']:.2f}× TRL's quicker (bar 1.0)"
        )
    print(f"commit {commit()}, python benchmarks/against_trl.py --trl PYTHON --rows {rows}")


if __name__ == "__main__":
    main()
