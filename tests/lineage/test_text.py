"""A life as lines: what is said, how wide it is, and that nothing in it drives a terminal."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from reset_pl.lineage.life import life_of
from reset_pl.lineage.text import text_of
from reset_pl.rounds.ledger import Ledger
from tests.lineage.test_life import build

HOSTILE = "\x1b]0;owned\x07\x1b[2J‮evil⁦\x9b31m\r\x00 <b>"


def said(run: Path, identity: str = "qa/7", *, width: int = 100, everything: bool = False) -> str:
    return "\n".join(text_of(life_of(run, identity), width=width, everything=everything))


def test_the_choice_is_explained(tmp_path: Path) -> None:
    text = said(build(tmp_path), width=160)
    assert "chosen  temperature=0.1   2.50  1.00    .75       2    stop  w7" in text
    assert "2.500 = 2 × .750 faithfulness + 1 × 1.000 task" in text
    assert "the best of 3 candidates that could be chosen (2 different texts), 2.000 above the next text" in text
    assert "nli 1, faithfulness .500: s1 d1 .50" in text
    assert "(held out: it did not select): held out" in text
    assert "seed 100" in text
    assert "trained.parquet is missing" in text


def test_ties_and_single_texts_are_named(tmp_path: Path) -> None:
    assert "a tie: of 2 candidates that could be chosen (2 different texts), 2 texts have" in said(
        build(tmp_path / "tie", ["a", "b"]), width=160
    )
    assert "the only text among 2 candidates" in said(build(tmp_path / "one", ["a", "a"]))


def test_a_candidate_that_is_asked_for_is_told_whole(tmp_path: Path) -> None:
    run = build(tmp_path)
    text = said(run, "0/qa/7/temperature/3")
    assert "> cut" in text or ">cut" in text
    assert "could not be chosen: cut off by the length limit" in text
    assert "temperature/1 ·" not in text
    assert "temperature/1 ·" in said(run, everything=True)


def test_why_none_was_chosen(tmp_path: Path) -> None:
    assert "none chosen: 2 of 2: cut off by the length limit" in said(build(tmp_path / "cut", ["long", "long"]))
    assert "none chosen: the round has not selected yet" in said(build(tmp_path / "half", status="running"))
    kept = build(tmp_path / "kept")
    config = (kept / "config.yaml").read_text().replace('"WeightedSelector"', '"ThresholdSelector"')
    (kept / "config.yaml").write_text(config)
    Ledger(kept / "rounds" / "round-000").write_table([], "selected")
    assert "none chosen: 3 could be, but ThresholdSelector kept none of them" in said(kept)


def test_the_rejected_answer_of_a_pair_is_marked(tmp_path: Path) -> None:
    run = build(tmp_path)
    ledger = Ledger(run / "rounds" / "round-000")
    rows = [row | {"rejected_id": "0/qa/7/temperature/1"} for row in ledger.read_table("selected")]
    ledger.write_table(rows, "selected")
    assert "rejected  temperature=0.2    .50" in said(run)


@pytest.mark.parametrize("width", [20, 40, 79, 200])
def test_no_line_is_wider_than_the_terminal(tmp_path: Path, width: int) -> None:
    run = build(tmp_path, ["漢字" * 90, "x" * 500, "word " * 100, "e\u0301" * 200])
    for line in said(run, width=width, everything=True).split("\n"):
        columns = sum(
            0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1
            for char in line
        )
        assert columns <= max(width, 40), line


def test_hostile_text_drives_no_terminal(tmp_path: Path) -> None:
    run = build(tmp_path, [HOSTILE, "w7"])
    text = said(run, everything=True)
    assert r"\x1b]0;owned\x07\x1b[2J\u202eevil\u2066\x9b31m\r\x00 <b>" in text
    assert not [char for char in text if unicodedata.category(char) in ("Cc", "Cf") and char != "\n"]


def test_a_megabyte_is_folded_or_clipped(tmp_path: Path) -> None:
    text = said(build(tmp_path, ["w7", "y" * 1_000_000]))
    assert len(text) < 10_000
