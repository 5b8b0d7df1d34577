"""A study directory is read whatever there is of it."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

from reset_pl.errors import InputError
from reset_pl.evaluation.intervals import macro_interval
from reset_pl.study.results import average, read_results
from tests.study.conftest import HOSTILE, write_node
from tests.synthetic_run import DATASETS, write_stage

UNSEEN = {name for name, (group, seen, *_) in DATASETS.items() if not seen}


def _edit(path: Path, change: dict[str, object]) -> None:
    path.write_text(json.dumps(json.loads(path.read_text()) | change))


def test_arms_stand_in_order_with_their_runs(study_dir: Path) -> None:
    study = read_results(study_dir)
    assert [arm.name for arm in study.arms] == ["chat", "mtl", "reset", "random", "broken"]
    assert (study.seeds, study.notes, study.unseen) == ((0, 1, 2), (), UNSEEN)
    assert study.comparisons[0] == ("reset", "mtl")
    reset = study.arm("reset")
    assert [stage.name for stage in reset.results] == ["round-000"] * 3
    assert [stage.name for stage in reset.nodes[0].stages] == ["mtl", "round-000"]
    chat = study.arm("chat")
    assert chat.once
    assert len(chat.nodes) == 1
    assert chat.at(2) is chat.nodes[0]
    assert study.arm("mtl").at(2) is study.arm("mtl").nodes[2]


def test_what_is_not_complete_has_no_result_and_says_why(study_dir: Path) -> None:
    study = read_results(study_dir)
    failed = study.arm("random").nodes[1]
    assert (failed.status, failed.reason, failed.result) == ("failed", "error: CUDA out of memory", None)
    assert [stage.name for stage in failed.stages] == ["mtl"], "what it reached can still be looked at"
    assert failed.scores("task") == {}
    assert len(study.arm("random").complete) == 2
    broken = study.arm("broken")
    assert [node.status for node in broken.nodes] == ["failed", "running", "not run"]
    assert broken.title == HOSTILE
    write_node(study_dir, "broken", 2, status="not run", error="rests on mtl seed 2, failed")
    assert read_results(study_dir).arm("broken").nodes[2].reason == "rests on mtl seed 2, failed"


def test_a_stage_that_was_rolled_back_is_no_result(study_dir: Path) -> None:
    _edit(study_dir / "reset/seed-0/rounds/round-000/manifest.json", {"gate": {"rolled_back": True}})
    result = read_results(study_dir).arm("reset").nodes[0].result
    assert result is not None
    assert result.name == "mtl"


@pytest.mark.parametrize(
    ("damage", "status", "said"),
    [
        (lambda run: (run / "node.json").write_text("{"), "running", "^$"),
        (lambda run: (run / "node.json").write_text("[1]"), "running", "^$"),
        (lambda run: (run / "node.json").write_bytes(b"\xff\xfe"), "running", "^$"),
        (lambda run: _edit(run / "node.json", {"status": "odd"}), "running", "^$"),
        (lambda run: (run / "evaluation/mtl.json").write_text('{"stage"'), "complete", "could not be read"),
        (lambda run: (run / "evaluation/mtl.json").write_text('{"datasets": [1]}'), "complete", "is no evaluation"),
        (lambda run: (run / "evaluation/mtl.json").write_text('{"datasets": {"a": 1}}'), "complete", "no evaluation"),
        (lambda run: shutil.rmtree(run / "evaluation"), "complete", "^$"),
    ],
)
def test_what_cannot_be_read_is_a_note_and_no_result(study_dir: Path, damage, status: str, said: str) -> None:
    damage(study_dir / "mtl" / "seed-1")
    study = read_results(study_dir)
    node = study.arm("mtl").nodes[1]
    assert (node.status, node.result) == (status, None)
    assert re.search(said, " ".join(study.notes))
    assert status == "running" or node.reason == "it holds no evaluation that can be read"


def test_an_older_evaluation_without_lengths_and_intervals(study_dir: Path) -> None:
    path = study_dir / "mtl/seed-0/evaluation/mtl.json"
    content = json.loads(path.read_text())
    for entry in content["datasets"].values():
        del entry["length"]
    content["macro"] = {"faithfulness": {"mean": 0.5}, "instruction": {"mean": float("nan")}, "task": None}
    path.write_text(json.dumps(content))
    result = read_results(study_dir).arm("mtl").nodes[0].result
    assert result is not None
    assert "length" not in result.macro
    assert "instruction" not in result.macro
    assert result.macro["faithfulness"].mean == result.macro["faithfulness"].low == 0.5
    assert "faithfulness_unseen" in result.macro, "made from the sets' own scores"


def test_seen_and_unseen_are_the_same_sets_in_all_arms(study_dir: Path) -> None:
    """The chat model was trained on none of them; its own flags would make its unseen average one over six sets."""
    path = study_dir / "chat/seed-0/evaluation/start.json"
    content = json.loads(path.read_text())
    for entry in content["datasets"].values():
        entry["seen"] = False
    path.write_text(json.dumps(content))
    result = read_results(study_dir).arm("chat").results[0]
    grounded = [entry for entry in result.datasets.values() if entry.is_context_dependent]
    expected = [entry.scores["faithfulness"].mean for entry in grounded if entry.name in UNSEEN]
    assert len(expected) == 3
    assert result.macro["faithfulness_unseen"].mean == pytest.approx(sum(expected) / 3)
    assert result.macro["length"].mean == pytest.approx(60.0)


def test_an_average_of_sets_is_as_wide_as_one_from_their_rows(tmp_path: Path) -> None:
    """Half-widths in quadrature against a bootstrap within the sets."""
    from reset_pl.evaluation.paired import read_scores
    from reset_pl.evaluation.results import read_stages

    write_stage(tmp_path, "mtl")
    (stage,) = read_stages(tmp_path)
    entries = [entry for entry in stage.datasets.values() if entry.is_context_dependent]
    own = average(entries, "faithfulness")
    rows = read_scores(tmp_path, "mtl", "faithfulness")
    drawn = macro_interval({name: list(scores.values()) for name, scores in rows.items()}, seed=0, resamples=4000)
    assert own is not None
    assert own.mean == pytest.approx(drawn.mean)
    assert own.half_width == pytest.approx(drawn.half_width, rel=0.1)
    assert own.n == drawn.n == 360
    assert average(entries, "instruction") is None


def test_without_a_study_file_the_folders_are_the_arms(study_dir: Path) -> None:
    (study_dir / "study.yaml").unlink()
    study = read_results(study_dir)
    assert [arm.name for arm in study.arms] == ["broken", "chat", "mtl", "random", "reset"]
    assert [node.status for node in study.arm("chat").nodes] == ["complete", "not run", "not run"]
    assert "without titles" in study.notes[0]


@pytest.mark.parametrize("text", ["arms: [", "seeds: [0]\narms: {a: {older: 1}}\n", "\x00"])
def test_a_study_file_that_is_not_understood_is_a_note(study_dir: Path, text: str) -> None:
    (study_dir / "study.yaml").write_text(text)
    study = read_results(study_dir)
    assert len(study.arm("mtl").results) == 3
    assert "study.yaml" in study.notes[0]


def test_a_folder_that_is_no_study_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match="expected the directory of a study, but .* holds no study.yaml"):
            read_results(folder)
