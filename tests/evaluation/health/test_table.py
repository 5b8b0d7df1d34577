from pathlib import Path

from reset_pl.evaluation.health.health import judge_health, with_retests
from reset_pl.evaluation.health.table import format_health
from reset_pl.records import Status

from .ledgers import is_reference, place, prompt, verdict, words, write_round


def table(tmp_path: Path, judges, rounds: int = 1, **settings) -> str:
    paths = [write_round(tmp_path, judges, number=number, prompts=12, **settings) for number in range(rounds)]
    return format_health(judge_health(paths))


def row(text: str, name: str) -> list[str]:
    cells = (line.split() for line in text.splitlines())
    return next(found for found in cells if " ".join(found).startswith(name))


def test_a_row_a_judge_and_data_set(tmp_path: Path) -> None:
    text = table(tmp_path, {"judge": ("task", lambda c: place(c) / 2)}, datasets=("a", "b"))
    lines = text.splitlines()
    assert lines[0] == "round-000: 72 candidates and 24 references"
    assert lines[2].split() == [
        "judge",
        "data",
        "set",
        "scored",
        *["mean", "sd", "top", "bottom", "values", "alike", "length", "(all)"],
    ]
    assert lines[4].split() == ["judge", "all", "96", ".50", ".41", "33%", "33%", "3", "0%", "+1.00", "(+1.00)"]
    assert [line.split()[:2] for line in lines[5:7]] == [["a", "48"], ["b", "48"]]
    assert "agree" not in text
    assert max(map(len, lines[:8])) <= 118


def test_columns_appear_when_there_is_something_in_them(tmp_path: Path) -> None:
    def rate(candidate):
        return Status.DECLINED if is_reference(candidate) else verdict(None if prompt(candidate) < 3 else 0.5, cost=0.1)

    text = table(tmp_path, {"judge": ("task", rate)})
    heading = text.splitlines()[2].split()
    assert heading[3:7] == ["scored", "failed", "declined", "cost"]
    assert "9 [14%, 41%]" in text
    assert "$3.60" in text
    assert "abstained" not in heading


def test_agreement_repeats_and_drift_have_tables_of_their_own(tmp_path: Path) -> None:
    judges = {
        "one": ("task", lambda c: verdict(words(c) / 10, model="m", cost=1.0)),
        "two": ("task", lambda c: words(c) / 20),
    }
    text = table(tmp_path, judges, rounds=2, texts=lambda k: ("a", "a", "b c"))
    assert row(text, "one, two")[2:4] == ["qa", "72"]
    assert row(text, "one, two")[-2:] == ["100%", "(50%)"]
    assert row(text, "one equal answers")[1:] == ["equal", "answers", "60", "100%", ".00", ".00", "1.00"]
    assert "equal answers got equal scores from two" in text
    assert row(text, "mean on the references") == ["mean", "on", "the", "references", "round-000", "round-001"]
    assert text.endswith("\n")


def test_warnings_stand_last_or_there_are_none(tmp_path: Path) -> None:
    report = judge_health([write_round(tmp_path, {"judge": ("task", lambda c: 1.0)})])
    assert format_health(report).splitlines()[-1].startswith("warning: judge gave every candidate the score 1.00")
    assert format_health({**report, "warnings": []}).splitlines()[-1] == "no warnings"


def test_a_judge_without_scores_and_a_round_without_judges(tmp_path: Path) -> None:
    text = table(tmp_path / "a", {"judge": ("task", lambda c: Status.ABSTAINED)})
    assert row(text, "judge qa") == ["judge", "qa", "0", "48", *"–––––––", "(–)"]
    assert "judge scored no candidate" in text
    assert "no warnings" in table(tmp_path / "b", {})


def test_a_retest_is_shown(tmp_path: Path) -> None:
    report = judge_health([write_round(tmp_path, {"judge": ("task", lambda c: place(c) / 10)})])
    retest = {"n": 50, "identical": 0.5, "mean_absolute": 0.01, "sd": 0.02, "correlation": 0.9, "status_changed": 0}
    assert row(format_health(with_retests(report, {"judge": retest})), "judge retest") == [
        "judge", "retest", "50", "50%", ".01", ".02", ".90",
    ]  # fmt: skip
