from pathlib import Path

import pytest

from reset_pl.evaluation.results import Round, read_run
from reset_pl.report.round_summary import summary_of


def test_counts_and_rates_stand_together_and_decodings_are_ordered_by_value(run_dir: Path) -> None:
    summary = summary_of(read_run(run_dir).rounds[0])
    assert summary.counts["candidates"] == 5600
    name, values = summary.per_dataset[1]
    assert (name, values["selected"], values["duplicate"]) == ("mini_nq", 180, 0.118)
    assert summary.win_labels[3:] == ["temperature=0.7", "top_k=5", "top_k=20", "top_k=100"]
    assert summary.mean_score == {"best": 2.31, "random": 1.72, "gold": 1.93}
    assert summary.mean_scores[0] == ("mini_instruct", {"best": 2.4, "random": 1.6, "gold": None})
    assert summary.highest_score == 2.4
    assert summary.left_out[0] == ("all truncated", 51)
    assert summary.scale.startswith("of 3 = 1 task")
    assert summary.warning == ""
    assert summary.total_seconds == pytest.approx(31.2 + 0.3 + 22.5 + 1.4)
    assert ("start", 0.0) not in summary.seconds


def test_a_manifest_of_nulls_and_wrong_types_is_empty_and_not_an_error() -> None:
    manifest = {
        "status": "running",
        "counts": None,
        "rates_per_dataset": {"nq": None},
        "win_rate": {"nq": {"top_k=5": "many"}},
        "mean_score": {"best": None},
        "seconds": [1],
        "left_out": {"why": 0},
        "judges": None,
    }
    summary = summary_of(Round(path=Path(), number=0, manifest=manifest))
    assert not summary.is_complete
    assert summary.per_dataset[0][1]["tie"] is None
    assert summary.widest_win == 1.0
    assert summary.mean_score == {"best": None}
    assert summary.highest_score == 1.0
    assert (summary.scale, summary.warning) == ("", "")
    assert summary.seconds == summary.left_out == summary.judges == []
    assert summary.total_seconds is None
