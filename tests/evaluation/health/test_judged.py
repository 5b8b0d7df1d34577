import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reset_pl.errors import InputError
from reset_pl.evaluation.health.health import held_out_of
from reset_pl.evaluation.health.judged import STATUSES, finished_rounds, read_judged
from reset_pl.records import Status

from .ledgers import is_reference, verdict, words, write_round


def test_verdicts_stand_beside_their_candidates(tmp_path: Path) -> None:
    def rate(candidate):
        return Status.ABSTAINED if is_reference(candidate) else words(candidate) / 10

    path = write_round(tmp_path, {"long": ("task", rate), "some": ("task", lambda c: 1.0 if words(c) == 2 else None)})
    judged = read_judged([path])
    long, some = judged.judges
    assert [long.name, some.name] == ["long", "some"]
    drawn = ~judged.is_reference
    assert long.score[drawn].tolist() == (judged.tokens[drawn] / 10).tolist()
    assert set(long.status[judged.is_reference]) == {STATUSES.index(Status.ABSTAINED)}
    assert np.isnan(long.score[judged.is_reference]).all()
    assert some.is_scored.tolist() == ((judged.tokens == 2) | judged.is_reference).tolist()
    assert set(some.status[~some.is_scored]) == {-1}


def test_rounds_that_share_ids_are_kept_apart(tmp_path: Path) -> None:
    paths = [
        write_round(tmp_path / name, {"judge": ("task", lambda c, score=score: score)}, prompts=2)
        for name, score in (("one", 0.25), ("two", 0.75))
    ]
    judged = read_judged(paths)
    assert judged.judges[0].score[judged.round == 0].tolist() == [0.25] * 8
    assert judged.judges[0].score[judged.round == 1].tolist() == [0.75] * 8
    assert len(np.unique(judged.prompt)) == 4
    assert len(np.unique(judged.example)) == 2
    assert judged.row[judged.round == 1].tolist() == list(range(8))


def test_equal_texts_have_equal_numbers(tmp_path: Path) -> None:
    path = write_round(
        tmp_path, {"judge": ("task", lambda c: 0.5)}, prompts=2, texts=lambda p: ("same", "same", "other")
    )
    text = read_judged([path]).text.reshape(2, 4)
    assert text[0, 0] == text[0, 1] == text[1, 0]
    assert text[0, 2] != text[0, 0]


def test_a_ledger_from_before_models_and_costs_were_kept(tmp_path: Path) -> None:
    path = write_round(tmp_path, {"judge": ("task", lambda c: verdict(0.5, model="m", cost=1.0))})
    table = pq.read_table(path / "verdicts.parquet")
    pq.write_table(table.drop_columns(["model", "cost"]), path / "verdicts.parquet")
    judge = read_judged([path]).judges[0]
    assert {judge.models[place] for place in judge.model} == {""}
    assert judge.cost.sum() == 0
    assert judge.is_scored.all()


def test_verdicts_on_unknown_candidates_are_counted_and_left_out(tmp_path: Path) -> None:
    path = write_round(tmp_path, {"judge": ("task", lambda c: 0.5)}, prompts=2)
    table = pq.read_table(path / "candidates.parquet")
    pq.write_table(table.slice(3), path / "candidates.parquet")
    judged = read_judged([path])
    assert judged.stray == 3
    assert judged.judges[0].is_scored.sum() == 5


def test_a_round_without_verdicts_has_no_judges(tmp_path: Path) -> None:
    assert read_judged([write_round(tmp_path, {})]).judges == []


# ---------------------------------------------------------------------- which rounds


def test_runs_and_rounds_in_the_order_given_each_once(tmp_path: Path) -> None:
    first, second = (write_round(tmp_path / "run", {}, number=number) for number in (0, 1))
    write_round(tmp_path / "run", {}, number=2, status="running")
    other = write_round(tmp_path / "other", {})
    assert finished_rounds([tmp_path / "run"]) == [first, second]
    assert finished_rounds([second, tmp_path / "run", other]) == [second, first, other]


@pytest.mark.parametrize("name", ["missing", "file"])
def test_no_such_directory(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=f"expected the directory of a run or of a round, but .*{name} is not a dir"):
        finished_rounds([tmp_path / name])


def test_no_finished_round(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"expected a finished round in .*, but it holds no rounds/\*/manifest.json"):
        finished_rounds([tmp_path])
    path = write_round(tmp_path, {}, status="running")
    for directory in (tmp_path, path):
        with pytest.raises(InputError, match="but it holds 1 that still run"):
            finished_rounds([directory])


def test_a_manifest_that_is_no_json(tmp_path: Path) -> None:
    path = write_round(tmp_path, {})
    (path / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="manifest.json could not be read"):
        finished_rounds([path])


@pytest.mark.parametrize("table", ["candidates", "verdicts"])
def test_a_table_that_is_missing_broken_or_another(tmp_path: Path, table: str) -> None:
    path = write_round(tmp_path, {"judge": ("task", lambda c: 0.5)})
    file = path / f"{table}.parquet"
    whole = file.read_bytes()
    pq.write_table(pa.table({"candidate_id": ["x"]}), file)
    with pytest.raises(InputError, match=f"expected .*{table}.parquet to have the columns? "):
        read_judged([path])
    file.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match=f"cannot read .*{table}.parquet"):
        read_judged([path])
    file.unlink()
    with pytest.raises(InputError, match=f"cannot read .*{table}.parquet"):
        read_judged([path])


def test_an_old_manifest_names_judges_as_it_likes(tmp_path: Path) -> None:
    path = write_round(tmp_path, {})
    (path / "manifest.json").write_text(json.dumps({"status": "complete", "judges": {"name": "version"}}))
    assert finished_rounds([path]) == [path]
    assert held_out_of([path]) == set()
    (path / "manifest.json").write_text(json.dumps({"status": "complete", "judges": ["name"]}))
    assert held_out_of([path]) == set()
    write_round(tmp_path, {"a": ("task", lambda c: 1.0), "b": ("task", lambda c: 1.0)}, held_out=["b"])
    assert held_out_of([path]) == {"b"}
