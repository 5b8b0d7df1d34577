import json
from pathlib import Path

from reset_pl.evaluation.health.health import judge_health, judged_twice, with_retests

from .ledgers import place, verdict, write_round


def test_the_report_is_json_without_nan(tmp_path: Path) -> None:
    path = write_round(
        tmp_path, {"none": ("task", lambda c: verdict(None)), "same": ("task", lambda c: 1.0)}, prompts=1
    )
    report = judge_health([path])
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["judges"]["none"]["all"]["score"] is None
    assert report["judges"]["none"]["all"]["length"] is None
    assert report["rounds"] == [{"name": "round-000", "path": str(path), "candidates": 3, "references": 1}]


def test_rounds_of_different_runs_with_different_judges(tmp_path: Path) -> None:
    first = write_round(tmp_path / "one", {"a": ("task", lambda c: 0.5), "both": ("task", lambda c: 0.5)})
    second = write_round(tmp_path / "two", {"b": ("task", lambda c: 0.5), "both": ("task", lambda c: 0.5)})
    report = judge_health([first, second])
    assert [entry["name"] for entry in report["rounds"]] == ["one/round-000", "two/round-000"]
    assert {name: judge["all"]["verdicts"]["scored"] for name, judge in report["judges"].items()} == {
        "a": 16,
        "b": 16,
        "both": 32,
    }
    assert "a said nothing in two/round-000" in report["warnings"]
    assert "b said nothing in one/round-000" in report["warnings"]


def test_what_is_told_of_answers_judged_twice(tmp_path: Path) -> None:
    def judge(model: str = "", noise: float = 0.0):
        return lambda c: verdict(0.5 + noise * place(c), model=model, cost=1.0)

    judges = {"model": judge("m"), "steady": judge(), "unsteady": judge(noise=0.1)}
    path = write_round(tmp_path, {n: ("task", rate) for n, rate in judges.items()}, texts=lambda k: ("same", "same"))
    report = judge_health([path])
    rows, same = judged_twice(report["judges"])
    assert [row[:2] for row in rows] == [("model", "equal answers"), ("unsteady", "equal answers")]
    assert same == ["steady"]
    again = report["judges"]["steady"]["repeats"]
    rows, _ = judged_twice(with_retests(report, {"steady": again, "gone": again})["judges"])
    assert [row[:2] for row in rows][1:2] == [("steady", "retest")]
