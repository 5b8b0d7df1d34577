"""Help as quick as it can be: ours beside a bare LightningCLI, in one run.

python benchmarks/startup.py [--runs 5]
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time

BARE = (
    "from lightning.pytorch.cli import LightningCLI; from lightning.pytorch.demos.boring_classes import "
    "BoringModel, BoringDataModule; LightningCLI(BoringModel, BoringDataModule)"
)
COMMANDS = {
    "python -m reset_pl --help": [sys.executable, "-m", "reset_pl", "--help"],
    "python -m reset_pl fit --help": [sys.executable, "-m", "reset_pl", "fit", "--help"],
    "bare LightningCLI fit --help": [sys.executable, "-c", BARE, "fit", "--help"],
}


def seconds(command: list[str]) -> float:
    """Wall time of one run."""
    start = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - start


def main() -> None:
    """Time the commands in turn and print medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="timed runs of each command, after one that is not")
    runs = parser.parse_args().runs
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for turn in range(runs + 1):
        for name, command in COMMANDS.items():
            elapsed = seconds(command)
            if turn:
                times[name].append(elapsed)
    medians = {name: statistics.median(own) for name, own in times.items()}
    for name, own in times.items():
        print(f"{name}: median {medians[name]:.2f} s (min {min(own):.2f}, max {max(own):.2f}, n {runs})")
    _, ours, bare = medians.values()
    print(f"ratio fit --help / bare: {ours / bare:.2f}")


if __name__ == "__main__":
    main()
