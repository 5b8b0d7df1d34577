from collections.abc import Iterable
from pathlib import Path

import pytest

from reset_pl.errors import InputError
from reset_pl.evaluation.health.judged import finished_rounds, read_judged
from reset_pl.evaluation.health.retest import retest
from reset_pl.judging.forecast import Forecast
from reset_pl.records import Candidate, Example, Status, Verdict
from tests.conftest import ScriptedJudge

from .ledgers import is_reference, place, words, write_round


def rounds_of(tmp_path: Path, count: int = 2, **settings):
    rate = {"scripted": ("task", lambda c: 0.0 if is_reference(c) else place(c) / 10)}
    for number in range(count):
        own = {"texts": lambda k, last=f" {number}": tuple(text + last for text in ("a", "a b", "a b c"))}
        write_round(tmp_path, rate, number=number, prompts=10, **(own | settings))
    return read_judged(finished_rounds([tmp_path]))


def test_stored_candidates_are_judged_again_and_compared(tmp_path: Path) -> None:
    seen: list[tuple[Example, Candidate]] = []

    def rate(example: Example, candidate: Candidate) -> float:
        seen.append((example, candidate))
        return place(candidate) / 10 + (0.1 if len(seen) % 2 else 0.0)

    found = retest(rounds_of(tmp_path), [ScriptedJudge(rate)], 20)["scripted"]
    assert (found["n"], found["status_changed"], found["version"]) == (20, 0, "1")
    assert found["identical"] == 0.5
    assert found["mean_absolute"] == pytest.approx(0.05)
    assert found["models"] == {}
    for example, candidate in seen:
        assert example.id == candidate.example_id
        assert candidate.id.startswith(f"{candidate.round}/{example.id}/temperature/")
        assert candidate.text == f"{('a', 'a b', 'a b c')[place(candidate)]} {candidate.round}"
    assert {candidate.round for _, candidate in seen} == {0, 1}


def test_the_sample_is_seeded_and_asks_about_no_answer_twice(tmp_path: Path) -> None:
    judged = rounds_of(tmp_path, texts=lambda k: ("same", "same", "other"))
    samples = []
    for seed in (0, 0, 1):
        judge = ScriptedJudge(lambda e, c: 0.5)
        retest(judged, [judge], 12, seed=seed)
        samples.append(judge.judged)
    assert samples[0] == samples[1] != samples[2]
    judge = ScriptedJudge(lambda e, c: 0.5)
    assert retest(judged, [judge], 10_000)["scripted"]["n"] == 10 * 2  # two texts of ten examples, in either round
    assert not any("reference" in candidate_id for candidate_id in judge.judged)


def test_verdicts_that_have_no_score_any_more_are_counted(tmp_path: Path) -> None:
    def rate(example: Example, candidate: Candidate) -> float | None:
        if place(candidate) == 0:
            raise RuntimeError("no reply")
        return None if place(candidate) == 1 else 0.2

    found = retest(rounds_of(tmp_path, 1), [ScriptedJudge(rate)], 100)["scripted"]
    assert (found["n"], found["status_changed"], found["identical"]) == (10, 20, 1.0)


def test_only_judges_that_scored_something_there(tmp_path: Path) -> None:
    judged = rounds_of(tmp_path, 1)
    known, other = ScriptedJudge(lambda e, c: 0.5), ScriptedJudge(lambda e, c: 0.5, name="other")
    assert set(retest(judged, [known, other], 5)) == {"scripted"}
    assert other.judged == []
    with pytest.raises(InputError, match=r"expected --config with a judge of these rounds \(scripted\), .* has other"):
        retest(judged, [other], 5)
    write_round(tmp_path / "silent", {"scripted": ("task", lambda c: Status.FAILED)})
    with pytest.raises(InputError, match="none scored anything"):
        retest(read_judged(finished_rounds([tmp_path / "silent"])), [known], 5)


class PaidJudge(ScriptedJudge):
    """A judge with a price and a budget, as one that asks an endpoint."""

    chunks_at_once = 1
    allow_model_change = False

    def __init__(self, budget: float | None) -> None:
        super().__init__(lambda e, c: words(c) / 10)
        self.budget = budget
        self.began = 0

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        assert self.began == 1, "a round of requests was not begun"
        return super().judge(pairs)

    def forecast(self, pairs: Iterable[tuple[Example, Candidate]], times: int = 1) -> Forecast:
        calls = len(list(pairs))
        return Forecast(judge=self.name, calls=calls, unit="requests", dollars=0.1 * calls)

    def share(self, world_size: int, spent: float = 0.0) -> None:
        self.began += 1

    def note(self) -> str:
        return ""


def test_what_it_costs_is_said_before_and_kept_to(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    judged = rounds_of(tmp_path, 1)
    retest(judged, [PaidJudge(1.0)], 10)
    assert "retest: scripted: at most 10 requests, $1.00" in capsys.readouterr().err
    poor = PaidJudge(0.99)
    with pytest.raises(InputError, match=r"covers the retest, \$1.00 at most \(\d+ \w+\), but it is \$0.99"):
        retest(judged, [poor], 10)
    assert poor.judged == []
