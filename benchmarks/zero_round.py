"""A RESET round under ZeRO-3 on two processes against the same round by one plain process, on the same cores.

Both start from the same weights, draw the same prompts in the same chunks with the transformers sampler, judge them
with the miniature world's judges and select. Timed from the outside: from the line that announces the round, so that
the fingerprint, gathering the weights and opening the sampler count, to the finished manifest; tuning does not.

Run: python benchmarks/zero_round.py [--prompts 100] [--repeats 3]
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import yaml

from reset_pl.provenance import commit
from reset_pl.rounds.ledger import Ledger

ROOT = Path(__file__).parent.parent
BAR, OTHER_BAR = 1.3, 0.03


def write_config(folder: Path, prompts: int, *, processes: int) -> Path:
    """The miniature run, beginning with its first round and ending with the epoch after it, without evaluations."""
    config: dict[str, Any] = yaml.safe_load((ROOT / "configs" / "mini" / "reset.yaml").read_text())
    rounds = next(c for c in config["trainer"]["callbacks"] if c["class_path"] == "callbacks.ResetRounds")
    rounds["init_args"] |= {"rounds": 1, "prompts_per_dataset": prompts, "chunk_size": 25}
    config["trainer"] |= {"max_epochs": 0, "default_root_dir": str(folder / "run"), "callbacks": [rounds]}
    config["trainer"] |= {"logger": False, "limit_train_batches": 1}
    if processes > 1:
        strategy = "reset_pl.tuning.strategies.CpuDeepSpeedStrategy"
        config["trainer"] |= {
            "devices": processes,
            "strategy": {"class_path": strategy, "init_args": {"stage": 3}},
        }
    config["data"]["test"] = []
    path = folder / "config.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def run(folder: Path, prompts: int, *, processes: int) -> tuple[float, Ledger]:
    """Seconds of the round, and what it left behind."""
    folder.mkdir(parents=True)
    command = [
        sys.executable,
        "-m",
        "reset_pl",
        "fit",
        "--config",
        str(write_config(folder, prompts, processes=processes)),
    ]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    began, lines = 0.0, []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("round 0: from the weights"):
            began = time.time()
    assert process.wait() == 0, "".join(lines)[-3000:]
    ledger = Ledger(folder / "run" / "rounds" / "round-000")
    # The manifest is written once more when the epoch has ended; selected.parquet comes just before its first ending.
    return (ledger.directory / "selected.parquet").stat().st_mtime - began, ledger


def main() -> int:
    """Run both sides in turn and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--prompts", type=int, default=100, help="of each of the four training sets")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    print(f"commit {commit()}, {os.cpu_count()} cores, load before {os.getloadavg()[0]:.1f}")
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(arguments.repeats):
            rows = {}
            for processes in seconds:
                wall, ledger = run(Path(folder) / f"{repeat}-{processes}", arguments.prompts, processes=processes)
                seconds[processes].append(wall)
                rows[processes] = {table: ledger.read_table(table) for table in ("prompts", "candidates", "selected")}
                spent = (ledger.read_manifest() or {})["seconds"]
                parts = ", ".join(f"{name} {spent[name]:.2f}" for name in ("sample", "judge", "select", "other"))
                print(
                    f"{processes} process(es): round {wall:.2f} s ({len(rows[processes]['candidates'])} "
                    f"candidates; rank 0: {parts}; other {spent['other'] / wall:.1%}, "
                    f"with selection {(spent['other'] + spent['select']) / wall:.1%})",
                    flush=True,
                )
            same = {table: rows[1][table] == rows[2][table] for table in rows[1]}
            print(f"equal: {', '.join(f'{table} {is_same}' for table, is_same in same.items())}")
    ratio = statistics.median(seconds[2]) / statistics.median(seconds[1])
    print(f"ZeRO-3 on two processes / one plain process, wall time of the round: {ratio:.2f} (bar: {BAR})")
    print(f"bar of other: {OTHER_BAR:.0%} of the round")
    return 0


if __name__ == "__main__":
    sys.exit(main())
