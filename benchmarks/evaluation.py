"""Evaluating a second time, from kept answers and verdicts, beside the first time; whole commands.

python benchmarks/evaluation.py

``python -m reset_pl test`` on the miniature world's test sets with its judges: 6,300 prompts, as many of each
set as the paper draws, up to 40 new tokens. The model is a random Llama of 18.5 M parameters with the miniature
world's tokenizer: its own model, of 0.8 M and with answers of six tokens, is evaluated in little more time than
a process takes. The second command finds the scores (``evaluation/*.json``, ``*.parquet``) deleted and the
predictions kept, and must write the same scores again. Bar: at most 10% of the first.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from reset_pl.mini import MODELS
from reset_pl.provenance import commit

ROOT = Path(__file__).parent.parent
GROUNDED = ("mini_nq", "mini_searchqa", "mini_bioasq", "mini_marco", "mini_cnn", "mini_wikisum")
INSTRUCTIONS = ("mini_alpaca", "mini_vicuna", "mini_koala")


def make_model(folder: Path) -> Path:
    """The random Llama."""
    import torch
    from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

    tokenizer = AutoTokenizer.from_pretrained(MODELS / "chat")
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=384,
        intermediate_size=1024,
        num_hidden_layers=10,
        num_attention_heads=6,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def evaluate(run: Path, model: Path, test_sets: Path) -> tuple[float, float]:
    """Wall and CPU seconds of one command."""
    config = ["--config", "configs/mini/reset.yaml", "--config", str(test_sets)]
    options = ["--model.model", str(model), "--trainer.default_root_dir", str(run)]
    command = [sys.executable, "-m", "reset_pl", "test", *config, *options]
    began, used = time.perf_counter(), _cpu()
    subprocess.run(command, check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began, _cpu() - used


def scores_in(run: Path) -> list[Any]:
    """What must be the same both times."""
    content = json.loads((run / "evaluation" / "start.json").read_text())
    return [content[key] for key in ("policy", "examples", "datasets", "macro")]


def _cpu() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def main() -> None:
    """Twice, and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--grounded", type=int, default=1000, help="examples of each context-dependent set")
    parser.add_argument("--instructions", type=int, default=100, help="examples of each instruction set")
    arguments = parser.parse_args()
    sizes = dict.fromkeys(GROUNDED, arguments.grounded) | dict.fromkeys(INSTRUCTIONS, arguments.instructions)
    with tempfile.TemporaryDirectory() as folder:
        run, test_sets = Path(folder) / "run", Path(folder) / "test.yaml"
        sources = [
            {"class_path": "MiniSource", "init_args": {"dataset": name, "split": "test", "size": size}}
            for name, size in sizes.items()
        ]
        test_sets.write_text(yaml.safe_dump({"data": {"test": sources}}))
        model = make_model(Path(folder) / "model")
        first = evaluate(run, model, test_sets)
        scores = scores_in(run)
        for path in [*run.glob("evaluation/*.json"), *run.glob("evaluation/*.parquet")]:
            path.unlink()
        second = evaluate(run, model, test_sets)
        assert scores_in(run) == scores, "the scores differ"
        kept = sum(path.stat().st_size for path in run.glob("evaluation/predictions/*/*")) / 1e6
    print(f"{sum(sizes.values())} prompts, commit {commit()}; the same scores both times, {kept:.1f} MB kept")
    for name, before, after in zip(("wall time", "CPU time"), first, second, strict=True):
        print(f"{name}: first {before:.1f} s, second {after:.1f} s; ratio {after / before:.3f}")


if __name__ == "__main__":
    main()
