"""``prepare`` beside ``datasets`` alone: reading, and writing again, 300,000 made-up rows in one run.

    python benchmarks/prepare.py [--rows 300000] [--runs 2] [--folder /tmp]

The rows have the shapes of Dolly (15%, JSON lines), Natural Questions with DPR's passages (35%, 20 passages of 100
words, gzipped JSON) and MS MARCO v2.1 (50%, 10 passages of 60 words, Parquet). The questions are JSON lines and not the
one list of the original: ``datasets`` turns a list into lines first, which takes long on both sides alike.

(a) ``load_dataset`` of the files, each set written with ``to_parquet``; (b) ``python -m reset_pl prepare`` of the same
files: filtered, merged, rows held out and compared with training, report. Each a process of its own with an empty cache
and all defaults, by turns; wall time.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

ROOT = Path(__file__).parent.parent
FILES = {
    "dolly": ("json", "databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl"),
    "nq": ("json", "dpr/nq-train.json.gz"),
    "ms_marco": ("parquet", "microsoft/ms_marco/v2.1/train-00000-of-00001.parquet"),
}
ALONE = """
import sys
from datasets import load_dataset
for form, source, target in zip(*[iter(sys.argv[1:])] * 3):
    load_dataset(form, data_files=source, split="train").to_parquet(target)
"""
CONFIG = """
train:
  - {name: instruction, sources: [Dolly], unique: true, hold_out: {validation: 2500}}
  - {name: nq, sources: [NaturalQuestions]}
  - {name: ms_marco, sources: [MSMarco], hold_out: {validation: 2500}}
"""


class Writer:
    """Made-up English-like text: halves of passages are drawn from a pool, so that whole ones hardly repeat."""

    def __init__(self) -> None:
        self.random = random.Random(0)
        letters = "etaoinshrdlucmfwypvbgk"
        vocabulary = ["".join(self.random.choices(letters, k=self.random.randint(2, 9))) for _ in range(20_000)]
        weights = [1 / (rank + 10) for rank in range(len(vocabulary))]
        self.words = iter(self.random.choices(vocabulary, weights, k=6_000_000))
        self.halves = {length: [self._sentence(length) for _ in range(20_000)] for length in (30, 50)}

    def _sentence(self, length: int) -> str:
        return " ".join(next(self.words) for _ in range(length)).capitalize() + "."

    def text(self, half: int) -> str:
        """Two sentences of so many words."""
        return " ".join(self.random.choices(self.halves[half], k=2))

    def dolly(self, rows: int) -> Iterator[dict[str, str]]:
        """Instructions, a third of which come with a context."""
        for n in range(rows):
            context = self.text(50) if n % 3 == 0 else ""
            instruction = f"Say what {self._sentence(9)[:-1]} means"
            yield {"instruction": instruction, "context": context, "response": self.text(30), "category": "open_qa"}

    def nq(self, rows: int) -> Iterator[dict[str, object]]:
        """Questions; for seven of eight an answer stands in one of the first five passages."""
        for n in range(rows):
            texts = [self.text(50) for _ in range(20)]
            answer = f"Person {n} of Town"
            if n % 8:
                texts[n % 5] = f"{texts[n % 5][:300]} {answer} {texts[n % 5][300:]}"
            yield {
                "question": f"who was {self._sentence(6)[:-1]}",
                "answers": [answer],
                "ctxs": [
                    {"id": str(20 * n + k), "title": "A page", "text": text, "score": "80.25", "has_answer": k == n % 5}
                    for k, text in enumerate(texts)
                ],
            }

    def ms_marco(self, rows: int) -> Iterator[dict[str, object]]:
        """Questions of which a fifth, as in the original, have a well-formed answer."""
        for n in range(rows):
            yield {
                "answers": [f"Answer {n}."],
                "passages": {
                    "is_selected": [int(k == n % 10) for k in range(10)],
                    "passage_text": [self.text(30) for _ in range(10)],
                    "url": [f"http://example.org/{n}/{k}" for k in range(10)],
                },
                "query": f"what is {self._sentence(5)[:-1]}",
                "query_id": n,
                "query_type": "DESCRIPTION",
                "wellFormedAnswers": [f"The answer is {n}."] if n % 5 == 0 else [],
            }


def write_mirror(folder: Path, rows: int) -> None:
    """Write the three files."""
    writer = Writer()
    paths = {name: folder / path for name, (_, path) in FILES.items()}
    for path in paths.values():
        path.parent.mkdir(parents=True)
    with paths["dolly"].open("w") as file:
        file.writelines(json.dumps(row) + "\n" for row in writer.dolly(rows * 15 // 100))
    with gzip.open(paths["nq"], "wt", compresslevel=1) as file:
        file.writelines(json.dumps(row) + "\n" for row in writer.nq(rows * 35 // 100))
    marco = list(writer.ms_marco(rows // 2))
    pq.write_table(pa.Table.from_pylist(marco), paths["ms_marco"], row_group_size=10_000)


def seconds(command: list[str], cache: Path, cwd: Path) -> float:
    """Wall time of one process with an empty cache."""
    start = time.perf_counter()
    environment = {**os.environ, "HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True)
    elapsed = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr[-2000:])
    return elapsed


def main() -> None:
    """Write the rows, take the times by turns, print medians and the ratio."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=300_000, help="rows in all")
    parser.add_argument("--runs", type=int, default=2, help="runs of each side")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="where some 8 GB are free")
    options = parser.parse_args()
    times: dict[str, list[float]] = {"datasets alone": [], "prepare": []}
    with tempfile.TemporaryDirectory(dir=options.folder, prefix="prepare-benchmark-") as scratch:
        folder = Path(scratch)
        write_mirror(folder / "mirror", options.rows)
        size = sum(path.stat().st_size for path in (folder / "mirror").rglob("*") if path.is_file())
        print(f"{options.rows:,} rows, files of {size / 1e9:.2f} GB, {len(os.sched_getaffinity(0))} cores", flush=True)
        (folder / "config.yaml").write_text(CONFIG)
        for turn in range(options.runs):
            for name, own in times.items():
                work = folder / f"{name[:1]}{turn}"
                work.mkdir()
                alone = [
                    part
                    for key, (form, path) in FILES.items()
                    for part in (form, str(folder / "mirror" / path), f"{key}.parquet")
                ]
                ours = ["prepare", "--config", "../config.yaml", "--data_dir", "../mirror", "--output_dir", "out"]
                arguments = ["-c", ALONE, *alone] if name == "datasets alone" else ["-m", "reset_pl", *ours]
                own.append(seconds([sys.executable, *arguments], work / "cache", work))
                print(f"  {name}: {own[-1]:.1f} s", flush=True)
                shutil.rmtree(work)
    medians = [statistics.median(own) for own in times.values()]
    for name, own in times.items():
        print(f"{name}: median {statistics.median(own):.1f} s of {', '.join(f'{value:.1f}' for value in own)}")
    print(f"prepare / datasets alone: {medians[1] / medians[0]:.2f} (bar: at most 1.5)")


if __name__ == "__main__":
    main()
