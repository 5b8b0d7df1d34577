"""A finished round is read as it was written, whatever the number of prompts read at a time."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from reset_pl.errors import InputError
from reset_pl.records import Aspect
from reset_pl.rounds.decision import Decisions
from reset_pl.rounds.finished import FinishedRound
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.selection import Weights
from reset_pl.rounds.selectors import WeightedSelector
from tests.rounds.test_round import run


@pytest.fixture
def round_dir(tmp_path: Path) -> Path:
    return run(tmp_path / "run" / "rounds" / "round-000").directory


def test_parts_hold_everything_once(round_dir: Path) -> None:
    ledger, source = Ledger(round_dir), FinishedRound(round_dir)
    for size in (1, 7, 500):
        parts = list(source.parts(size))
        assert [example.id for examples, _, _ in parts for example in examples] == [e.id for e in source.prompts]
        for examples, candidates, verdicts in parts:
            assert len(examples) <= size
            assert {c.example_id for c in candidates} == {e.id for e in examples}
            assert {v.candidate_id for v in verdicts} == {c.id for c in candidates}
        texts = {c.id: c.text for _, candidates, _ in parts for c in candidates}
        assert texts == {row["candidate_id"]: row["text"] for row in ledger.read_table("candidates")}
        assert sum(len(verdicts) for _, _, verdicts in parts) == len(ledger.read_table("verdicts"))


def test_it_is_selected_in_the_rounds_own_order(round_dir: Path) -> None:
    source, decisions = FinishedRound(round_dir), Decisions(WeightedSelector())
    chosen = [s.candidate_id for part in source.parts(3) for s in decisions.add(*part)]
    assert chosen == [row["candidate_id"] for row in Ledger(round_dir).read_table("selected")]
    assert source.chosen == {row["example_id"]: [row["text"]] for row in Ledger(round_dir).read_table("selected")}


def test_what_the_manifest_says_of_the_selection(round_dir: Path) -> None:
    source = FinishedRound(round_dir)
    assert source.weights == Weights()
    assert source.held_out == frozenset()
    assert source.run_directory == round_dir.parent.parent
    assert source.scored_aspects(frozenset()) == {"scripted": {Aspect.FAITHFULNESS}}
    assert source.scored_aspects(frozenset({"scripted"})) == {}


def test_tables_of_older_versions_are_read(round_dir: Path) -> None:
    expected = list(FinishedRound(round_dir).parts())
    for table, columns in (("verdicts", ["model", "cost"]), ("selected", ["rank", "rejected_id", "rejected_score"])):
        path = round_dir / f"{table}.parquet"
        pq.write_table(pq.read_table(path).drop_columns(columns), path)
    manifest = Ledger(round_dir).read_manifest()
    assert manifest is not None
    for key in ("weights", "judges"):
        del manifest[key]
    Ledger(round_dir).write_manifest(manifest)
    source = FinishedRound(round_dir)
    assert list(source.parts()) == expected
    assert source.weights == Weights()
    assert source.held_out == frozenset()


def test_what_is_no_finished_round_is_refused(round_dir: Path) -> None:
    ledger = Ledger(round_dir)
    manifest = ledger.read_manifest()
    assert manifest is not None
    with pytest.raises(InputError, match="the folder of a round, <run>/rounds/round-NNN, but .* has no manifest"):
        FinishedRound(round_dir.parent)
    (round_dir / "selected.parquet").unlink()
    with pytest.raises(InputError, match=r"selected\.parquet is missing there"):
        FinishedRound(round_dir)
    ledger.write_manifest({**manifest, "status": "running"})
    with pytest.raises(InputError, match="is still running"):
        FinishedRound(round_dir)


def test_tables_of_different_rounds_are_refused(round_dir: Path) -> None:
    path = round_dir / "candidates.parquet"
    whole = pq.read_table(path)
    pq.write_table(whole.slice(1), path)
    with pytest.raises(InputError, match="has a verdict on .*, which is not there"):
        list(FinishedRound(round_dir).parts())
    prompts = round_dir / "prompts.parquet"
    pq.write_table(pq.read_table(prompts).slice(1), prompts)
    with pytest.raises(InputError, match="has a candidate of .*, which is not there"):
        list(FinishedRound(round_dir).parts())
    path.write_bytes(b"not parquet")
    with pytest.raises(InputError, match="cannot read .*candidates.parquet"):
        list(FinishedRound(round_dir).parts())
