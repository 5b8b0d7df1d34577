"""The command, over rounds made by hand and over those of a real run."""

from __future__ import annotations

import doctest
import json
from pathlib import Path

import pytest

from reset_pl.__main__ import main
from reset_pl.configured import load_judges
from reset_pl.judge_health import main as judge_health
from reset_pl.report.report import write_report
from tests.evaluation.health.ledgers import place, verdict, write_round

ROOT = Path(__file__).parent.parent

JUDGES = """
trainer:
  callbacks:
    - class_path: callbacks.ResetRounds
      init_args:
        sampler: HFSampler
        judges:
          - ExactMatchJudge
          - { class_path: LLMJudge, init_args: { model: m, name: paid, cache_dir: DIR } }
        held_out_judges: [OracleJudge]
model: { class_path: ContinuedTuning, init_args: { model: nowhere } }
data: { train: [{ class_path: MiniSource, init_args: { dataset: mini_nq } }] }
"""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    judges = {
        "fine": ("task", lambda c: place(c) / 10),
        "dear": ("task", lambda c: verdict(0.5, model="gpt", cost=0.5)),
    }
    write_round(tmp_path / "run", judges)
    return tmp_path / "run"


def test_it_prints_the_table_and_writes_report_and_page(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["judge-health", str(run)]) == 0
    printed = capsys.readouterr().out
    assert "round-000: 12 candidates and 4 references" in printed
    assert printed.splitlines()[-1] == f"judge health: {run}/judge-health.json, {run}/judge-health.html"
    report = json.loads((run / "judge-health.json").read_text())
    assert report["judges"]["dear"]["all"]["cost"] == 8.0
    assert "<h1>Judge health</h1>" in (run / "judge-health.html").read_text()
    assert main(["judge-health", str(run / "rounds" / "round-000"), "--output", str(tmp_path / "a" / "b")]) == 0
    again = json.loads((tmp_path / "a" / "b" / "judge-health.json").read_text())
    assert again["judges"] == report["judges"]


def test_what_it_wrote_is_no_run_and_does_not_disturb_one(run: Path) -> None:
    judge_health([str(run)])
    write_report(run)
    judge_health([str(run)])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: directory; see python -m reset_pl judge-health --help"),
        (["RUN/none"], "but RUN/none is not a directory"),
        (["RUN", "RUN/checkpoints"], "RUN/checkpoints is not a directory"),
        (["RUN", "--retest", "1"], "argument --retest: expected at least 2 candidates, but got '1'"),
        (["RUN", "--config", "x.yaml"], "expected --retest N with --config"),
        (["RUN", "--retest", "5"], "expected --config with the judges to ask again, since RUN/config.yaml is not"),
        (["RUN", "--retest", "5", "--config", "RUN/none.yaml"], "none.yaml"),
        (["RUN", "--output", "RUN/rounds/round-000/manifest.json"], "expected to make the folder --output"),
    ],
)
def test_bad_input_is_one_line(
    run: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    status = main(["judge-health", *(argument.replace("RUN", str(run)) for argument in arguments)])
    error = capsys.readouterr().err
    assert status == 2
    assert message.replace("RUN", str(run)) in error
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert "Traceback" not in error


def test_the_examples_of_the_documentation_are_right() -> None:
    results = doctest.testfile(str(ROOT / "docs" / "judge-health.md"), module_relative=False)
    assert (results.attempted, results.failed) == (7, 0)


def test_help_says_what_judging_again_costs(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["judge-health", "--help"])
    assert stopped.value.code == 0
    assert "Judging again costs what judging costs" in " ".join(capsys.readouterr().out.split())


def test_judges_come_out_of_a_configuration_without_their_caches(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(JUDGES.replace("DIR", str(tmp_path / "cache")))
    judges = load_judges(["--config", str(config)])
    assert [judge.name for judge in judges] == ["exact_match", "paid", "oracle"]
    assert judges[1].cache_dir is None  # type: ignore[attr-defined]
    assert list(tmp_path.iterdir()) == [config]


def test_a_configuration_without_rounds_has_no_judges(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = run / "config.yaml"
    config.write_text("model: { class_path: SFT, init_args: { model: nowhere } }\ndata: { train: [] }\n")
    assert main(["judge-health", str(run), "--retest", "5"]) == 2
    assert "expected callbacks.ResetRounds with its judges in --config, but there is none" in capsys.readouterr().err


def test_a_retest_from_the_runs_own_configuration(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_round(run, {"exact_match": ("task", lambda c: 0.0), "other": ("task", lambda c: 0.5)}, prompts=5)
    (run / "config.yaml").write_text(JUDGES.replace("DIR", str(run / "cache")))
    # Exact match has no verdict on the hand-made instructions: all that were scored are so no more.
    assert main(["judge-health", str(run), "--retest", "6"]) == 0
    found = json.loads((run / "judge-health.json").read_text())["judges"]["exact_match"]["retest"]
    assert (found["n"], found["status_changed"]) == (0, 6)
    assert not (run / "cache").exists()
