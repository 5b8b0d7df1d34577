"""Peak memory of an export: a random Llama of 500 M parameters, from a live policy, sharded, and by the command.

    python benchmarks/export_memory.py [--dtype float32] [--scale 1]

Each row is a process of its own: VmHWM, interpreter and libraries included, from when the model stands (the command:
from its start) to the end of the export. The bar is the model's size + 1 GB. ``save_pretrained`` of transformers stands
beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from reset_pl.provenance import commit

BAR = 1e9


def peak() -> int:
    """VmHWM of this process, in bytes."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) * 1024


def forget_peak() -> None:
    """Let VmHWM begin anew from what is held now."""
    Path("/proc/self/clear_refs").write_text("5")


def build(folder: Path, dtype: str, scale: int) -> None:
    """A random Llama with its tokenizer and, beside it, a run whose checkpoint has its weights."""
    from transformers import LlamaConfig, LlamaForCausalLM

    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.conftest import save_tokenizer

    config = LlamaConfig(
        vocab_size=32_000,
        hidden_size=1280 // scale,
        intermediate_size=3456 // scale,
        num_hidden_layers=21,
        num_attention_heads=20,
        num_key_value_heads=20,
    )
    model = LlamaForCausalLM(config).to(getattr(torch, dtype))
    model.save_pretrained(folder / "base")
    save_tokenizer(folder / "base")
    (folder / "run" / "checkpoints").mkdir(parents=True)
    settings = {
        "model": {"init_args": {"model": str(folder / "base"), "dtype": dtype}},
        "data": {},
        "trainer": {"precision": "32-true" if dtype == "float32" else "bf16-true"},
    }
    (folder / "run" / "config.yaml").write_text(json.dumps(settings))
    states = {"loops": {}, "lr_schedulers": [{"stage": "mtl"}], "global_step": 100}
    weights = {f"policy.{name}": tensor * 1.01 for name, tensor in model.state_dict().items()}
    torch.save({**states, "state_dict": weights}, folder / "run" / "checkpoints" / "mtl-000100.ckpt")


def live(folder: Path, dtype: Any, *, with_transformers: bool) -> None:
    """A whole policy in memory."""
    from transformers import AutoTokenizer

    from reset_pl.policy.export import export_policy
    from reset_pl.policy.load import load_policy

    model = load_policy(str(folder / "base"), dtype)
    for parameter in model.parameters():  # all of it in memory of our own, as after a training step
        parameter.data = parameter.data * 1.01
    tokenizer = AutoTokenizer.from_pretrained(folder / "base")
    forget_peak()
    started = time.monotonic()
    if with_transformers:
        model.save_pretrained(folder / "theirs")
    else:
        export_policy(model, tokenizer, folder / "ours")
    report(started)


def sharded(folder: Path, dtype: Any, rank: int, port: int) -> None:
    """A policy that ZeRO-3 has spread over two processes."""
    import deepspeed
    from transformers import AutoTokenizer

    from reset_pl.policy.export import export_policy
    from reset_pl.policy.load import load_policy
    from reset_pl.tuning.strategies import loaded_in_shards

    os.environ.update(
        RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="localhost", MASTER_PORT=str(port)
    )
    deepspeed.ops.__compatible_ops__["deepspeed_shm_comm"] = False
    deepspeed.init_distributed("gloo", verbose=False)
    config = {"zero_optimization": {"stage": 3}, "train_micro_batch_size_per_gpu": 1, "bf16": {"enabled": False}}
    config["bf16"] = {"enabled": dtype == "bfloat16"}
    with loaded_in_shards(config):
        model = load_policy(str(folder / "base"), dtype)
    tokenizer = AutoTokenizer.from_pretrained(folder / "base")
    forget_peak()
    started = time.monotonic()
    export_policy(model, tokenizer, folder / "sharded", writes=rank == 0)
    if rank == 0:
        report(started)


def command(folder: Path) -> None:
    """The command, loading again and comparing included."""
    from reset_pl.__main__ import main

    started = time.monotonic()
    assert main(["export", str(folder / "run/checkpoints/mtl-000100.ckpt"), str(folder / "exported")]) == 0
    report(started)


def report(started: float) -> None:
    """The last line that the parent reads."""
    print(json.dumps({"peak": peak(), "seconds": time.monotonic() - started}))


def run(folder: Path, options: argparse.Namespace, kind: str, *more: str) -> subprocess.Popen[str]:
    """One of the above in a process of its own."""
    arguments = [sys.executable, __file__, "--dtype", options.dtype, "--scale", str(options.scale)]
    arguments += ["--kind", kind, "--folder", str(folder), *more]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)


def result(process: subprocess.Popen[str]) -> dict[str, float]:
    """What it reported."""
    output, _ = process.communicate()
    assert process.returncode == 0, output
    return json.loads(output.splitlines()[-1])


def compare(options: argparse.Namespace) -> None:
    """Print the table."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        assert run(folder, options, "build").wait() == 0
        size = sum(path.stat().st_size for path in (folder / "base").glob("*.safetensors"))
        print(f"commit {commit()}, {platform.node()}, {os.cpu_count()} cores, {options.dtype}")
        print(f"model: {size / 1e9:.2f} GB, bar: {(size + BAR) / 1e9:.2f} GB")
        with socket.socket() as free:
            free.bind(("localhost", 0))
            port = str(free.getsockname()[1])
        measured = {
            "export_policy": result(run(folder, options, "live")),
            "save_pretrained": result(run(folder, options, "theirs")),
        }
        ranks = [run(folder, options, "sharded", "--rank", str(rank), "--port", port) for rank in range(2)]
        measured["export_policy, ZeRO-3 on two processes, rank 0"] = result(ranks[0])
        ranks[1].communicate()
        measured["python -m reset_pl export"] = result(run(folder, options, "command"))
        for name, row in measured.items():
            beyond = (row["peak"] - size) / 1e9
            verdict = "met" if beyond * 1e9 <= BAR else "MISSED"
            took = f"{row['seconds']:.1f} s"
            print(f"{name:50} peak {row['peak'] / 1e9:.2f} GB = model {beyond:+.2f} GB ({verdict}), {took}")
        ratio = measured["save_pretrained"]["peak"] / measured["export_policy"]["peak"]
        print(f"save_pretrained / export_policy, peak: {ratio:.2f}")


def main() -> None:
    """Parse and run."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dtype", choices=["float32", "bfloat16"], default="float32")
    parser.add_argument("--scale", type=int, default=1, help="divides the model's width, for a quick try")
    parser.add_argument("--kind", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--rank", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--port", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.kind is None:
        compare(options)
    elif options.kind == "build":
        build(options.folder, options.dtype, options.scale)
    elif options.kind == "sharded":
        sharded(options.folder, options.dtype, options.rank, options.port)
    elif options.kind == "command":
        command(options.folder)
    else:
        live(options.folder, options.dtype, with_transformers=options.kind == "theirs")


if __name__ == "__main__":
    main()
