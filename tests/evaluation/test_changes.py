from pathlib import Path

import pyarrow.parquet as pq
import pytest

from reset_pl.evaluation.changes import compared, headline, macro_changes
from reset_pl.evaluation.intervals import Interval
from reset_pl.evaluation.results import Stage, read_stages


def _stage(name: str, faithfulness: float, instruction: float | None = None) -> Stage:
    macro = {"faithfulness": {"mean": faithfulness}, "instruction": {"mean": instruction}}
    return Stage.from_json({"stage": name, "macro": macro})


@pytest.mark.parametrize(
    ("names", "pair"),
    [
        (["start"], (None, "start")),
        (["start", "mtl"], ("start", "mtl")),
        (["start", "mtl", "round-000", "round-001"], ("mtl", "round-001")),
        (["start", "round-000"], ("start", "round-000")),
    ],
)
def test_the_rounds_are_compared_with_mtl_else_with_the_start(names: list[str], pair: tuple[str | None, str]) -> None:
    before, after = compared([_stage(name, 0.5) for name in names])
    assert (before.name if before else None, after.name) == pair


def test_differences_are_paired_over_the_rows_of_both_stages(run_dir: Path) -> None:
    stages = {stage.name: stage for stage in read_stages(run_dir)}
    before, after = stages["mtl"], stages["round-001"]
    changes = macro_changes(run_dir, before, after)
    faithfulness = changes["faithfulness"]
    assert faithfulness.difference is not None
    expected = after.macro["faithfulness"].mean - before.macro["faithfulness"].mean
    assert faithfulness.difference.mean == pytest.approx(expected)
    assert faithfulness.difference.half_width < after.macro["faithfulness"].half_width
    assert faithfulness.direction == 1
    assert changes["faithfulness_unseen"].difference is not None
    assert changes["faithfulness_unseen"].difference.n == 180
    assert changes["instruction"].difference is not None


@pytest.mark.parametrize("damage", ["missing", "broken"])
def test_without_rows_the_difference_has_no_interval(run_dir: Path, damage: str) -> None:
    rows = run_dir / "evaluation" / "mtl.parquet"
    rows.unlink() if damage == "missing" else rows.write_bytes(b"PAR1 not a table")
    stages = {stage.name: stage for stage in read_stages(run_dir)}
    change = macro_changes(run_dir, stages["mtl"], stages["round-001"])["faithfulness"]
    assert change.difference is None
    assert change.delta == pytest.approx(change.after.mean - change.before.mean if change.before else 0)
    assert change.direction == 1


def test_a_held_out_judge_has_a_change_of_its_own(run_dir: Path) -> None:
    stages = {stage.name: stage for stage in read_stages(run_dir)}
    changes = macro_changes(run_dir, stages["mtl"], stages["round-001"])
    assert stages["mtl"].held_out == ["oracle"]
    assert changes["faithfulness_oracle"].title == "… by the oracle"
    assert changes["faithfulness_oracle"].difference == changes["faithfulness"].difference


def test_a_column_that_was_not_kept_has_no_interval(run_dir: Path) -> None:
    path = run_dir / "evaluation" / "mtl.parquet"
    pq.write_table(pq.read_table(path).drop_columns("faithfulness_oracle"), path)
    stages = {stage.name: stage for stage in read_stages(run_dir)}
    changes = macro_changes(run_dir, stages["mtl"], stages["round-001"])
    assert changes["faithfulness_oracle"].difference is None
    assert changes["faithfulness"].difference is not None


def test_the_headline_claims_no_more_than_the_interval_allows(tmp_path: Path) -> None:
    before, after = _stage("mtl", 0.62, 0.74), _stage("round-000", 0.81, 0.735)
    changes = macro_changes(tmp_path, before, after)
    said = headline(changes, before, after)
    assert said == "Faithfulness rose from .62 to .81; instruction following fell from .74 to .73"
    unclear = Interval(mean=-0.01, low=-0.03, high=0.01, n=9)
    changes["instruction"] = type(changes["instruction"])(
        title="", before=before.macro["instruction"], after=after.macro["instruction"], difference=unclear
    )
    assert headline(changes, before, after).endswith("instruction following shows no clear change, .74 to .73")


def test_the_headline_of_a_single_stage_and_of_one_without_scores(tmp_path: Path) -> None:
    start = _stage("start", 0.3, 0.77)
    assert headline(macro_changes(tmp_path, None, start), None, start) == (
        "Faithfulness .30 and instruction following .77 at start"
    )
    bare = Stage.from_json({"stage": "start"})
    assert headline({}, None, bare) == "Evaluated at start"
