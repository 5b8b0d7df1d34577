"""A run directory built by hand: what a small RESET run leaves behind, with realistic numbers and hostile text."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from reset_pl.data.curated import example_to_json
from reset_pl.evaluation.intervals import Interval, bootstrap_interval, macro_interval
from reset_pl.records import Example, Objective

DATASETS = {  # group, seen, number of examples, task score
    "mini_cnn": ("summarization", True, 60, 0.41),
    "mini_marco": ("abstractive_qa", True, 60, 0.55),
    "mini_wikisum": ("summarization", False, 60, 0.33),
    "mini_nq": ("extractive_qa", True, 60, 0.81),
    "mini_searchqa": ("extractive_qa", False, 60, 0.74),
    "mini_bioasq": ("extractive_qa", False, 60, 0.69),
    "mini_alpaca": ("instruction", False, 100, None),
    "mini_vicuna": ("instruction", False, 100, None),
    "mini_koala": ("instruction", False, 100, None),
}
STAGES: dict[str, list[float]] = {  # faithfulness of the first six, instruction following of the last three
    "start": [0.36, 0.44, 0.34, 0.21, 0.28, 0.17, 0.79, 0.76, 0.81],
    "mtl": [0.62, 0.71, 0.58, 0.74, 0.69, 0.66, 0.74, 0.71, 0.76],
    "round-000": [0.76, 0.81, 0.74, 0.86, 0.83, 0.78, 0.73, 0.70, 0.75],
    "round-001": [0.81, 0.85, 0.80, 0.90, 0.88, 0.83, 0.74, 0.70, 0.76],
}
TRAIN_SETS = {"mini_instruct": "instruction", "mini_nq": "qa", "mini_marco": "qa", "mini_cnn": "summary"}
LABELS = [f"temperature={t}" for t in (0.1, 0.3, 0.5, 0.7)] + [f"top_k={k}" for k in (5, 20, 100)]
HOSTILE = (
    "<script>document.title='pwned'</script></textarea><img src=http://planted.invalid/x onerror=alert(1)> "
    "\"quoted\" 'single' & {{ 7*7 }}"
)
PROMPTS_PER_SET = 6


def write_json(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def write_stage(
    run_dir: Path, name: str, *, parquet: bool = True, gain: float = 0.0, seed: int = 0, tokens: int = 31
) -> None:
    """One ``evaluation/<stage>.json`` and its rows; the same examples are hard at every stage and with every seed."""
    generator = np.random.default_rng([len(name), seed] if seed else len(name))
    rows: dict[str, np.ndarray] = {}
    for index, (dataset, level) in enumerate(zip(DATASETS, STAGES[name], strict=True)):
        hard = np.random.default_rng(index).normal(0, 0.18, DATASETS[dataset][2])
        rows[dataset] = np.clip(level + gain + hard + generator.normal(0, 0.05, len(hard)), 0, 1)
    write_json(run_dir / "evaluation" / f"{name}.json", _stage_json(name, rows, tokens))
    if parquet:
        pq.write_table(_stage_table(rows, tokens), run_dir / "evaluation" / f"{name}.parquet")


def _stage_json(name: str, rows: dict[str, np.ndarray], tokens: int) -> dict[str, Any]:
    def entry(dataset: str) -> dict[str, Any]:
        group, seen, n, task = DATASETS[dataset]
        main = bootstrap_interval(rows[dataset], seed=0).to_json()
        faithful = group != "instruction"
        return {
            "group": group,
            "seen": seen,
            "n": n,
            "faithfulness": main if faithful else None,
            "faithfulness_oracle": main if faithful else None,
            "task": {"mean": task, "low": task - 0.05, "high": task + 0.05} if task else None,
            "instruction": None if faithful else main,
            "length": {"mean": float(tokens), "low": tokens - 1.5, "high": tokens + 1.4},
        }

    def macro(keep: Any) -> dict[str, float]:
        chosen = {dataset: rows[dataset] for dataset, entry in DATASETS.items() if keep(*entry[:2])}
        interval: Interval = macro_interval(chosen, seed=0)
        return interval.to_json()

    return {
        "stage": name,
        "step": {"start": 0, "mtl": 400, "round-000": 450}.get(name, 500),
        "policy": "sha256:4f1c9a",
        "commit": "4bfa68d",
        "datasets": {dataset: entry(dataset) for dataset in DATASETS},
        "macro": {
            "faithfulness": macro(lambda group, seen: group != "instruction"),
            "faithfulness_seen": macro(lambda group, seen: group != "instruction" and seen),
            "faithfulness_unseen": macro(lambda group, seen: group != "instruction" and not seen),
            "faithfulness_extractive": macro(lambda group, seen: group == "extractive_qa"),
            "faithfulness_abstractive": macro(lambda group, seen: group in ("abstractive_qa", "summarization")),
            "faithfulness_oracle": macro(lambda group, seen: group != "instruction"),
            "faithfulness_oracle_unseen": macro(lambda group, seen: group != "instruction" and not seen),
            "faithfulness_raw_unseen": macro(lambda group, seen: group != "instruction" and not seen),
            "task": {"mean": 0.59, "low": 0.57, "high": 0.61},
            "instruction": macro(lambda group, seen: group == "instruction"),
        },
    }


def _stage_table(rows: dict[str, np.ndarray], tokens: int) -> pa.Table:
    records = []
    for dataset, values in rows.items():
        faithful = DATASETS[dataset][0] != "instruction"
        for index, value in enumerate(values):
            records.append(
                {
                    "example_id": f"{dataset}/{index}",
                    "dataset": dataset,
                    "text": "an answer",
                    "token_count": tokens,
                    "finish_reason": "stop",
                    "faithfulness": value if faithful else None,
                    "faithfulness_oracle": value if faithful else None,
                    "task": DATASETS[dataset][3],
                    "instruction": None if faithful else value,
                }
            )
    return pa.Table.from_pylist(records)


def write_round(run_dir: Path, number: int, *, status: str = "complete", parquet: bool = True) -> Path:
    """One ``rounds/round-NNN``; seven candidates a prompt and the reference."""
    path = run_dir / "rounds" / f"round-{number:03d}"
    generator = np.random.default_rng(number)
    per_set = {"prompts": 200, "candidates": 1400, "verdicts": 2800, "selected": 180}
    win_rate = {
        dataset: dict(zip(LABELS, generator.dirichlet([6] * len(LABELS)).round(4), strict=True))
        for dataset in TRAIN_SETS
    }
    write_json(path / "manifest.json", {
        "round": number,
        "status": status,
        "policy": "sha256:4f1c9a",
        "judges": [
            {"name": "summac", "version": "mini-1", "aspect": "faithfulness"},
            {"name": "verifiable", "version": "1", "aspect": "instruction"},
        ],
        "weights": {"task": 1.0, "instruction": 2.0, "faithfulness": 2.0},
        "counts": {key: value * len(TRAIN_SETS) for key, value in per_set.items()},
        "counts_per_dataset": dict.fromkeys(TRAIN_SETS, per_set),
        "rates": {"tie": 0.18, "duplicate": 0.12, "failed": 0.004, "abstained": 0.0},
        "rates_per_dataset": {
            dataset: {
                "tie": round(float(generator.uniform(0.05, 0.4)), 3),
                "duplicate": 0.118,
                "all_equal": 0.021,
                "truncated": 0.063,
                "failed": 0.004,
                "abstained": 0.0,
            }
            for dataset in TRAIN_SETS
        },
        "mean_score": {"best": 2.31, "random": 1.72, "gold": 1.93},
        "mean_score_per_dataset": {key: {"best": 2.4, "random": 1.6, "gold": None} for key in TRAIN_SETS},
        "win_rate": win_rate,
        "seconds": {"start": 0.0, "sample": 31.2, "judge": 17.8, "select": 0.3, "tune": 22.5, "other": 1.4},
        "left_out": {"all_truncated": 51, "judges_failed": 29},
    })  # fmt: skip
    if parquet:
        _write_round_tables(path, number, generator)
    return path


def _write_round_tables(path: Path, number: int, generator: np.random.Generator) -> None:
    prompts, candidates, verdicts, selected = [], [], [], []
    for dataset, kind in TRAIN_SETS.items():
        aspect = "instruction" if kind == "instruction" else "faithfulness"
        for prompt in range(PROMPTS_PER_SET):
            example_id = f"{dataset}/{prompt:04d}"
            prompts.append(_prompt_row(example_id, dataset, kind))
            scored = []
            for index, label in enumerate(LABELS):
                candidate_id = f"{number}/{example_id}/temperature/{index}"
                text = _text(prompt, index)
                score = float(np.round(generator.uniform(0.2, 1.0), 3))
                candidates.append(_candidate_row(candidate_id, example_id, dataset, label, text))
                verdicts.append(_verdict_row(candidate_id, "summac", aspect, score))
                verdicts.append(_verdict_row(candidate_id, "rouge", "task", 0.5 if kind != "instruction" else None))
                scored.append((score, candidate_id, text))
            reference = f"{number}/{example_id}/reference/0"
            candidates.append(_candidate_row(reference, example_id, dataset, "reference", "It was Ilda Renn."))
            verdicts.append(_verdict_row(reference, "summac", aspect, 0.05))
            score, candidate_id, text = max(scored)
            selected.append({
                "example_id": example_id, "candidate_id": candidate_id, "dataset": dataset, "text": text,
                "score": 0.5 + 2 * score, "task": 0.5, "instruction": None, "faithfulness": score, "reason": "best",
            })  # fmt: skip
    for name, rows in {
        "prompts": prompts,
        "candidates": candidates,
        "verdicts": verdicts,
        "selected": selected,
    }.items():
        pq.write_table(pa.Table.from_pylist(rows), path / f"{name}.parquet")


def _text(prompt: int, index: int) -> str:
    if prompt == 0:
        return f"{HOSTILE} {index}"
    place = ("Velmora", "Tarsin", "Oskelle", "Bramwick")[index % 4]
    return (
        f"The observatory of {place} was founded in 18{index}{prompt} by the astronomer Ilda Renn. It stands on a hill "
        "above the river and was the first of its kind in the province."
    )


def _prompt_row(example_id: str, dataset: str, kind: str) -> dict[str, Any]:
    objective = {"qa": Objective.ABSTRACTIVE_QA, "summary": Objective.SUMMARIZATION}.get(kind, Objective.INSTRUCTION)
    example = Example(
        id=example_id,
        dataset=dataset,
        objective=objective,
        instruction="Answer the question with well-formed sentences." if kind == "qa" else "Write about the sea.",
        question="Who founded the observatory?" if kind == "qa" else None,
        passages=("The observatory was founded by Ilda Renn.", HOSTILE) if kind != "instruction" else (),
    )
    return {"example_id": example_id, "dataset": dataset, "example": example_to_json(example)}


def _candidate_row(candidate_id: str, example_id: str, dataset: str, label: str, text: str) -> dict[str, Any]:
    procedure = label.partition("=")[0]
    return {
        "candidate_id": candidate_id, "example_id": example_id, "dataset": dataset, "procedure": procedure,
        "round": int(candidate_id.partition("/")[0]), "decoding": label, "temperature": 0.3, "top_k": 0, "top_p": 1.0,
        "max_new_tokens": 480, "seed": 7, "text": text, "token_count": 20, "finish_reason": "stop",
    }  # fmt: skip


def _verdict_row(candidate_id: str, judge: str, aspect: str, score: float | None) -> dict[str, Any]:
    return {
        "candidate_id": candidate_id, "judge": judge, "version": "1", "aspect": aspect,
        "status": "abstained" if score is None else "scored", "score": score, "raw": score, "detail": "", "cost": 0.0,
    }  # fmt: skip


def build_run(run_dir: Path) -> Path:
    """The whole run directory."""
    for name in STAGES:
        write_stage(run_dir, name)
    for number in (0, 1):
        write_round(run_dir, number)
    (run_dir / "config.yaml").write_text("seed_everything: 7\nmodel:\n  class_path: ContinuedTuning\n  # <b>bold</b>\n")
    write_json(run_dir / "environment.json", {
        "command": "python -m reset_pl fit --config configs/mini/reset.yaml",
        "commit": "4bfa68d", "seed": 7, "host": "laptop", "versions": {"torch": "2.9.0", "lightning": "2.6.1"},
    })  # fmt: skip
    return run_dir
