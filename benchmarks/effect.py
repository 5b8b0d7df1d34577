"""Does RESET work in the miniature world? Against MTL, and against two controls at equal budget.

    python benchmarks/effect.py --out runs/effect [--seeds 0 1 2]

Every seed tunes one MTL stage; the three arms (the method, a random candidate, the reference) go on from its
checkpoint with the same prompts, numbers of examples and steps. A restart does only what is missing. Prints a
Markdown table: mean over the seeds of the paired difference, with a 95% interval that resamples examples within each
data set and keeps the seeds' answers to one example together.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from reset_pl.evaluation.intervals import Interval, macro_paired_interval
from reset_pl.provenance import commit

ROOT = Path(__file__).parent.parent
ARMS = {"reset": [], "random": ["RandomSelector"], "reference": ["ReferenceSelector"]}
LAST = "round-001"
LIKE_LENGTH = 0.2
Scores = dict[str, dict[str, float]]
"""Data set → example id → score."""


def run_arm(out: Path, seed: int, arm: str) -> Path:
    """Tune one arm, from the checkpoint of the method's MTL stage where there is one."""
    run = out / f"seed-{seed}" / arm
    if (run / "evaluation" / f"{LAST}.json").exists():
        return run
    first = out / f"seed-{seed}" / "reset"
    if arm != "reset" and not (run / "checkpoints").exists():
        for folder, pattern in (("checkpoints", "mtl-*"), ("evaluation", "start.*"), ("evaluation", "mtl.*")):
            (run / folder).mkdir(parents=True, exist_ok=True)
            for path in (first / folder).glob(pattern):
                shutil.copy2(path, run / folder)
    selector = [option for name in ARMS[arm] for option in ("--trainer.callbacks.selector", name)]
    command = [
        *(sys.executable, "-m", "reset_pl", "fit"),
        *("--config", "configs/mini/reset.yaml", "--config", "benchmarks/effect.yaml"),
        *("--trainer.default_root_dir", str(run.resolve()), "--seed_everything", str(seed), *selector),
    ]
    subprocess.run(command, cwd=ROOT, check=True)
    return run


def read_scores(run: Path, stage: str, column: str) -> Scores:
    """An evaluation's per-example scores in one column."""
    table = pq.read_table(run / "evaluation" / f"{stage}.parquet", columns=["example_id", "dataset", column])
    scores: Scores = {}
    for row in table.to_pylist():
        if row[column] is not None:
            scores.setdefault(row["dataset"], {})[row["example_id"]] = row[column]
    return scores


def difference(
    before: Sequence[Scores], after: Sequence[Scores], keep: Callable[[int, str, str], bool] = lambda *_: True
) -> Interval:
    """Macro-averaged paired difference, each example's scores averaged over the seeds in which it is kept."""
    befores, afters = {}, {}
    for name in before[0]:
        pairs = []
        for example_id in before[0][name]:
            seeds = [s for s in range(len(before)) if keep(s, name, example_id)]
            if seeds:
                pairs.append([sum(side[s][name][example_id] for s in seeds) / len(seeds) for side in (before, after)])
        if pairs:
            befores[name], afters[name] = ([pair[k] for pair in pairs] for k in (0, 1))
    return macro_paired_interval(befores, afters, seed=0, resamples=2000)


def restrict(scores: Sequence[Scores], names: set[str]) -> list[Scores]:
    """Only some data sets."""
    return [{name: own for name, own in seed.items() if name in names} for seed in scores]


def like_length(before: Sequence[Scores], after: Sequence[Scores]) -> Callable[[int, str, str], bool]:
    """Whether two answers' lengths differ by at most a fifth of the longer."""

    def keep(seed: int, name: str, example_id: str) -> bool:
        one, other = before[seed][name][example_id], after[seed][name][example_id]
        return abs(one - other) <= LIKE_LENGTH * max(one, other)

    return keep


def mean(scores: Sequence[Scores]) -> float:
    """Macro average, mean of the seeds."""
    return sum(sum(sum(own.values()) / len(own) for own in seed.values()) / len(seed) for seed in scores) / len(scores)


def rows_of(runs: Mapping[str, Sequence[Path]]) -> list[tuple[str, float, float, Interval, str]]:
    """The table: what, before, after, difference, bar."""
    mtl = {c: [read_scores(run, "mtl", c) for run in runs["reset"]] for c in COLUMNS}
    last = {arm: {c: [read_scores(run, LAST, c) for run in own] for c in COLUMNS} for arm, own in runs.items()}
    grounded = set(mtl["faithfulness"][0])
    seen = {
        n for n in grounded if json.loads((runs["reset"][0] / "evaluation/mtl.json").read_text())["datasets"][n]["seen"]
    }
    keep = like_length(restrict(mtl["token_count"], grounded), restrict(last["reset"]["token_count"], grounded))
    rows = []
    for column, label in (("faithfulness", "judges"), ("faithfulness_oracle", "oracle")):
        before, after = mtl[column], last["reset"][column]
        for subset, names in (("all", grounded), ("seen", seen), ("unseen", grounded - seen)):
            one, two = restrict(before, names), restrict(after, names)
            rows.append(
                (f"faithfulness, {label}, {subset} sets", mean(one), mean(two), difference(one, two), "≥ +.10, > 0")
            )
        rows.append((f"… pairs of like length, {label}", *_kept(before, after, keep), "> 0"))
        for arm, name in (("random", "a random candidate"), ("reference", "the references")):
            other = last[arm][column]
            rows.append(
                (
                    f"faithfulness against {name}, {label}",
                    mean(other),
                    mean(after),
                    difference(other, after),
                    "≥ +.05, > 0",
                )
            )
    for column, label, bar in (
        ("task", "task score", "≥ −.02"),
        ("instruction", "instruction following", "low ≥ −.03"),
    ):
        one, two = mtl[column], last["reset"][column]
        rows.append((label, mean(one), mean(two), difference(one, two), bar))
    one, two = (restrict(side, grounded) for side in (mtl["token_count"], last["reset"]["token_count"]))
    rows.append(("answer length, tokens", mean(one), mean(two), difference(one, two), "reported"))
    return rows


COLUMNS = ("faithfulness", "faithfulness_oracle", "task", "instruction", "token_count")


def _kept(
    before: list[Scores], after: list[Scores], keep: Callable[[int, str, str], bool]
) -> tuple[float, float, Interval]:
    sides = [
        [{n: {e: v for e, v in own.items() if keep(s, n, e)} for n, own in seed.items()} for s, seed in enumerate(side)]
        for side in (before, after)
    ]
    return mean(sides[0]), mean(sides[1]), difference(before, after, keep)


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/effect"), help="folder of the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="one run of every arm each")
    arguments = parser.parse_args()
    runs = {arm: [run_arm(arguments.out, seed, arm) for seed in arguments.seeds] for arm in ARMS}
    print(f"commit {commit()}, seeds {arguments.seeds}\n")
    print("| what | before | after | difference [95%] | pairs | bar |\n|---|---|---|---|---|---|")
    for what, before, after, change, bar in rows_of(runs):
        interval = f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"
        print(f"| {what} | {before:.3f} | {after:.3f} | {interval} | {change.n} | {bar} |")


if __name__ == "__main__":
    main()
