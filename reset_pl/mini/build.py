"""Make the miniature models again: ``python -m reset_pl.mini.build [--out DIR] [--seed 0] [--scale 1.0]``.

Three models, each with its tokenizer, go to ``DIR/{base,chat,nli}``: ``base`` has read the world's texts (it plays
LLaMA's part), ``chat`` is ``base`` tuned on instructions (Vicuna's part), ``nli`` judges sentence pairs. ``build.json``
says from which commit, with which seed and how long. The whole takes under 20 minutes on two cores.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from transformers import LlamaForCausalLM, PreTrainedModel, PreTrainedTokenizerBase

from reset_pl.mini import MODELS
from reset_pl.mini.networks import new_causal_model, new_nli_model
from reset_pl.mini.nli_rows import pair_batches, pair_loss
from reset_pl.mini.texts import TextMaker, base_text, chat_text, reader_text
from reset_pl.mini.tokenizer import causal_tokenizer, pair_tokenizer
from reset_pl.mini.training import causal_loss, text_batches, train
from reset_pl.provenance import commit


@dataclass(frozen=True)
class Stage:
    """How long and how fast one model is trained."""

    steps: int
    """Optimizer steps at scale 1."""
    batch_size: int
    """Texts or pairs in a step."""
    lr: float
    """Highest learning rate."""

    def scaled(self, scale: float) -> int:
        """Steps at another scale, one at least."""
        return max(1, round(self.steps * scale))


BASE = Stage(steps=3000, batch_size=32, lr=3e-3)
CHAT = Stage(steps=1000, batch_size=32, lr=1e-3)
READER = Stage(steps=1400, batch_size=32, lr=3e-3)
NLI = Stage(steps=2600, batch_size=64, lr=1e-3)


def build(out: Path, seed: int = 0, scale: float = 1.0) -> dict[str, float]:
    """Train and save the three models.

    Args:
        out: Folder that gets ``base``, ``chat``, ``nli`` and ``build.json``.
        seed: Of weights and texts.
        scale: Multiplies the number of steps; 1 is what is shipped.

    Returns:
        Final training loss by model.
    """
    began, code = time.monotonic(), commit()
    torch.manual_seed(seed)
    tokenizer = causal_tokenizer()
    model = new_causal_model(tokenizer)
    losses = {}
    for name, stage, make in (("base", BASE, base_text), ("chat", CHAT, chat_text)):
        losses[name] = _train_causal(name, model, stage, make, seed, scale)
        _save(model, tokenizer, out / name, torch.float16)
    # The NLI model learns to compare sooner from a reader that has read less.
    reader = new_causal_model(tokenizer)
    losses["reader"] = _train_causal("reader", reader, READER, reader_text, seed, scale)
    losses["nli"] = _build_nli(reader, out / "nli", seed, scale)
    _write_record(out, seed, scale, code, time.monotonic() - began, losses)
    return losses


def _train_causal(name: str, model: LlamaForCausalLM, stage: Stage, make: TextMaker, seed: int, scale: float) -> float:
    steps = stage.scaled(scale)
    batches = text_batches(make, causal_tokenizer(), steps, stage.batch_size, seed)
    return train(name, model, batches, causal_loss, steps, stage.lr, _say)


def _build_nli(reader: LlamaForCausalLM, out: Path, seed: int, scale: float) -> float:
    tokenizer = pair_tokenizer()
    model = new_nli_model(tokenizer, reader)
    steps = NLI.scaled(scale)
    loss = train("nli", model, pair_batches(tokenizer, steps, NLI.batch_size, seed), pair_loss, steps, NLI.lr, _say)
    _save(model, tokenizer, out, torch.float32)
    return loss


def _save(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, out: Path, dtype: torch.dtype) -> None:
    """Save in a storage precision, and go on with the weights as they are."""
    state = {name: tensor.to(dtype) for name, tensor in model.state_dict().items()}
    model.config.dtype = dtype
    model.save_pretrained(out, state_dict=state)
    tokenizer.save_pretrained(out)


def _write_record(
    out: Path, seed: int, scale: float, code: str | None, seconds: float, losses: dict[str, float]
) -> None:
    record = {
        "command": f"python -m reset_pl.mini.build --seed {seed} --scale {scale:g}",
        "commit": code,
        "seed": seed,
        "scale": scale,
        "seconds": round(seconds),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "stages": {"base": asdict(BASE), "chat": asdict(CHAT), "reader": asdict(READER), "nli": asdict(NLI)},
        "final_loss": {name: round(loss, 4) for name, loss in losses.items()},
    }
    (out / "build.json").write_text(json.dumps(record, indent=2) + "\n")


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main(arguments: list[str] | None = None) -> None:
    """Read the command line and build."""
    parser = argparse.ArgumentParser(prog="python -m reset_pl.mini.build", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, default=MODELS, help="folder for the models (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="seed of weights and texts (default: %(default)s)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the full training steps (default: 1.0)")
    options = parser.parse_args(arguments)
    torch.set_num_threads(min(2, torch.get_num_threads()))
    build(options.out, options.seed, options.scale)
    _say(f"models and build.json are in {options.out}")


if __name__ == "__main__":
    main()
