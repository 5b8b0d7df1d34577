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
from collections.abc import Mapping, Sequence
from pathlib import Path

from reset_pl.evaluation.paired import Difference, compare, like_length, of_datasets, of_examples, read_scores
from reset_pl.provenance import commit

ROOT = Path(__file__).parent.parent
ARMS = {"reset": [], "random": ["RandomSelector"], "reference": ["ReferenceSelector"]}
LAST = "round-001"


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


def rows_of(runs: Mapping[str, Sequence[Path]]) -> list[tuple[str, Difference, str]]:
    """The table: what, its difference, bar."""
    mtl = {c: [read_scores(run, "mtl", c) for run in runs["reset"]] for c in COLUMNS}
    last = {arm: {c: [read_scores(run, LAST, c) for run in own] for c in COLUMNS} for arm, own in runs.items()}
    grounded = set(mtl["faithfulness"][0])
    datasets = json.loads((runs["reset"][0] / "evaluation/mtl.json").read_text())["datasets"]
    seen = {name for name in grounded if datasets[name]["seen"]}
    alike = list(like_length(mtl["token_count"], last["reset"]["token_count"]))
    rows = []
    for column, label in (("faithfulness", "judges"), ("faithfulness_oracle", "oracle")):
        before, after = mtl[column], last["reset"][column]
        for subset, names in (("all", grounded), ("seen", seen), ("unseen", grounded - seen)):
            sides = ([of_datasets(scores, names) for scores in side] for side in (before, after))
            rows.append((f"faithfulness, {label}, {subset} sets", compare(*sides), "≥ +.10, > 0"))
        sides = (list(map(of_examples, side, alike)) for side in (before, after))
        rows.append((f"… pairs of like length, {label}", compare(*sides), "> 0"))
        for arm, name in (("random", "a random candidate"), ("reference", "the references")):
            rows.append((f"faithfulness against {name}, {label}", compare(last[arm][column], after), "≥ +.05, > 0"))
    for column, label, bar in (
        ("task", "task score", "≥ −.02"),
        ("instruction", "instruction following", "low ≥ −.03"),
    ):
        rows.append((label, compare(mtl[column], last["reset"][column]), bar))
    lengths = ([of_datasets(s, grounded) for s in side] for side in (mtl["token_count"], last["reset"]["token_count"]))
    rows.append(("answer length, tokens", compare(*lengths), "reported"))
    return rows


COLUMNS = ("faithfulness", "faithfulness_oracle", "task", "instruction", "token_count")


def main() -> None:
    """Run what is missing and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/effect"), help="folder of the runs")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], help="one run of every arm each")
    arguments = parser.parse_args()
    runs = {arm: [run_arm(arguments.out, seed, arm) for seed in arguments.seeds] for arm in ARMS}
    print(f"commit {commit()}, seeds {arguments.seeds}\n")
    print("| what | before | after | difference [95%] | pairs | bar |\n|---|---|---|---|---|---|")
    for what, found, bar in rows_of(runs):
        change = found.interval
        interval = f"{change.mean:+.3f} [{change.low:+.3f}, {change.high:+.3f}]"
        print(f"| {what} | {found.before:.3f} | {found.after:.3f} | {interval} | {change.n} | {bar} |")


if __name__ == "__main__":
    main()
