import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reset_pl.errors import InputError
from reset_pl.report.candidates import OUTCOMES, Prompt, prompts_of
from tests.synthetic_run import HOSTILE, LABELS, PROMPTS_PER_SET, TRAIN_SETS

Row = dict[str, Any]


@pytest.fixture
def round_dir(run_dir: Path) -> Path:
    return run_dir / "rounds" / "round-000"


def change(path: Path, edit: Callable[[Row], Row | None]) -> None:
    """Write a table's rows anew; those that become none are dropped."""
    table = pq.read_table(path)
    rows = [row for row in map(edit, table.to_pylist()) if row is not None]
    pq.write_table(pa.Table.from_pylist(rows, table.schema), path)


def prompt_of(round_dir: Path, example_id: str) -> Prompt:
    (prompt,) = prompts_of(round_dir, lambda key: key == example_id)
    return prompt


def test_every_prompt_has_all_its_candidates_the_chosen_one_first(round_dir: Path) -> None:
    prompts = list(prompts_of(round_dir))
    assert len(prompts) == len(TRAIN_SETS) * PROMPTS_PER_SET
    for prompt in prompts:
        assert sorted(entry.candidate.decoding.label for entry in prompt.drawn) == sorted(LABELS)
        assert prompt.candidates[-1] is prompt.reference
        assert prompt.candidates[0] is prompt.chosen
        scores = [entry.score for entry in prompt.drawn if entry.score is not None]
        assert scores == sorted(scores, reverse=True)
        assert prompt.spread == pytest.approx(scores[0] - scores[-1])
        assert prompt.outcome == "best"


def test_the_score_is_the_weighted_sum_of_the_parts(round_dir: Path) -> None:
    manifest = json.loads((round_dir / "manifest.json").read_text())
    (round_dir / "manifest.json").write_text(
        json.dumps({**manifest, "weights": {"task": 10.0, "instruction": 0.0, "faithfulness": 1.0}})
    )
    chosen = prompt_of(round_dir, "mini_nq/0001").chosen
    assert chosen is not None
    assert chosen.score == pytest.approx(10 * chosen.parts["task"] + chosen.parts["faithfulness"])


def test_a_held_out_judge_is_shown_and_in_no_score(round_dir: Path) -> None:
    before = prompt_of(round_dir, "mini_nq/0001")
    table = pq.read_table(round_dir / "verdicts.parquet")
    rows = [{**row, "judge": "outside", "score": 0.0} for row in table.to_pylist() if row["judge"] == "summac"]
    pq.write_table(pa.concat_tables([table, pa.Table.from_pylist(rows, table.schema)]), round_dir / "verdicts.parquet")
    assert before.disagreement is None  # no aspect had two judges
    manifest = json.loads((round_dir / "manifest.json").read_text())
    manifest["judges"].append({"name": "outside", "aspect": "faithfulness", "held_out": True})
    (round_dir / "manifest.json").write_text(json.dumps(manifest))
    after = prompt_of(round_dir, "mini_nq/0001")
    assert [entry.score for entry in after.candidates] == [entry.score for entry in before.candidates]
    assert all("outside" in {verdict.judge for verdict in entry.verdicts} for entry in after.drawn)
    assert after.disagreement == max(entry.parts["faithfulness"] for entry in after.drawn)


@pytest.mark.parametrize(
    ("edit", "out"),
    [
        ({"candidates": {"finish_reason": "length"}}, "cut off by the length limit"),
        ({"candidates": {"text": "No answer."}}, "says that the passages do not answer, and they do"),
        ({"verdicts": {"status": "failed", "score": None}}, "a judge failed on it"),
        ({"verdicts": {"status": "abstained", "score": None}}, "no judge scored it"),
    ],
)
def test_why_a_candidate_could_not_be_chosen(round_dir: Path, edit: dict[str, Row], out: str) -> None:
    wanted = "0/mini_nq/0001/temperature/3"
    ((name, fields),) = edit.items()
    change(round_dir / f"{name}.parquet", lambda row: {**row, **(fields if row["candidate_id"] == wanted else {})})
    change(round_dir / "selected.parquet", lambda row: None if row["example_id"] == "mini_nq/0001" else row)
    prompt = prompt_of(round_dir, "mini_nq/0001")
    assert [(entry.candidate.id, entry.out) for entry in prompt.drawn if entry.out] == [(wanted, out)]
    assert prompt.drawn[-1].candidate.id == wanted
    assert prompt.outcome == "by_selector"  # the others could have been chosen


