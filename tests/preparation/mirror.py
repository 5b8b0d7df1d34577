"""A local mirror of the paper's thirteen sets: made-up rows in the true schemas, under the true names of files."""

from __future__ import annotations

import gzip
import json
import zipfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

Row = dict[str, Any]

SHARED_INSTRUCTION = "Name three rivers of the Low Country."
"""Stands in Dolly, with a full stop more in OASST-1, in Alpaca and in Vicuna-eval."""
SHARED_QUESTION = "who built bridge number 3"
"""Stands in NQ's training and test files."""


def write_mirror(folder: Path, rows: int = 24) -> None:
    """All files that ``configs/data/paper.yaml`` reads, with about ``rows`` rows each."""
    _jsonl(folder / "databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl", _dolly(rows))
    _parquet(folder / "OpenAssistant/oasst1/data/train-00000-of-00001-b42a775f407cee45.parquet", _oasst(rows))
    _jsonl(
        folder / "yizhongw/self-instruct/data/gpt3_generations/batch_221203/all_instances_82K.jsonl",
        [{"instruction": f"Invent game {n}.", "input": "", "output": f"Throw {n} stones."} for n in range(rows)],
    )
    _json(
        folder / "LLMs/Alpaca-ShareGPT/alpaca_sharedgpt_data.json",
        [
            {"instruction": f"Tell me about hill {n}", "input": "", "output": f"Hill {n} " + "is rather green " * 4}
            for n in range(rows)
        ],
    )
    for split, first in (("train", 0), ("dev", 1000), ("test", 2000)):
        path = folder / f"dpr/nq-{split}.json.gz"
        path.parent.mkdir(parents=True, exist_ok=True)
        with gzip.open(path, "wt", encoding="utf-8") as file:
            json.dump(_nq(range(first, first + rows), shared=split == "test"), file)
    for split, first in (("train", 0), ("validation", 1000), ("test", 2000)):
        numbers = range(first, first + rows)
        _parquet(folder / f"abisee/cnn_dailymail/3.0.0/{split}-00000-of-00001.parquet", _cnn(numbers))
    for split, first in (("train", 0), ("validation", 1000)):
        numbers = range(first, first + rows)
        _parquet(folder / f"microsoft/ms_marco/v2.1/{split}-00000-of-00001.parquet", _marco(numbers))
    _parquet(folder / "d0rj/wikisum/data/test-00000-of-00001.parquet", _wikisum(rows))
    _parquet(folder / "lucadiliello/bioasqqa/data/test-00000-of-00001.parquet", _bioasq(rows))
    _searchqa(folder / "kyunghyuncho/search_qa/data/train_test_val/test.zip", rows)
    _parquet(folder / "tatsu-lab/alpaca/data/train-00000-of-00001-a09b74b3ef9c3b56.parquet", _alpaca(rows))
    _jsonl(
        folder / "lm-sys/FastChat/fastchat/llm_judge/data/vicuna_bench/question.jsonl",
        [
            {
                "question_id": n,
                "category": "generic",
                "turns": [SHARED_INSTRUCTION if n == 1 else f"Why walk {n} miles?"],
            }
            for n in range(1, rows + 1)
        ],
    )
    _jsonl(
        folder / "arnav-gudibande/koala-test-set/koala_test_set.jsonl",
        [{"id": f"koala_{n}", "prompt": f"Plan a garden of {n} beds"} for n in range(rows)],
    )


def _dolly(rows: int) -> Iterable[Row]:
    yield {"instruction": SHARED_INSTRUCTION, "context": "", "response": "Elm, Oak, Ash.", "category": "open_qa"}
    yield {"instruction": "Sum it up.", "context": "A long text.", "response": "Long.", "category": "summarization"}
    for n in range(rows):
        yield {
            "instruction": f"Give use {n} of salt.",
            "context": "",
            "response": f"Use {n}.",
            "category": "brainstorming",
        }


