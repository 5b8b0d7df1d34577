"""A life from a run directory made by hand: what it tells, and what it says of runs that tell less."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from reset_pl.data.curated import example_to_json
from reset_pl.errors import InputError
from reset_pl.lineage.life import Life, life_of
from reset_pl.records import Aspect, Candidate, Decoding, Example, Selection, Status, Verdict
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.selection import Verdicts
from reset_pl.rounds.selectors import WeightedSelector
from reset_pl.rounds.tables import candidate_row, prompt_row, selected_row, verdict_row
from reset_pl.training_record import Trained, TrainingStep, append_steps, write_trained
from tests.conftest import make_example

CONFIG: dict[str, Any] = {
    "data": {
        "template": "vicuna",
        "train": [
            {"class_path": "JsonlSource", "init_args": {"path": "rows/qa.jsonl", "dataset": None, "limit": None}},
            {"class_path": "JsonlSource", "init_args": {"path": "rows/other.jsonl", "dataset": "news"}},
        ],
    },
    "trainer": {
        "callbacks": [
            {"class_path": "callbacks.ResetRounds", "init_args": {"selector": {"class_path": "WeightedSelector"}}}
        ]
    },
}


def candidate(example: Example, index: int, text: str, **changes: Any) -> Candidate:
    fields: dict[str, Any] = {
        "id": f"0/{example.id}/temperature/{index}",
        "example_id": example.id,
        "round": 0,
        "procedure": "temperature",
        "decoding": Decoding(temperature=0.1 * (index + 1), label=f"temperature=0.{index + 1}", max_new_tokens=40),
        "text": text,
        "token_ids": tuple(range(len(text))),
        "finish_reason": "stop",
        "seed": 100 + index,
    }
    return Candidate(**{**fields, **changes})


def verdict(of: Candidate, judge: str, aspect: str, score: float | None, detail: str = "", **changes: Any) -> Verdict:
    status = Status.ABSTAINED if score is None else Status.SCORED
    fields: dict[str, Any] = {
        "candidate_id": of.id, "judge": judge, "version": "1", "aspect": Aspect(aspect), "status": status,
        "score": score, "raw": score, "detail": detail,
    }  # fmt: skip
    return Verdict(**{**fields, **changes})


def build(run: Path, texts: list[str] = ["w7", "w8", "w7", "long"], *, status: str = "complete") -> Path:  # noqa: B006
    """A run with one round: one example, its candidates (the last cut off), its reference; selected by the rule."""
    example = make_example(7)
    drawn = [
        candidate(example, n, text, finish_reason="length" if text == "long" else "stop")
        for n, text in enumerate(texts)
    ]
    gold = candidate(example, 0, "w7", id=f"0/{example.id}/reference/0", procedure="reference", seed=0)
    verdicts = []
    for one in [*drawn, gold]:
        is_right = one.text == "w7"
        verdicts += [
            verdict(one, "span", "faithfulness", 1.0 if is_right else 0.0),
            verdict(one, "nli", "faithfulness", 0.5, "s1 d1 .50"),
            verdict(one, "match", "task", float(is_right)),
            verdict(one, "oracle", "faithfulness", 0.0, "held out"),
        ]
    selected: list[Selection] = []
    if status == "complete":
        own: Verdicts = {c.id: [v for v in verdicts if v.candidate_id == c.id and v.judge != "oracle"] for c in drawn}
        selected = [one for one in WeightedSelector().select(example, drawn, own) if one.text is not None]
    ledger = Ledger(run / "rounds" / "round-000")
    ledger.write_manifest(
        {
            "round": 0, "status": status, "policy": "sha256:ab", "seed": 5,
            "judges": [{"name": "span"}, {"name": "nli"}, {"name": "match"}, {"name": "oracle", "held_out": True}],
            **({"weights": {"task": 1.0, "instruction": 2.0, "faithfulness": 2.0}} if status == "complete" else {}),
        }
    )  # fmt: skip
    ledger.write_table([prompt_row(example)], "prompts")
    rows = [candidate_row(one, "qa") for one in [*drawn, gold]]
    if status == "complete":
        ledger.write_table(rows, "candidates")
        ledger.write_table([verdict_row(one) for one in verdicts], "verdicts")
        ledger.write_table([selected_row(one, "qa") for one in selected], "selected")
    else:
        ledger.write_part(rows, "candidates", "qa-0000")
        ledger.write_part([verdict_row(one) for one in verdicts if one.judge == "span"], "verdicts", "qa-0000", "span")
    (run / "config.yaml").write_text(json.dumps(CONFIG))
    return run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    folder = build(tmp_path / "run")
    round_dir = folder / "rounds" / "round-000"
    write_trained(round_dir, [Trained(example_id="qa/8", round=0, step=3), Trained(example_id="qa/7", round=0, step=4)])
    append_steps(folder, [TrainingStep(step=n, stage="round-000", loss=n / 2, lr=1e-3) for n in (3, 4)])
    return folder


def test_rivals_have_the_scores_that_selection_had(run: Path) -> None:
    (one,) = life_of(run, "qa/7").rounds
    # By hand: right answers 1 + 2·(1 + .5)/2 = 2.5, wrong ones 2·(0 + .5)/2 = .5; the held-out judge counts nothing.
    assert [rival.score for rival in one.candidates] == pytest.approx([2.5, 2.5, 0.5, 0.5])
    assert [rival.rank for rival in one.candidates] == [0, None, None, None]
    assert one.candidates[0].parts == pytest.approx({"task": 1.0, "faithfulness": 0.75})
    assert one.reasons == ["best"]
    assert {rival.candidate.text: rival.out for rival in one.candidates} == {
        "w7": "",
        "w8": "",
        "long": "all_truncated",
    }
    assert one.reference is not None
    assert one.reference.score == pytest.approx(2.5)
    assert [v.judge for v in one.candidates[0].verdicts] == ["span", "nli", "match", "oracle"]
    assert one.held_out == {"oracle"}
    assert (one.policy, one.seed, one.candidates[0].candidate.seed) == ("sha256:ab", 5, 100)


def test_the_step_that_trained_on_it(run: Path) -> None:
    (one,) = life_of(run, "qa/7").training
    assert (one.stage, one.step, one.round, one.rank, one.loss, one.lr) == ("round-000", 4, 0, 0, 2.0, 1e-3)


def test_several_answers_and_later_rounds_are_told_apart(run: Path) -> None:
    build_second = run / "rounds" / "round-001"
    Ledger(build_second).write_manifest({"round": 1, "status": "complete"})
    for table in ("prompts", "candidates", "verdicts", "selected"):
        rows = Ledger(run / "rounds" / "round-000").read_table(table)
        Ledger(build_second).write_table([], table)
        assert rows  # the second round drew other prompts
    write_trained(
        build_second, [Trained(example_id="qa/7", round=0, step=9), Trained(example_id="qa/7#1", round=0, step=10)]
    )
    life = life_of(run, "qa/7")
    assert [one.number for one in life.rounds] == [0]
    assert [(one.stage, one.step, one.round, one.rank, one.loss) for one in life.training] == [
        ("round-000", 4, 0, 0, 2.0),
        ("round-001", 9, 0, 0, None),
        ("round-001", 10, 0, 1, None),
    ]


def test_the_source_is_found_by_name_or_file(run: Path) -> None:
    source = life_of(run, "qa/7").source
    assert source is not None
    assert source.settings == {"path": "rows/qa.jsonl"}


def test_nothing_chosen_has_its_reasons(tmp_path: Path) -> None:
    (one,) = life_of(build(tmp_path / "run", ["long", "long"]), "qa/7").rounds
    assert one.chosen == []
    assert [rival.out for rival in one.candidates] == ["all_truncated", "all_truncated"]


# ---------------------------------------------------------------------- runs that tell less


def test_a_running_round_is_read_from_its_parts(tmp_path: Path) -> None:
    life = life_of(build(tmp_path / "run", status="running"), "qa/7")
    (one,) = life.rounds
    assert one.status == "running"
    assert [rival.score for rival in one.candidates] == pytest.approx([2.0, 2.0, 0.0, 0.0])  # of the judge so far
    assert one.chosen == []
    assert life.training == []


def test_an_older_run_says_what_it_lacks(run: Path) -> None:
    (run / "training.jsonl").unlink()
    round_dir = run / "rounds" / "round-000"
    (round_dir / "trained.parquet").unlink()
    for table, columns in (("candidates", ["top_p", "seed"]), ("verdicts", ["model", "cost"]), ("selected", ["rank"])):
        old = pq.read_table(round_dir / f"{table}.parquet").drop_columns(columns)
        pq.write_table(old, round_dir / f"{table}.parquet")
    manifest = {"round": 0, "status": "complete", "judges": [{"name": "oracle", "held_out": True}]}
    (round_dir / "manifest.json").write_text(json.dumps(manifest))
    (run / "config.yaml").unlink()
    life = life_of(run, "qa/7")
    assert [rival.score for rival in life.rounds[0].candidates] == pytest.approx([2.5, 2.5, 0.5, 0.5])
    assert (life.source, life.prompt.template, life.rounds[0].seed) == (None, None, None)
    assert "Which word 7?" in life.prompt.text
    assert len(life.notes) == 3
    assert {note.split(" ")[0] for note in life.notes} == {"config.yaml", "training.jsonl", "round-000:"}


def test_a_table_that_is_broken_or_gone_is_said(run: Path) -> None:
    (run / "rounds" / "round-000" / "verdicts.parquet").write_bytes(b"PAR1 no more")
    life: Life = life_of(run, "qa/7")
    assert any("verdicts.parquet cannot be read" in note for note in life.notes)
    assert {rival.out for rival in life.rounds[0].candidates if rival.rank is None} == {"not_judged", "all_truncated"}
    (run / "rounds" / "round-000" / "candidates.parquet").unlink()
    life = life_of(run, "qa/7")
    assert life.rounds[0].candidates == []
    assert any("candidates.parquet is missing" in note for note in life.notes)


def test_an_empty_round_and_a_run_without_any(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "rounds" / "round-000")
    (tmp_path / "config.yaml").write_text("{}")
    with pytest.raises(InputError, match="has none: no example was curated there"):
        life_of(tmp_path, "qa/7")
    ledger.directory.mkdir(parents=True, exist_ok=True)
    (ledger.directory / "manifest.json").write_text('{"round": 0, "sta')
    with pytest.raises(InputError, match=r"has none: round-000/manifest.json could not be read"):
        life_of(tmp_path, "qa/7")
    ledger.write_manifest({"round": 0, "status": "complete"})
    for table in ("prompts", "candidates", "verdicts", "selected"):
        ledger.write_table([], table)
    with pytest.raises(InputError, match="its rounds have drawn no prompts yet"):
        life_of(tmp_path, "qa/7")


def test_a_prompt_is_what_the_sampler_read(run: Path, tiny_model: Path) -> None:
    """By the template, without its end where the context does not fit beside the answer."""
    config = {**CONFIG, "data": {**CONFIG["data"], "tokenizer": str(tiny_model), "max_length": 2000}}
    (run / "config.yaml").write_text(json.dumps(config))
    whole = life_of(run, "qa/7").prompt
    assert "Question: Which word 7?\nPassage: It is w7 here." in whole.text
    assert (whole.template, whole.tokens, whole.cut) == ("vicuna", len(whole.text.encode()), 0)
    config["data"]["max_length"] = len(whole.text) + 40 - 10  # 40 are kept free for the answer
    (run / "config.yaml").write_text(json.dumps(config))
    cut = life_of(run, "qa/7").prompt
    assert cut.tokens == len(whole.text) - cut.cut <= len(whole.text) - 10
    assert "It is w7 here." not in cut.text


def test_the_tokenizer_is_that_of_an_exported_policy_where_the_model_is_elsewhere(run: Path, tiny_model: Path) -> None:
    assert life_of(run, "qa/7").prompt.note == "not tokenized: config.yaml names no model and no tokenizer"
    (run / "policy").mkdir()
    (run / "policy" / "mtl").symlink_to(tiny_model)
    (run / "config.yaml").write_text(json.dumps({**CONFIG, "model": {"init_args": {"model": "a/hub-id"}}}))
    prompt = life_of(run, "qa/7").prompt
    assert (prompt.note, prompt.tokens) == ("", len(prompt.text.encode()))


def test_prompts_of_any_text_are_kept(tmp_path: Path) -> None:
    run = build(tmp_path / "run")
    odd = make_example(7, passages=("‮bidi\x1b[2J",))
    table = pa.Table.from_pylist([{"example_id": odd.id, "dataset": odd.dataset, "example": example_to_json(odd)}])
    pq.write_table(table, run / "rounds" / "round-000" / "prompts.parquet")
    assert life_of(run, "qa/7").example == odd
