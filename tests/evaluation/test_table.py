import io
import json
from pathlib import Path

import pytest

from reset_pl.evaluation.results import Stage, read_run, read_stages
from reset_pl.evaluation.table import columns_of, format_rounds, format_table, print_tables

GOLDEN = """\
        abstractive ─────────────   extractive ──   all sets
stage   marco  wikisum*      mean    nq      mean       mean         IF
───────────────────────────────────────────────────────────────────────
MTL       .92       .80  .86 ±.02   .90  .90 ±.02   .87 ±.02   .75 ±.02

faithfulness by data set; IF: instruction following; * unseen in training; ±: half of the 95% interval
"""


def _score(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.02, "high": mean + 0.02}


def _stage(name: str) -> Stage:
    def entry(group: str, seen: bool, mean: float) -> dict[str, object]:
        return {"group": group, "seen": seen, "n": 100, "faithfulness": _score(mean), "instruction": None}

    return Stage.from_json(
        {
            "stage": name,
            "datasets": {
                "nq": entry("extractive_qa", True, 0.9),
                "wikisum": entry("summarization", False, 0.8),
                "marco": entry("abstractive_qa", True, 0.92),
            },
            "macro": {
                "faithfulness": _score(0.87),
                "faithfulness_extractive": _score(0.9),
                "faithfulness_abstractive": _score(0.86),
                "instruction": _score(0.75),
            },
        }
    )


def test_the_table_of_one_stage_to_the_letter() -> None:
    assert format_table([_stage("mtl")]) == GOLDEN


@pytest.mark.parametrize("width", [140, 118, 100])
def test_it_fits_the_width_and_its_columns_align(run_dir: Path, width: int) -> None:
    lines = format_table(read_stages(run_dir), width=width).splitlines()
    assert max(map(len, lines)) <= width
    assert len({len(line) for line in lines[1:7]}) == 1


def test_intervals_give_way_last(run_dir: Path) -> None:
    stages = read_stages(run_dir)
    assert "unseen " in format_table(stages, width=140)
    assert "±" in format_table(stages, width=118)
    narrow = format_table(stages, width=60)
    assert "±" not in narrow
    assert ".76" in narrow


def test_columns_that_no_stage_fills_are_left_out(run_dir: Path) -> None:
    assert any(column.heading == "oracle" for column in columns_of(read_stages(run_dir)))
    assert not any(column.heading in ("oracle", "task") for column in columns_of([_stage("mtl")]))


def test_a_stage_without_a_set_gets_a_dash() -> None:
    bare = Stage.from_json({"stage": "round-000", "macro": {"instruction": _score(0.7)}})
    assert format_table([_stage("mtl"), bare]).splitlines()[4].split() == ["round", "0", *"–" * 6, ".70", "±.02"]


def test_no_stage_is_said_and_not_raised() -> None:
    assert format_table([]) == "no stage evaluated yet\n"


def _with_declines(name: str, declined: float | None, unanswerable: float | None) -> Stage:
    shares = {"declined": declined, "declined_unanswerable": unanswerable}
    return Stage.from_json(
        {
            "stage": name,
            "macro": {
                "instruction": _score(0.7),
                **{key: None if share is None else _score(share) for key, share in shares.items()},
            },
        }
    )


@pytest.mark.parametrize(
    ("declined", "unanswerable", "headings"),
    [
        (None, None, []),
        (0.0, None, []),
        (0.1, None, ["dodge"]),
        (0.0, 0.0, ["dodge", "honest"]),
        (0.1, 0.8, ["dodge", "honest"]),
    ],
)
def test_declines_have_columns_where_there_are_any(
    declined: float | None, unanswerable: float | None, headings: list[str]
) -> None:
    stages = [_with_declines("mtl", 0.0 if declined is not None else None, None)]
    stages.append(_with_declines("round-000", declined, unanswerable))
    assert [column.heading for column in columns_of(stages) if column.group == "declines"] == headings
    text = format_table(stages)
    assert ("declines" in text) == bool(headings)
    assert max(map(len, text.splitlines())) <= 118
    if unanswerable == 0.8:
        assert text.splitlines()[4].split()[-2:] == [".10", ".80"]


