"""The report is one static page that escapes what it shows, and a table for the terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from reset_pl.data.sets import Dolly
from reset_pl.preparation.overlap import find_overlaps
from reset_pl.preparation.report import Findings, table_of, write_report
from reset_pl.preparation.sets import PreparedSet
from reset_pl.preparation.workers import Workers
from tests.conftest import make_example

HOSTILE = "<script>alert('1')</script>"
VOID = {"meta", "link", "br", "img", "source"}


class Page(HTMLParser):
    """Elements that are left open, attributes and text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def findings(prepared: Callable[..., PreparedSet], tmp_path: Path) -> Findings:
    train = prepared("train", "qa", [make_example(n, question=f"{HOSTILE} {n}") for n in range(3)], [])
    train.plan.sources[1] = Dolly()
    train.parts[1].dropped["has_context"] = 1200
    train.duplicates = 7
    test = prepared("test", "qa", [make_example(n, question=f"{HOSTILE} {n}?") for n in range(2, 5)])
    overlaps = find_overlaps([train], [test], Workers(1), tmp_path)
    test.remove(overlaps[0].exact, "overlap_exact")
    return Findings(
        sets=[train, test],
        overlaps=overlaps,
        notes=[f"look at {HOSTILE}"],
        lengths={own.title: {"prompt": [1, 2, 3], "response": []} for own in (train, test)},
        unit="words",
        tokenizer=None,
        limit=None,
        seconds=1.234,
    )


def test_the_page_is_static_whole_and_escaped(findings: Findings, tmp_path: Path) -> None:
    write_report(findings, tmp_path)
    html = (tmp_path / "report.html").read_text()
    page = Page(html)
    assert page.open == []
    assert not {"script", "iframe", "object", "form"} & {tag for tag, _ in page.tags}
    for _, attributes in page.tags:
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("href", "src", "srcset"):
                assert (value or "").startswith(("#", "data:"))
    policy = next(own["content"] for tag, own in page.tags if own.get("http-equiv") == "Content-Security-Policy")
    assert (policy or "").startswith("default-src 'none'; style-src 'unsafe-inline'; img-src data:;")
    assert f"look at {HOSTILE}" in page.text
    assert f"{HOSTILE} 2?" in page.text
    assert "CC BY-SA 3.0" in page.text
    assert "1,200" in page.text
    assert re.search(r"width=device-width", html)
    [light] = [own["src"] or "" for tag, own in page.tags if tag == "img"]
    [dark] = [own["srcset"] or "" for tag, own in page.tags if tag == "source"]
    assert light.startswith("data:image/svg+xml;base64,")
    assert len(light) == len(dark)
    assert light != dark


def test_the_json_says_it_all_by_source(findings: Findings, tmp_path: Path) -> None:
    report = write_report(findings, tmp_path)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    train, test = report["sets"]
    dolly: dict[str, Any] = train["sources"][1]
    assert dolly["dropped"] == {"has_context": 1200}
    assert (dolly["licence"], dolly["kept"]) == ("CC BY-SA 3.0", 0)
    assert train["sources"][0]["licence"] is None
    assert train["lengths"] == {"prompt": [2, 3, 3], "response": None}
    assert test["sources"][0]["dropped"] == {"overlap_exact": 1}
    assert (report["seconds"], report["lengths"]["unit"]) == (1.2, "words")


def test_the_table_of_the_terminal(findings: Findings, tmp_path: Path) -> None:
    lines = table_of(write_report(findings, tmp_path)).splitlines()
    assert [line.split() for line in lines[:5]] == [
        ["set", "source", "read", "kept", "dropped,", "by", "reason"],
        ["train/qa", "source0", "3", "3", "(7", "duplicates", "kept)"],
        ["dolly", "0", "0", "has_context", "1,200"],
        ["all", "3", "3"],
        ["test/qa", "source0", "3", "2", "overlap_exact", "1"],
    ]
    assert lines[5].startswith(
        "overlap: test/qa with train/qa: 1 exact, 0 by 13-grams, removed from test/qa; e.g. qa/2"
    )
    assert lines[6] == f"note: look at {HOSTILE}"
