from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from reset_pl.evaluation.health.health import judge_health, with_retests
from reset_pl.records import Status

from .ledgers import is_reference, place, prompt, verdict, words, write_round


def fair(candidate) -> float:
    """A judge with nothing to warn of: it tells answers apart, whatever their length."""
    return (place(candidate) * 7 + prompt(candidate) * 3) % 10 / 10


def warnings(tmp_path: Path, rate, *, held_out=(), **judges: Any) -> list[str]:
    path = write_round(
        tmp_path,
        {"judge": ("task", rate), **judges},
        prompts=20,
        texts=lambda k: [f"{'w ' * ((n * 3 + k) % 4)}{n} {k}" for n in range(6)],
        held_out=held_out,
    )
    return judge_health([path])["warnings"]


def test_a_good_judge_is_not_warned_of(tmp_path: Path) -> None:
    assert warnings(tmp_path, fair) == []


def one(found: list[str]) -> str:
    assert len(found) == 1, found
    return found[0]


@pytest.mark.parametrize(
    ("rate", "expected"),
    [
        (lambda c: Status.FAILED if prompt(c) == 3 else fair(c), "judge failed on 5% of what it should have scored (7"),
        (lambda c: Status.ABSTAINED, "judge scored no candidate"),
        (lambda c: 1.0, "judge gave every candidate the score 1.00: it decides nothing"),
        (lambda c: 1.0 if prompt(c) % 4 else fair(c), "judge gave its highest score to 75% of the candidates"),
        (lambda c: prompt(c) / 20, "judge scored different answers alike in 100% of the prompts"),
        (lambda c: words(c) / 10 + place(c) / 100, "judge scores the longer answers to a prompt higher"),
        (lambda c: 1 - words(c) / 10 - place(c) / 100, "judge scores the shorter answers to a prompt higher"),
        (lambda c: verdict(fair(c), version=f"v{place(c) % 2}"), "judge has 2 versions in these rounds (v0; v1)"),
        (lambda c: verdict(fair(c), model=f"m{place(c) % 2}"), "judge was answered by 2 models (m0, m1)"),
    ],
)
def test_each_trouble_has_its_line(tmp_path: Path, rate, expected: str) -> None:
    assert one(warnings(tmp_path, rate)).startswith(expected)


def test_binary_scores_may_be_high(tmp_path: Path) -> None:
    assert warnings(tmp_path, lambda c: float((place(c) + prompt(c)) % 3 > 0)) == []


def test_a_held_out_judge_makes_no_answers_longer(tmp_path: Path) -> None:
    assert warnings(tmp_path, lambda c: words(c) / 10 + place(c) / 100, held_out=["judge"]) == []


def test_judges_that_contradict_each_other(tmp_path: Path) -> None:
    line = one(warnings(tmp_path, fair, other=("task", lambda c: 0.9 - fair(c))))
    assert line.startswith("judge and other order the answers to a prompt differently (rank correlation −1.00, ")


def test_judges_that_agree_on_prompts_but_not_on_answers(tmp_path: Path) -> None:
    """Both know which prompts are hard, which makes for a high kappa; of the answers they like different ones."""

    def level(candidate, sign: int) -> float:
        return 0.5 + (0.4 if prompt(candidate) % 2 else -0.4) + sign * (fair(candidate) - 0.45) / 5

    line = one(warnings(tmp_path, lambda c: level(c, 1), other=("task", lambda c: level(c, -1))))
    assert "(rank correlation −1.00, weighted kappa 1.00)" in line


def test_another_scale_is_no_disagreement(tmp_path: Path) -> None:
    assert warnings(tmp_path, fair, other=("task", lambda c: fair(c) / 10)) == []


def test_noise_is_measured_by_what_there_is_to_tell(tmp_path: Path) -> None:
    report = judge_health([write_round(tmp_path, {"judge": ("task", fair)}, prompts=20)])
    spread = report["judges"]["judge"]["all"]["score"]["sd_within"]
    retest = {"n": 50, "identical": 0.5, "mean_absolute": 0.1, "correlation": 0.9, "status_changed": 0}
    for share, count in ((0.4, 0), (0.6, 1)):
        found = with_retests(report, {"judge": retest | {"sd": share * spread}})["warnings"]
        assert sum("the same answers a second time differently" in line for line in found) == count


def test_drift(tmp_path: Path) -> None:
    paths = [
        write_round(
            tmp_path,
            {"judge": ("task", lambda c, shift=shift: 0.4 + shift if is_reference(c) else fair(c))},
            number=number,
            prompts=20,
        )
        for number, shift in enumerate((0.0, 0.3))
    ]
    line = next(line for line in judge_health(paths)["warnings"] if "drifted" in line)
    assert line.startswith("judge drifted: +.30 [+.30, +.30] on the references of round-001 against those of round-000")


def test_tables_that_do_not_belong_together(tmp_path: Path) -> None:
    path = write_round(tmp_path, {"judge": ("task", fair)}, prompts=20)
    table = pq.read_table(path / "candidates.parquet")
    pq.write_table(table.slice(2), path / "candidates.parquet")
    assert judge_health([path])["warnings"][-1].startswith("2 verdicts are on candidates that candidates.parquet lacks")