def test_rates_of_declines_have_columns_where_there_are_any(run_dir: Path) -> None:
    assert "dodged" not in format_rounds(read_run(run_dir).rounds)  # manifests from before there were such rates
    manifest = run_dir / "rounds" / "round-001" / "manifest.json"
    content = json.loads(manifest.read_text())

    def set_rates(declined: float | None, unanswerable: float | None) -> str:
        rates = {"declined": declined, "declined_unanswerable": unanswerable}
        content["rates"] |= rates
        content["rates_per_dataset"]["mini_nq"] |= rates
        manifest.write_text(json.dumps(content))
        return format_rounds(read_run(run_dir).rounds)

    assert "dodged" not in set_rates(0.0, None)
    lines = [line for line in set_rates(0.12, 0.5).splitlines() if line.startswith(("data set", "mini_nq"))]
    assert lines[2].endswith("dodged  honest declines")
    assert [line.split()[-2:] for line in lines[1::2]] == [["–", "–"], ["12%", "50%"]]


def test_rounds_list_counts_rates_and_what_was_left_out(run_dir: Path) -> None:
    text = format_rounds(read_run(run_dir).rounds)
    row = next(line for line in text.splitlines() if line.startswith("mini_nq"))
    assert row.split()[1:4] == ["200", "1,400", "180"]
    assert row.split()[5:] == ["12%", "2%", "6%", "0%", "0.4%"]
    assert "mean score: best 2.31, random 1.72, gold 1.93 (of 3 = 1 task + 2 faithfulness or instruction)" in text
    assert "left out: 51 all truncated; 29 judges failed" in text
    assert "warning" not in text


def test_judges_that_cannot_decide_and_unanswerable_rows_are_said(run_dir: Path) -> None:
    manifest = run_dir / "rounds" / "round-001" / "manifest.json"
    content = json.loads(manifest.read_text())
    content["mean_score_per_dataset"]["mini_nq"] = {"best": 0.0, "random": 0.0, "gold": 2.0}
    content["left_out"] = {"none_declined": 5}
    manifest.write_text(json.dumps(content))
    lines = format_rounds(read_run(run_dir).rounds[1:]).splitlines()
    assert "left out: 5 unanswerable, but no candidate said so" in lines
    assert [line for line in lines if line.startswith("warning")] == [
        "warning: the judges cannot tell the candidates of mini_nq apart: the choice among them is arbitrary"
    ]


def test_the_legend_explains_only_what_is_there() -> None:
    nq = {"group": "extractive_qa", "seen": True, "n": 9, "faithfulness": _score(0.9)}
    content = {"stage": "mtl", "datasets": {"nq": nq}, "macro": {"faithfulness": _score(0.87)}}
    without = format_table([Stage.from_json(content)])
    assert "IF" not in without
    assert "faithfulness by data set; ±" in without
    only = format_table([Stage.from_json({"stage": "mtl", "macro": {"instruction": _score(0.7)}})])
    assert only.splitlines()[-1] == "IF: instruction following; ±: half of the 95% interval"
    task = format_table(
        [Stage.from_json({"stage": "mtl", "macro": {"task": {"mean": 0.7, "low": None, "high": None}}})]
    )
    assert "IF" not in task


def test_a_running_round_with_an_empty_manifest_is_one_line(run_dir: Path) -> None:
    manifest = run_dir / "rounds" / "round-001" / "manifest.json"
    manifest.write_text(json.dumps({"round": 1, "status": "running", "mean_score": None}))
    assert format_rounds(read_run(run_dir).rounds[1:]) == "round 1 (running)\n"


def test_both_tables_are_printed(run_dir: Path) -> None:
    stream = io.StringIO()
    print_tables(run_dir, stream)
    assert "abstractive" in stream.getvalue()
    assert "round 1\n" in stream.getvalue()
