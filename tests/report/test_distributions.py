"""The spread of a round's scores, against the statistics that the round itself keeps."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from reset_pl.evaluation.results import read_run
from reset_pl.records import Aspect, Status, Verdict
from reset_pl.report.distributions import Distributions, distributions_of
from reset_pl.rounds.decision import Decisions
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.selectors import WeightedSelector
from reset_pl.rounds.tables import candidate_row, prompt_row, selected_row, verdict_row
from tests.conftest import make_example
from tests.lineage.test_life import candidate


def build(run: Path, *, prompts: int = 40) -> dict[str, float]:
    """A round of random scores, one judge failing now and then; the manifest's mean scores."""
    rng = np.random.default_rng(0)
    examples = [make_example(n) for n in range(prompts)]
    drawn, verdicts = [], []
    for example in examples:
        own = [candidate(example, n, f"text {n}") for n in range(3)]
        own.append(candidate(example, 0, "w", id=f"0/{example.id}/reference/0", procedure="reference"))
        for one in own:
            for judge, aspect in (
                ("a", Aspect.FAITHFULNESS),
                ("b", Aspect.FAITHFULNESS),
                ("c", Aspect.TASK),
                ("x", Aspect.TASK),
            ):
                fails = judge == "a" and one.procedure != "reference" and rng.random() < 0.1
                score = None if fails else float(rng.random())
                status = Status.FAILED if fails else Status.SCORED
                verdicts.append(
                    Verdict(candidate_id=one.id, judge=judge, version="1", aspect=aspect, status=status, score=score)
                )
        drawn += own
    decisions = Decisions(WeightedSelector(faithfulness_weight=3.0), frozenset({"x"}))
    selections = decisions.add(examples, drawn, verdicts)
    ledger = Ledger(run / "rounds" / "round-000")
    judges = [{"name": "x", "held_out": True}]
    manifest = {"round": 0, "status": "complete", "judges": judges, **decisions.statistics()}
    ledger.write_manifest(manifest)
    ledger.write_table([prompt_row(example) for example in examples], "prompts")
    ledger.write_table([candidate_row(one, "qa") for one in drawn], "candidates")
    ledger.write_table([verdict_row(one) for one in verdicts], "verdicts")
    ledger.write_table([selected_row(one, "qa") for one in selections if one.text is not None], "selected")
    return manifest["mean_score"]


def found(run: Path) -> Distributions:
    distributions = distributions_of(read_run(run).rounds[0])
    assert distributions is not None
    return distributions


def test_the_means_are_those_of_the_round(tmp_path: Path) -> None:
    means = build(tmp_path)
    (against,) = found(tmp_path).against_gold
    assert against.n == 40
    assert against.chosen == pytest.approx(means["best"])
    assert against.gold == pytest.approx(means["gold"])
    assert against.difference.mean == pytest.approx(means["best"] - means["gold"])
    assert against.better + against.equal + against.worse == pytest.approx(1.0)


def test_the_difference_is_paired_and_its_interval_that_of_a_mean(tmp_path: Path) -> None:
    build(tmp_path)
    ledger = Ledger(tmp_path / "rounds" / "round-000")
    weights = {"faithfulness": 3.0, "task": 1.0}
    scores: dict[str, dict[str, list[float]]] = {}
    for row in ledger.read_table("verdicts"):
        if row["judge"] != "x" and row["score"] is not None:
            scores.setdefault(row["candidate_id"], {}).setdefault(row["aspect"], []).append(row["score"])
    total = {one: sum(weights[a] * sum(v) / len(v) for a, v in parts.items()) for one, parts in scores.items()}
    pairs = [
        total[row["candidate_id"]] - total[f"0/{row['example_id']}/reference/0"]
        for row in ledger.read_table("selected")
    ]
    half = 1.96 * np.std(pairs, ddof=1) / np.sqrt(len(pairs))  # the textbook's, by the normal distribution
    (against,) = found(tmp_path).against_gold
    assert against.difference.low == pytest.approx(np.mean(pairs) - half, abs=0.15 * half)
    assert against.difference.high == pytest.approx(np.mean(pairs) + half, abs=0.15 * half)


def test_bars_are_shares_of_all_candidates(tmp_path: Path) -> None:
    build(tmp_path)
    distributions = found(tmp_path)
    (panel,) = distributions.panels
    corners = [tuple(map(float, point.split(","))) for point in panel.chosen.split()]
    heights = [distributions.bottom - y for _, y in corners[2:-1:2]]
    peak = float(panel.peak.rstrip("%")) / 100
    room = distributions.bottom - distributions.top
    assert sum(height for *_, height in panel.bars) / room * peak == pytest.approx(1.0, abs=0.03)
    assert sum(heights) / room * peak == pytest.approx(1.0, abs=0.03)
    assert panel.gold


def test_rounds_that_tell_less(tmp_path: Path) -> None:
    build(tmp_path)
    round_dir = tmp_path / "rounds" / "round-000"
    ledger = Ledger(round_dir)
    rows = [row for row in ledger.read_table("candidates") if row["procedure"] != "reference"]
    ledger.write_table(rows, "candidates")  # references were not judged
    without = found(tmp_path)
    assert (without.panels[0].gold, without.against_gold) == ("", [])
    ledger.write_table([], "selected")  # nothing was chosen
    assert found(tmp_path).panels[0].chosen == ""
    ledger.write_table([], "verdicts")  # nothing was judged
    assert distributions_of(read_run(tmp_path).rounds[0]) is None
    (round_dir / "candidates.parquet").unlink()  # half written
    assert distributions_of(read_run(tmp_path).rounds[0]) is None
