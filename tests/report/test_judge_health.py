import json
from pathlib import Path

from reset_pl.evaluation.health.health import judge_health
from reset_pl.report.judge_health import REPORT, page_of, section_of_run
from reset_pl.report.report import write_report
from tests.evaluation.health.ledgers import place, verdict, words, write_round
from tests.report.test_report import Page
from tests.synthetic_run import HOSTILE

JUDGES = {
    "rule": ("instruction", lambda c: words(c) / 10),
    "model": ("instruction", lambda c: verdict(words(c) / 20, model="gpt-x", cost=0.5)),
}


def text_of(html: str) -> str:
    page = Page(html)
    assert page.open == []
    return " ".join(" ".join(page.text).split())


def test_the_page_says_all_of_it(tmp_path: Path) -> None:
    paths = [write_round(tmp_path, JUDGES, number=number, prompts=30) for number in (0, 1)]
    text = text_of(page_of(judge_health(paths)))
    for words_ in (
        "What they said in round-000 and round-001",
        "model scores the longer answers to a prompt higher",
        "Do the judges of instruction agree?",
        "The same answer, judged twice",
        "Does a judge drift?",
        "gpt-x",
        "$120.00",
    ):
        assert words_ in text, words_


def test_every_picture_is_described_and_no_identity_stands_twice(tmp_path: Path) -> None:
    page = Page(page_of(judge_health([write_round(tmp_path, JUDGES, prompts=30)])))
    assert len(page.all("svg")) == len(page.all("desc")) == 2 * len(JUDGES)
    identities = [attributes["id"] for _, attributes in page.tags if attributes.get("id")]
    assert len(set(identities)) == len(identities)
    order = [tag for tag, _ in page.tags if tag in ("table", "caption")]
    assert order == ["table", "caption"] * (len(order) // 2)


def test_names_are_untrusted(tmp_path: Path) -> None:
    judges = {
        HOSTILE: JUDGES["model"],
        "other": ("instruction", lambda c: verdict(0.5, model=HOSTILE, version=HOSTILE)),
    }
    path = write_round(tmp_path, judges, prompts=30, datasets=(HOSTILE,))
    page = Page(page_of(judge_health([path])))
    assert page.open == []
    assert not {"script", "img"} & {tag for tag, _ in page.tags}
    assert any(HOSTILE in text for text in page.text)


def test_the_report_of_a_run_has_the_section_with_the_latest_retest(tmp_path: Path) -> None:
    write_round(tmp_path, JUDGES)
    text = text_of(write_report(tmp_path).read_text())
    assert "Selection is as good as its judges" in text
    assert "retest" not in text
    report = judge_health([tmp_path / "rounds" / "round-000"])
    retest = {"n": 5, "identical": 0.5, "mean_absolute": 0.01, "sd": 0.02, "correlation": 0.9, "status_changed": 0}
    report["judges"]["rule"]["retest"] = retest
    (tmp_path / REPORT).write_text(json.dumps(report))
    assert "rule retest 5 50% .01 .02 .90" in text_of(write_report(tmp_path).read_text())


def test_a_report_that_cannot_be_read_is_no_retest(tmp_path: Path) -> None:
    write_round(tmp_path, JUDGES)
    for content in ("{", "[]", '{"judges": {"rule": 3}}', '{"judges": null}'):
        (tmp_path / REPORT).write_text(content)
        assert "Selection is as good as its judges" in text_of(write_report(tmp_path).read_text())


def test_a_round_that_cannot_be_read_is_a_note_and_one_that_runs_no_section(tmp_path: Path) -> None:
    path = write_round(tmp_path, JUDGES)
    (path / "verdicts.parquet").write_bytes(b"PAR1")
    section, note = section_of_run(tmp_path, [path])
    assert section == {"health": None}
    assert "cannot read" in note
    assert "cannot read" in text_of(write_report(tmp_path).read_text())
    write_round(tmp_path, JUDGES, status="running")
    assert "The judges" not in text_of(write_report(tmp_path).read_text())


def test_judges_that_said_nothing(tmp_path: Path) -> None:
    path = write_round(tmp_path, {"silent": ("task", lambda c: verdict(None) if place(c) else None)}, prompts=2)
    assert "silent scored no candidate" in text_of(page_of(judge_health([path])))
    assert "The judges" in text_of(page_of(judge_health([write_round(tmp_path / "other", {})])))
