import json
from pathlib import Path

import pytest

from reset_pl.errors import InputError
from reset_pl.evaluation.results import Stage, read_run, read_stages


def test_stages_come_in_the_order_of_the_run(run_dir: Path) -> None:
    for name in ("round-010", "round-002", "extra"):
        (run_dir / "evaluation" / f"{name}.json").write_text("{}")
    names = [stage.name for stage in read_stages(run_dir)]
    assert names == ["start", "mtl", "round-000", "round-001", "round-002", "round-010", "extra"]
    assert [stage.label for stage in read_stages(run_dir)][:3] == ["start", "MTL", "round 0"]


def test_null_and_nan_are_absent_and_a_missing_interval_has_no_width() -> None:
    macro = {"task": None, "instruction": {"mean": float("nan")}, "faithfulness": {"mean": 0.5, "low": None}}
    stage = Stage.from_json({"stage": "mtl", "macro": macro})
    assert list(stage.macro) == ["faithfulness"]
    assert stage.macro["faithfulness"].half_width == 0


def test_what_cannot_be_read_is_noted_and_the_rest_is_read(run_dir: Path) -> None:
    (run_dir / "evaluation" / "round-000.json").write_text('{"stage": "rou')
    (run_dir / "rounds" / "round-001" / "manifest.json").write_text("[]")
    run = read_run(run_dir)
    assert [stage.name for stage in run.stages] == ["start", "mtl", "round-001"]
    assert [entry.number for entry in run.rounds] == [0]
    assert len(run.notes) == 2
    assert "round-000.json could not be read" in run.notes[0]


def test_judges_are_read_from_a_list_and_from_a_mapping(run_dir: Path) -> None:
    assert read_run(run_dir).rounds[0].judges[0] == "summac mini-1 faithfulness"
    manifest = run_dir / "rounds" / "round-000" / "manifest.json"
    manifest.write_text(json.dumps({"judges": {"summac": "2"}}))
    assert read_run(run_dir).rounds[0].judges == ["summac 2"]
    assert read_run(run_dir).rounds[0].held_out == frozenset()


def test_held_out_judges_are_named(run_dir: Path) -> None:
    manifest = run_dir / "rounds" / "round-000" / "manifest.json"
    judges = [{"name": "a", "version": "1", "held_out": True}, {"name": "b", "version": "1", "held_out": False}]
    manifest.write_text(json.dumps({"judges": judges}))
    entry = read_run(run_dir).rounds[0]
    assert entry.held_out == {"a"}
    assert entry.judges == ["a 1 (held out)", "b 1"]


def test_a_folder_that_is_no_run_is_refused_in_one_line(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError) as caught:
            read_run(folder)
        assert "\n" not in str(caught.value)
        assert str(folder) in str(caught.value)


def test_checkpoints_come_before_the_end_of_their_stage() -> None:
    names = [
        *("start", "mtl-000005", "mtl-000010-best-1.250000", "mtl", "round-000-000012", "round-000"),
        *("round-012-000013", "cd-000020", "cd"),
    ]
    stages = [Stage.from_json({"stage": name, "step": 21 if name == "cd" else None}) for name in names]
    assert [
        stage.name for stage in sorted(sorted(stages, key=lambda stage: stage.name), key=lambda stage: stage.order)
    ] == names
    assert [stage.name for stage in stages if not stage.is_inside_stage] == ["start", "mtl", "round-000", "cd"]


def test_each_score_has_its_own_number_of_values() -> None:
    entry = {"n": 5, "task": {"mean": 0.5, "low": 0.5, "high": 0.5, "n": 3}, "length": {"mean": 2.0}}
    scores = Stage.from_json({"stage": "mtl", "datasets": {"qa": entry}}).datasets["qa"].scores
    assert (scores["task"].n, scores["length"].n) == (3, 5)
