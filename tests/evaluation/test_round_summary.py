from pathlib import Path

from reset_pl.evaluation.round_summary import summary_of
from reset_pl.evaluation.run_directory import Round, read_run


def test_counts_and_rates_stand_together_and_decodings_are_ordered_by_value(run_dir: Path) -> None:
    summary = summary_of(read_run(run_dir).rounds[0])
    assert summary.counts["candidates"] == 5600
    name, values = summary.per_dataset[1]
    assert (name, values["selected"], values["duplicate"]) == ("mini_nq", 180, 0.118)
    assert summary.win_labels[3:] == ["temperature=0.7", "top_k=5", "top_k=20", "top_k=100"]
    assert [key for key, _ in summary.mean_score] == ["gold", "random", "best"]
    assert summary.total_seconds == 73.2
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
    assert summary.mean_score == summary.seconds == summary.left_out == summary.judges == []
    assert summary.total_seconds is None
