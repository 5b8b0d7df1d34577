"""The command: a configuration in, lines or a page out; other people's text does no harm."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml

from reset_pl.__main__ import main
from reset_pl.data.prompts import TASK_INSTRUCTIONS
from reset_pl.preview.command import run_preview
from reset_pl.records import Objective

ROOT = Path(__file__).parents[2]
HOSTILE = "</pre><script>alert(1)</script>\x1b[31m\u202e"

ROWS = [
    {"id": "q1", "objective": "extractive_qa", "question": "Who?", "passages": ["Ada did."], "references": ["Ada"]},
    {"id": "q2", "objective": "extractive_qa", "question": HOSTILE, "passages": ["Ada did."], "response": HOSTILE},
    {"id": f"q3{HOSTILE}", "objective": "extractive_qa", "question": "When?", "passages": ["Ada did."]},
]


@pytest.fixture
def config(tmp_path: Path, tiny_model: Path) -> list[str]:
    """The arguments that name a configuration of one set; its model has no weights to load."""
    model = tmp_path / "no-weights"
    model.mkdir()
    for path in tiny_model.glob("*.json"):
        (model / path.name).write_bytes(path.read_bytes())
    data = tmp_path / "own.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    settings = {
        "model": {"class_path": "SFT", "init_args": {"model": str(model)}},
        "data": {"train": [{"class_path": "JsonlSource", "init_args": {"path": str(data)}}]},
    }
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(settings))
    return ["--config", str(path)]


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert run_preview(arguments) == 0
    return capsys.readouterr().out


def test_rows_are_printed_with_their_target_marked(config: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, *config, "--rows", "1")
    assert "own: 3 examples" in out
    assert "own/q1 · extractive_qa · alpaca" in out
    assert "response 4 tokens" in out
    assert "### Response:↵\n⟦Ada«</s>»⟧" in out
    assert "own/q2" not in out
    assert "\x1b" not in out
    assert "warning" not in out


def test_no_text_of_the_data_drives_the_terminal(config: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, *config, "--rows", "9")
    assert "own/q3" in out
    assert not set("\x1b\u202e") & set(out)
    assert r"⟦</pre><script>alert(1)</script>\x1b[31m\u202e" in out


def test_colour_on_a_terminal_unless_it_is_not_wanted(
    config: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    out = shown(capsys, *config, "--rows", "1")
    assert "\x1b[1;4;32mAda\x1b[0m\x1b[1;4;32;7m</s>\x1b[0m" in out
    assert all(line.count("\x1b[0m") == line.count("\x1b[") / 2 for line in out.splitlines()), "no style crosses a line"
    plain = re.sub(r"\x1b\[[\d;]*m", "", out)
    monkeypatch.setenv("NO_COLOR", "1")
    marked = shown(capsys, *config, "--rows", "1")
    assert "\x1b" not in marked
    assert plain.splitlines()[1:] == re.sub("[⟦⟧«»]", "", marked).splitlines()[1:], "the same text but for the legend"


def test_templates_side_by_side_and_overrides(config: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    out = shown(capsys, *config, "--rows", "1", "--templates", "all")
    templates = re.findall(r"own/q1 · extractive_qa · (\w+)", out)
    assert templates == ["alpaca", "alpaca_no_input", "vicuna"], "no chat template, no chat"
    assert "· vicuna" in shown(capsys, *config, "--rows", "1", "--data.template", "vicuna")


def test_the_lint_speaks_last(config: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    data = tmp_path / "bare.jsonl"
    data.write_text("".join(json.dumps(row | {"instruction": "Answer.\x1b[31m"}) + "\n" for row in ROWS))
    last = shown(capsys, *config, "--data.train.path", str(data)).splitlines()[-1]
    assert last.startswith("warning: bare: the instructions of 3 of 3 extractive_qa rows")
    assert TASK_INSTRUCTIONS[Objective.EXTRACTIVE_QA] in last
    assert "\x1b" not in last


class Page(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: list[tuple[str, str | None]] = []
        self.marked: list[str] = []
        self._open: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes += attrs
        if tag not in ("meta", "link"):
            self._open.append(tag)
        if tag == "mark":
            self.marked.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "mark" in self._open:
            self.marked[-1] += data


def test_the_page_is_static_escaped_and_marks_the_target(
    config: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path = tmp_path / "preview.html"
    assert shown(capsys, *config, "--rows", "9", "--html", str(path)) == f"preview: {path}\n"
    html = path.read_text(encoding="utf-8")
    page = Page(html)
    assert not page.tags & {"script", "img", "iframe", "object", "form"}
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert all((value or "").startswith(("#", "data:")) for name, value in page.attributes if name in ("href", "src"))
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in html
    assert "\u202e" not in html
    legend, q1, q2 = page.marked
    assert "loss" in legend
    assert q1 == "Ada</s>"
    assert q2.startswith(r"</pre><script>alert(1)</script>\x1b[31m")
    assert "no target" in html


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--rows", "0"], "expected at least 1 row, but got '0'"),
        (["--split", "dev"], "argument --split: invalid choice: 'dev'"),
        (["--split", "test"], "expected at least one data set in data.test"),
        (["--templates", "alpaca"], "--templates"),
        (["--data.max_lenght", "9"], "max_lenght"),
        (["--data.template", "chat"], "expected a tokenizer with a chat template"),
        (["--data.train.path", "absent.jsonl"], "expected a JSONL file at absent.jsonl"),
        (["--html", "absent/page.html"], "expected to write a page to --html absent/page.html"),
    ],
)
def test_bad_input_is_one_line_and_status_2(
    arguments: list[str], expected: str, config: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["preview", *config, *arguments]) == 2
    error = capsys.readouterr().err.strip()
    assert error.startswith("error: ")
    assert expected in error


@pytest.mark.integration
def test_a_reader_that_goes_away_is_no_error() -> None:
    command = [sys.executable, "-m", "reset_pl", "preview", "--config", "configs/mini/reset.yaml", "--rows", "500"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert "target" in process.stdout.readline()
        process.stdout.close()
        assert "Traceback" not in process.stderr.read()
        assert "BrokenPipe" not in process.stderr.read()
    assert process.returncode == 0
