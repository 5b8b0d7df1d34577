"""Bars before and after: the arms' averages, and the examples whose lengths are alike, by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import pyarrow.parquet as pq
import pytest

from reset_pl.figures.before_after import by_reference_length, change, like_length
from reset_pl.figures.figures import CD_THEN_IF, IF_THEN_CD
from reset_pl.figures.subjects import NotPossible, read_source
from tests.figures.conftest import ARMS, SETS, build_study, write_stage
from tests.figures.test_plane import macro

ARMS_OF_A_RUN = ("", "", "")


def heights(figure: Any) -> dict[str, list[float]]:
    """Label → heights of its bars."""
    bars = [c for c in figure.axes[0].containers if type(c).__name__ == "BarContainer"]
    return {bar.get_label(): [patch.get_height() for patch in bar.patches] for bar in bars}


def whiskers(figure: Any) -> dict[str, list[list[float]]]:
    bars = [c for c in figure.axes[0].containers if type(c).__name__ == "BarContainer"]
    return {
        bar.get_label(): [[float(y) for y in ends[:, 1]] for ends in bar.errorbar[2][0].get_segments()] for bar in bars
    }


def numbers_below(figure: Any) -> list[str]:
    """The numbers of examples, bar by bar."""
    return [text.get_text() for text in figure.axes[0].texts if text.get_text().isdigit()]


def rows(run: Path, stage: str) -> dict[str, dict[str, Any]]:
    return {row["example_id"]: row for row in pq.read_table(run / "evaluation" / f"{stage}.parquet").to_pylist()}


@pytest.mark.parametrize("arms", [CD_THEN_IF, IF_THEN_CD])
def test_bars_are_the_means_over_seeds_with_their_deviation(study: Path, arms: tuple[str, str, str]) -> None:
    figure = change(read_source(study), arms)
    assert list(heights(figure)) == [ARMS[arm][0] for arm in arms]
    keys = ("instruction", "faithfulness_abstractive", "faithfulness_extractive", "task")
    runs = [study / arms[1] / f"seed-{seed}" for seed in range(3)]
    for place, key in enumerate(keys):
        values = [macro(run, "sft")[key]["mean"] for run in runs]
        title = ARMS[arms[1]][0]
        assert heights(figure)[title][place] == pytest.approx(fmean(values))
        assert whiskers(figure)[title][place] == pytest.approx(
            [fmean(values) - stdev(values), fmean(values) + stdev(values)]
        )
    assert len({patch.get_hatch() for patch in figure.axes[0].patches}) == 3


def test_the_control_may_be_missing_and_the_others_may_not(tmp_path: Path) -> None:
    arms = {name: ARMS[name] for name in ("cd", "cd_then_if")}
    source = read_source(build_study(tmp_path / "study", arms, [0]))
    assert list(heights(change(source, CD_THEN_IF))) == ["CD", "CD→IF"]
    with pytest.raises(NotPossible, match="arm zero_shot"):
        change(source, IF_THEN_CD)


def test_answers_are_parted_by_the_length_of_their_reference(make_run: Callable[..., Path]) -> None:
    run = make_run(start=(0, 0.8, 0.2), sft=(80, 0.4, 0.7))
    for stage, numbers in (("start", (0, 0.8, 0.2)), ("sft", (80, 0.4, 0.7))):
        # References of 10 tokens: even examples are as long, odd ones 6 longer, every fifth 5 longer.
        write_stage(
            run, stage, *numbers,
            reference_token_count=lambda n: 10, token_count=lambda n: 15 if n % 5 == 0 else 10 + 6 * (n % 2),
        )  # fmt: skip
    figure = by_reference_length(read_source(run), ARMS_OF_A_RUN, longer=5)
    for stage in ("start", "sft"):
        own = rows(run, stage)
        expected = []
        for keep in (lambda n: n % 2 == 0 and n % 5, lambda n: n % 2 == 1 and n % 5):
            sets = [
                [own[f"{name}/{n}"]["faithfulness"] for n in range(24) if keep(n)]
                for name, group in SETS.items()
                if group in ("summarization", "abstractive_qa")
            ]
            expected.append(fmean(map(fmean, sets)))
        assert heights(figure)[stage] == pytest.approx(expected)
    counts = [2 * sum(1 for n in range(24) if n % 5 and n % 2 == odd) for odd in (0, 1)]
    assert numbers_below(figure) == 2 * [f"{count}" for count in counts]


def test_without_an_answer_so_long_there_is_no_figure(study: Path) -> None:
    with pytest.raises(NotPossible, match="more than 100 tokens longer"):
        by_reference_length(read_source(study), CD_THEN_IF, longer=100)


def test_a_run_without_lengths_of_references_says_so(make_run: Callable[..., Path]) -> None:
    run = make_run(start=(0, 0.8, 0.2), sft=(80, 0.4, 0.7))
    for path in (run / "evaluation").glob("*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["reference_token_count"]), path)
    with pytest.raises(NotPossible, match="reference_token_count"):
        by_reference_length(read_source(run), ARMS_OF_A_RUN, longer=5)


def test_instruction_following_at_like_length_pairs_examples_and_seeds(study: Path) -> None:
    figure = like_length(read_source(study), IF_THEN_CD, similar=10)
    before, after = (ARMS[arm][0] for arm in IF_THEN_CD[:2])
    start = rows(study / "zero_shot" / "seed-0", "start")
    ends = [rows(study / "if_then_cd" / f"seed-{seed}", "sft") for seed in range(3)]
    alike = [[], []]
    kept = 0
    for end in ends:
        by_set: list[list[list[float]]] = [[], []]
        for name in ("alpaca", "koala"):
            ids = [f"{name}/{n}" for n in range(24)]
            ids = [i for i in ids if abs(start[i]["token_count"] - end[i]["token_count"]) <= 10]
            kept += len(ids)
            by_set[0].append([start[i]["instruction"] for i in ids])
            by_set[1].append([end[i]["instruction"] for i in ids])
        for side in (0, 1):
            alike[side].append(fmean(map(fmean, by_set[side])))
    assert 0 < kept < 3 * 48  # the limit leaves some out, and some in
    assert heights(figure)[before][1] == pytest.approx(fmean(alike[0]))
    assert heights(figure)[after][1] == pytest.approx(fmean(alike[1]))
    everything = fmean(macro(study / "if_then_cd" / f"seed-{seed}", "sft")["instruction"]["mean"] for seed in range(3))
    assert heights(figure)[after][0] == pytest.approx(everything)
    assert numbers_below(figure) == ["144", f"{kept}"] * 2


def test_one_stage_has_no_before(make_run: Callable[..., Path]) -> None:
    with pytest.raises(NotPossible, match="two stages"):
        like_length(read_source(make_run(start=(0, 0.8, 0.2))), ARMS_OF_A_RUN, similar=10)