def _oasst(rows: int) -> Iterable[Row]:
    for n in range(rows):
        prompt = SHARED_INSTRUCTION.rstrip(".") if n == 0 else f"How does wheel {n} turn?"
        common = {
            "user_id": "u",
            "created_date": "2023-02-05",
            "lang": "en",
            "review_count": 3,
            "review_result": True,
            "deleted": False,
            "synthetic": False,
            "model_name": None,
            "message_tree_id": f"p{n}",
            "tree_state": "ready_for_export",
        }
        labels = {"name": ["spam", "quality"], "value": [0.0, 0.25 if n % 6 == 5 else 0.75], "count": [3, 3]}
        asked = {"message_id": f"p{n}", "parent_id": None, "text": prompt, "role": "prompter", "rank": None}
        reply = {"message_id": f"a{n}", "parent_id": f"p{n}", "text": f"{n} times.", "role": "assistant", "rank": 0}
        for message in (asked, reply):
            yield {**message, **common, "labels": labels}


def _nq(numbers: range, *, shared: bool) -> list[Row]:
    rows = []
    for n in numbers:
        question = SHARED_QUESTION if shared and n == numbers.start else f"who built bridge number {n}"
        texts = [f"Bridge {n} was built by Ann {n} Stone in a dry summer."] + [f"Road {n} {k}." for k in range(7)]
        if n % 8 == 7:
            texts[0] = "Nothing is known."
        ctxs = [
            {"id": str(k), "title": "Bridges", "text": text, "score": str(80 - k), "has_answer": k == 0 and n % 8 != 7}
            for k, text in enumerate(texts)
        ]
        rows.append({"question": question, "answers": [f"Ann {n} Stone"], "ctxs": ctxs})
    return rows


def _cnn(numbers: range) -> Iterable[Row]:
    for n in numbers:
        article = " ".join(f"Report {n} says that item {n * k} was sold at noon." for k in range(1, 9))
        yield {"article": article, "highlights": f"Item {n} sold .\nAt noon .", "id": f"{n:040x}"}


def _marco(numbers: range) -> Iterable[Row]:
    for n in numbers:
        passages = {
            "is_selected": [0, 1, *[0] * 8],
            "passage_text": [f"Text {n} {k} on tax." for k in range(10)],
            "url": ["http://example.org"] * 10,
        }
        yield {
            "answers": [f"tax {n}"],
            "passages": passages,
            "query": f"what is tax {n}",
            "query_id": n,
            "query_type": "DESCRIPTION",
            "wellFormedAnswers": [] if n % 3 == 2 else [f"It is tax number {n}."],
        }


def _wikisum(rows: int) -> Iterable[Row]:
    for n in range(rows):
        yield {
            "url": f"https://www.wikihow.com/Knot-{n}",
            "title": f"How to Tie Knot {n}",
            "summary": f"To tie knot {n}, make a loop.",
            "article": f"Take {n} ropes. Make a loop. Pull.",
            "step_headers": "Make a loop.",
        }


def _bioasq(rows: int) -> Iterable[Row]:
    for n in range(rows):
        context = f"Gene G{n} is linked to syndrome S{n} in mice."
        start = context.index(f"S{n}")
        yield {
            "context": context,
            "question": f"Which syndrome is gene G{n} linked to?",
            "answers": [f"S{n}"],
            "key": f"key{n}",
            "labels": [{"start": [start], "end": [start + 1]}],
        }


def _searchqa(path: Path, rows: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for n in range(rows):
            results = [
                {
                    "title": f"Page {k}",
                    "snippet": f"The town of Lake{n} lies {k} miles off.",
                    "url": "u",
                    "related_links": None,
                }
                for k in range(6)
            ]
            row = {
                "category": "TOWNS",
                "air_date": "2004-12-31",
                "question": f"'It lies by water {n}'",
                "value": "$200",
                "answer": f"Lake{n}",
                "round": "Jeopardy!",
                "show_number": "4680",
                "search_results": results,
            }
            archive.writestr(f"test/{n:06}.json", json.dumps(row))


def _alpaca(rows: int) -> Iterable[Row]:
    yield {"instruction": SHARED_INSTRUCTION, "input": "", "output": "Elm.", "text": "…"}
    for n in range(rows):
        given = "Some text." if n % 3 == 2 else ""
        yield {"instruction": f"Write line {n // 2} of a song.", "input": given, "output": f"La {n}.", "text": "…"}


def _json(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(list(rows)))


def _jsonl(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def _parquet(path: Path, rows: Iterable[Row]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