def test_why_a_prompt_was_left_out(round_dir: Path) -> None:
    change(round_dir / "candidates.parquet", lambda row: {**row, "finish_reason": "length"})
    change(round_dir / "selected.parquet", lambda row: None)
    outcomes = {prompt.outcome for prompt in prompts_of(round_dir)}
    assert outcomes == {"all_truncated"}
    assert outcomes <= set(OUTCOMES)
    assert all(prompt.chosen is None for prompt in prompts_of(round_dir))


def test_where_a_selector_takes_what_was_cut_off_nothing_is_out_for_it(round_dir: Path) -> None:
    change(round_dir / "candidates.parquet", lambda row: {**row, "finish_reason": "length"})
    assert not any(entry.out for prompt in prompts_of(round_dir) for entry in prompt.drawn)


def test_several_chosen_answers_and_a_rejected_one(round_dir: Path) -> None:
    table = pq.read_table(round_dir / "selected.parquet")
    wanted = [f"0/mini_nq/0001/temperature/{index}" for index in (4, 2)]
    rows = [
        {**row, "candidate_id": key, "rank": rank, "rejected_id": "0/mini_nq/0001/temperature/5"}
        for row in table.to_pylist()
        if row["example_id"] == "mini_nq/0001"
        for rank, key in enumerate(wanted)
    ]
    pq.write_table(pa.Table.from_pylist(rows), round_dir / "selected.parquet")
    prompt = prompt_of(round_dir, "mini_nq/0001")
    assert [entry.candidate.id for entry in prompt.candidates[:2]] == wanted
    assert [entry.candidate.id for entry in prompt.candidates if entry.is_rejected] == ["0/mini_nq/0001/temperature/5"]


def test_a_prompt_without_candidates_and_a_round_without_prompts(round_dir: Path) -> None:
    for name in ("candidates", "verdicts", "selected"):
        change(round_dir / f"{name}.parquet", lambda row: None)
    prompts = list(prompts_of(round_dir))
    assert {(prompt.outcome, prompt.spread, len(prompt.candidates)) for prompt in prompts} == {("no_candidates", 0, 0)}
    change(round_dir / "prompts.parquet", lambda row: None)
    assert list(prompts_of(round_dir)) == []


def test_an_older_round_lacks_columns_and_fields(round_dir: Path) -> None:
    expected = [[entry.score for entry in prompt.candidates] for prompt in prompts_of(round_dir)]
    for name, columns in {"selected": {"rank"}, "verdicts": {"model", "cost", "detail", "raw"}}.items():
        table = pq.read_table(round_dir / f"{name}.parquet")
        kept = [column for column in table.column_names if column not in columns]
        pq.write_table(table.select(kept), round_dir / f"{name}.parquet")
    change(
        round_dir / "prompts.parquet",
        lambda row: {**row, "example": json.dumps(json.loads(row["example"]) | {"answerable": True})},
    )
    assert [[entry.score for entry in prompt.candidates] for prompt in prompts_of(round_dir)] == expected


def break_column(round_dir: Path) -> None:
    table = pq.read_table(round_dir / "candidates.parquet")
    pq.write_table(table.drop_columns(["procedure"]), round_dir / "candidates.parquet")


def break_bytes(round_dir: Path) -> None:
    content = bytearray((round_dir / "candidates.parquet").read_bytes())
    content[4:400] = bytes(396)  # the footer stays whole: only reading the data shows it
    (round_dir / "candidates.parquet").write_bytes(content)


BROKEN: dict[str, Callable[[Path], object]] = {
    "missing": lambda path: (path / "verdicts.parquet").unlink(),
    "no Parquet": lambda path: (path / "selected.parquet").write_bytes(b"no Parquet"),
    "cut short": lambda path: (path / "candidates.parquet").write_bytes(
        (path / "candidates.parquet").read_bytes()[:500]
    ),
    "broken inside": break_bytes,
    "another version": break_column,
    "no JSON": lambda path: change(path / "prompts.parquet", lambda row: {**row, "example": HOSTILE}),
    "still running": lambda path: (path / "manifest.json").write_text('{"round": 0, "status": "running"}'),
    "other weights": lambda path: (path / "manifest.json").write_text(
        '{"round": 0, "status": "complete", "weights": {"beauty": 1}}'
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_round_that_cannot_be_read_is_an_error_that_says_so(round_dir: Path, how: str) -> None:
    BROKEN[how](round_dir)
    with pytest.raises(InputError, match="round-000"):
        list(prompts_of(round_dir))
