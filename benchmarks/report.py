"""The report of a run at the paper's scale: 8,000 prompts of 2,000 characters, 14 answers of 200 to each.

    python benchmarks/report.py [--prompts 8000] [--out DIRECTORY]

The texts are random prose: words of a vocabulary of 20,000 by Zipf's law, two answers in five with a sentence copied
out of the passage, so that nothing compresses better than it should. Prints what writing the page takes, how large it
is, and what headless Chromium takes to open it, to filter and to search it. Bars: 25 MB, 3 s, 500 MB.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

sys.path.insert(0, str(Path(__file__).parent.parent))

from reset_pl.data.curated import example_to_json
from reset_pl.metrics.summac import split_chunks
from reset_pl.records import Example, Objective
from reset_pl.report.report import write_report
from tests.report.chromium import Browser, chromium

SETS = {
    "cnn_dm": Objective.SUMMARIZATION,
    "ms_marco": Objective.ABSTRACTIVE_QA,
    "nq": Objective.EXTRACTIVE_QA,
    "alpaca": Objective.INSTRUCTION,
}
LABELS = [f"temperature={t}" for t in (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)] + [
    f"top_k={k}" for k in (5, 10, 20, 40, 60, 80, 100)
]
TASK_JUDGES = {"cnn_dm": "rouge_l", "ms_marco": "rouge_l", "nq": "exact_match"}
OBJECTIVE_JUDGES = {"cnn_dm": "summac_zs", "ms_marco": "summac_zs", "nq": "span_coverage", "alpaca": "verifiable"}
PROMPT, ANSWER = 2000, 200
OPENINGS = 5


class Prose:
    """Random prose of a fixed seed."""

    def __init__(self, words: int = 20_000) -> None:
        self.random = np.random.default_rng(0)
        letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
        odds = np.array(
            [127, 91, 82, 75, 70, 67, 63, 61, 60, 43, 40, 28, 28, 24, 24, 22, 20, 20, 19, 15, 10, 8, 2, 2, 1, 1]
        )
        lengths = np.clip(self.random.normal(3 + np.log1p(np.arange(words)) / 1.7, 1.5), 2, 14).astype(int)
        self.words = np.array(["".join(self.random.choice(letters, n, p=odds / odds.sum())) for n in lengths])
        zipf = 1 / np.arange(1, words + 1)
        self.zipf = zipf / zipf.sum()

    def text(self, characters: int) -> str:
        """Sentences of 8 to 20 words, about so many characters in all."""
        drawn = self.words[self.random.choice(len(self.words), characters // 4, p=self.zipf)].tolist()
        sentences, length = [], 0
        while length < characters - 30:
            size = int(self.random.integers(8, 20))
            sentence = " ".join(drawn[:size]).capitalize()[: characters - length].strip() + "."
            drawn = drawn[size:]
            sentences.append(sentence)
            length += len(sentence) + 1
        return " ".join(sentences)


def write_run(run: Path, prompts: int) -> None:
    """One finished round."""
    prose, folder = Prose(), run / "rounds" / "round-000"
    folder.mkdir(parents=True)
    tables: dict[str, list[dict[str, object]]] = {
        name: [] for name in ("prompts", "candidates", "verdicts", "selected")
    }
    for number in range(prompts):
        dataset = list(SETS)[number % len(SETS)]
        _write_prompt(prose, tables, f"{dataset}/train-{number}", dataset)
    for name, rows in tables.items():
        pq.write_table(pa.Table.from_pylist(rows), folder / f"{name}.parquet", compression="zstd")
    judges = [{"name": name} for name in {*TASK_JUDGES.values(), *OBJECTIVE_JUDGES.values()}]
    counts = {"prompts": prompts, "candidates": prompts * len(LABELS)}
    manifest = {"round": 0, "status": "complete", "judges": judges, "counts": counts}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    (run / "config.yaml").write_text("seed_everything: 0\n")


def _write_prompt(prose: Prose, tables: dict[str, list[dict[str, object]]], key: str, dataset: str) -> None:
    objective = SETS[dataset]
    grounded = objective is not Objective.INSTRUCTION
    passage = prose.text(PROMPT - (60 if grounded else 0))
    example = Example(
        id=key, dataset=dataset, objective=objective, response=prose.text(ANSWER),
        instruction="Answer the question from the passages." if grounded else passage,
        question=prose.text(60) if objective.is_question else None, passages=(passage,) if grounded else (),
    )  # fmt: skip
    tables["prompts"].append({"example_id": key, "dataset": dataset, "example": example_to_json(example)})
    best = (-1.0, "", "")
    for index, label in enumerate(("reference", *LABELS)):
        procedure = label.partition("=")[0]
        candidate = f"0/{key}/{procedure}/{max(index - 1, 0)}"
        text = _answer(prose, passage) if index else str(example.response)
        tables["candidates"].append(
            {
                "candidate_id": candidate, "example_id": key, "dataset": dataset, "round": 0, "procedure": procedure,
                "decoding": label, "temperature": 0.5, "top_k": 0, "top_p": 1.0, "max_new_tokens": 480,
                "seed": int(prose.random.integers(1 << 62)), "text": text, "token_ids": [0], "token_count": 1,
                "finish_reason": "stop",
            }
        )  # fmt: skip
        scores = _verdicts(prose, tables["verdicts"], candidate, dataset, text, len(split_chunks(passage, "sentence")))
        total = scores[0] * 2 + (scores[1] if len(scores) > 1 else 0)
        if index and total > best[0]:
            best = (total, candidate, text)
    tables["selected"].append(
        {"example_id": key, "candidate_id": best[1], "dataset": dataset, "text": best[2], "score": best[0],
         "reason": "best", "rank": 0}
    )  # fmt: skip


def _answer(prose: Prose, passage: str) -> str:
    if prose.random.random() < 0.6:
        return prose.text(ANSWER)
    sentences = split_chunks(passage, "sentence")
    copied = sentences[int(prose.random.integers(len(sentences)))][:ANSWER]
    return f"{copied} {prose.text(max(ANSWER - len(copied), 40))}"


def _verdicts(
    prose: Prose, rows: list[dict[str, object]], candidate: str, dataset: str, text: str, sentences: int
) -> list[float]:
    """The rows of a candidate's judges; their scores."""
    scores = prose.random.random(2 if dataset in TASK_JUDGES else 1).round(6).tolist()
    main, detail = OBJECTIVE_JUDGES[dataset], ""
    if main == "summac_zs":
        chunks = enumerate(split_chunks(text, "sentence"), 1)
        detail = "; ".join(
            f"s{number} d{prose.random.integers(1, sentences + 1)} .{prose.random.integers(10, 100)}"
            + (f" d{prose.random.integers(1, sentences + 1)} -.{prose.random.integers(10, 100)}" if number % 2 else "")
            for number, _ in chunks
        )
    elif main == "span_coverage" and scores[0] > 0.5:
        start = int(prose.random.integers(PROMPT // 2))
        detail = f"p1 {start}-{start + 40}"
    judges = [(main, "instruction" if main == "verifiable" else "faithfulness", detail)]
    judges += [(TASK_JUDGES[dataset], "task", "")] if dataset in TASK_JUDGES else []
    for (judge, aspect, words), score in zip(judges, scores, strict=True):
        rows.append(
            {"candidate_id": candidate, "judge": judge, "version": "1", "aspect": aspect, "status": "scored",
             "score": score, "raw": score, "detail": words, "cost": 0.0, "model": ""}
        )  # fmt: skip
    return scores


def _memory(root: int) -> tuple[float, float]:
    """MB of all the browser's processes (proportional, PSS), and the largest renderer's alone (RSS)."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:
            continue
    family = {root}
    while more := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= more
    total, renderer = 0.0, 0.0
    for pid in family:
        try:
            fields = dict(line.split(":") for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
            command = Path(f"/proc/{pid}/cmdline").read_text()
        except OSError:
            continue
        total += int(fields["Pss"].split()[0]) / 1000
        if "--type=renderer" in command:
            renderer = max(renderer, int(fields["Rss"].split()[0]) / 1000)
    return total, renderer


def open_once(page: Path) -> dict[str, float]:
    """What a fresh browser takes."""
    with tempfile.TemporaryDirectory() as profile, chromium(Path(profile)) as browser:
        browser.send("Performance.enable")
        blank = _memory(browser.process.pid)[0]
        start = time.monotonic()
        browser.open(page.as_uri())
        loaded = time.monotonic() - start
        browser.wait("document.querySelectorAll('.view .prompt .answer').length > 0")
        shown = time.monotonic() - start
        total, renderer = _memory(browser.process.pid)
        metrics = {entry["name"]: entry["value"] for entry in browser.send("Performance.getMetrics")["metrics"]}
        found = {
            "load event, s": loaded, "list and first prompt shown, s": shown,
            "all processes above an empty page (PSS), MB": total - blank, "renderer (RSS), MB": renderer,
            "JS heap, MB": metrics["JSHeapUsedSize"] / 1e6,
        }  # fmt: skip
        found |= _use(browser)
        total, renderer = _memory(browser.process.pid)
        assert not browser.complaints, browser.complaints
        assert not browser.requests, browser.requests
        return found | {
            "after use: memory above an empty page, MB": total - blank,
            "after use: renderer's RSS, MB": renderer,
        }


def _use(browser: Browser) -> dict[str, float]:
    """Milliseconds of a filter and of the next prompt, seconds of a search through all texts."""
    filtered = browser.run(
        "(() => { const start = performance.now(); const node = document.querySelector('[name=least]');"
        "node.value = '2'; node.dispatchEvent(new Event('input', {bubbles: true}));"
        "return performance.now() - start })()"
    )
    browser.run("document.querySelector('.clear').click()")
    start = time.monotonic()
    browser.run("document.querySelector('.next').click()")
    browser.wait(
        "document.querySelector('.place').textContent.startsWith('2 of') && !!document.querySelector('.view .answer')"
    )
    stepped = 1000 * (time.monotonic() - start)
    browser.run("document.querySelector('[name=text]').focus()")
    start = time.monotonic()
    browser.type("no such words in it")
    browser.wait("document.querySelector('.side [role=status]').textContent.startsWith('0 of') && "
                 "!document.querySelector('.side [role=status]').textContent.includes('…')", 120)  # fmt: skip
    searched = time.monotonic() - start
    return {"a filter, ms": filtered, "the next prompt, ms": stepped, "a search of all texts, s": searched}


def main() -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--prompts", type=int, default=8000)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        run = options.out or Path(scratch) / "run"
        if not (run / "rounds").exists():
            write_run(run, options.prompts)
        start = time.monotonic()
        page = write_report(run)
        seconds = time.monotonic() - start
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True).stdout.strip()
        print(f"commit {commit}, {options.prompts:,} prompts × {len(LABELS)} candidates")
        print(f"written in {seconds:.1f} s: {page.stat().st_size / 1e6:.2f} MB (bar 25)")
        runs = [open_once(page) for _ in range(OPENINGS)]
        for name in runs[0]:
            values = [entry[name] for entry in runs]
            print(f"{name}: {statistics.median(values):.2f} (of {OPENINGS}: {min(values):.2f} to {max(values):.2f})")


if __name__ == "__main__":
    main()
