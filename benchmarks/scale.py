"""The paper's mixture at full size: how soon a second start trains, and in how much memory.

python benchmarks/scale.py [--share 1.0] [--folder /tmp/reset_pl-scale] [--batches 1000]

Writes made-up examples (benchmarks/paper_mix.py) in the form of ``prepare``, starts the data module once (which encodes
them) and then again in a fresh process, from which the figures come: seconds from after the imports to the first batch,
anonymous memory of the process (RssAnon; mapped files are no part of it) then and along the batches.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path

from paper_mix import SIZES, train_tokenizer, write_examples

from reset_pl.provenance import commit


def prepare(folder: Path, share: float) -> None:
    """The four sets as files with a manifest, and a tokenizer; made once."""
    if (folder / "manifest.json").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    train_tokenizer(folder / "tokenizer")
    sets = {}
    for dataset, size in SIZES.items():
        count = int(size * share)
        name = f"train/{dataset}/part-00000.arrow"
        write_examples(folder / name, dataset, count)
        sets[dataset] = {"files": [name], "rows": None, "n": count, "fingerprint": f"{dataset}-{count}"}
    (folder / "manifest.json").write_text(json.dumps({"splits": {"train": sets}}))


def anonymous_megabytes() -> float:
    """RssAnon of this process."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("RssAnon")) / 1024


def start(folder: Path, batches: int) -> dict[str, object]:
    """One start of the data module: seconds and memory to the first batch and along the rest."""
    from reset_pl.data.datamodule import ResetDataModule
    from reset_pl.data.prepared import PreparedSource

    imports = anonymous_megabytes()
    began = time.perf_counter()
    data = ResetDataModule([PreparedSource(str(folder), name) for name in SIZES], str(folder / "tokenizer"))
    data.prepare_data()
    loader = data.train_dataloader()
    iterator = iter(loader)
    next(iterator)
    seconds = time.perf_counter() - began
    memory = {1: anonymous_megabytes()}
    began, tokens = time.perf_counter(), 0
    for number, batch in enumerate(iterator, start=2):
        tokens += batch["input_ids"].numel()
        if number % (batches // 4) == 0:
            memory[number] = anonymous_megabytes()
        if number == batches:
            break
    return {
        "rows": len(loader.batch_sampler.order),
        "seconds": seconds,
        "imports_mb": imports,
        "memory_mb": memory,
        "tokens_per_second": tokens / (time.perf_counter() - began),
    }


def main() -> None:
    """Make the data, start twice, print the figures against their bars."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--share", type=float, default=1.0, help="share of the paper's examples, 1.0 for all")
    parser.add_argument("--folder", type=Path, default=Path("/tmp/reset_pl-scale"))
    parser.add_argument("--batches", type=int, default=1000)
    parser.add_argument("--start", action="store_true", help="only start the data module and print JSON")
    arguments = parser.parse_args()
    if arguments.start:
        print(json.dumps(start(arguments.folder, arguments.batches)))
        return
    began = time.perf_counter()
    prepare(arguments.folder, arguments.share)
    print(f"examples made in {time.perf_counter() - began:.0f} s", flush=True)
    for name in ("first", "second"):
        began = time.perf_counter()
        command = [sys.executable, __file__, "--start", "--folder", arguments.folder, "--batches", arguments.batches]
        run = subprocess.run(list(map(str, command)), stdout=subprocess.PIPE, text=True, check=True)
        result = json.loads(run.stdout)
        print(f"{name} start: {time.perf_counter() - began:.1f} s as a process")
    memory = {int(number): value for number, value in result["memory_mb"].items()}
    along = " → ".join(f"{value:.0f}" for value in memory.values())
    growth = max(memory.values()) - memory[1]
    print(f"rows of an epoch           {result['rows']:>12,}")
    print(f"first batch after imports  {result['seconds']:>10.2f} s   bar 5 s")
    print(f"RssAnon after imports      {result['imports_mb']:>9.0f} MB")
    print(f"RssAnon over {max(memory):,} batches {along} MB, growth {growth:.0f} MB   bar 1,536 MB and flat")
    print(f"loader                     {result['tokens_per_second']:>10,.0f} tokens/s")
    print(f"commit {commit()}, python benchmarks/scale.py --share {arguments.share}")


if __name__ == "__main__":
    main()
