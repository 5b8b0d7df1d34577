"""A round that is asked to stop: what is in work is committed, what has not begun is left, nothing is done twice."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from reset_pl import interruption
from reset_pl.errors import InputError
from reset_pl.interruption import Interrupted
from reset_pl.records import Candidate, Example, Verdict
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.ranks import Ranks, leaving_together, wait_until
from tests.conftest import ScriptedJudge, ScriptedSampler
from tests.rounds.test_round import answer, is_right, run, run_ranks, tables

pytestmark = pytest.mark.usefixtures("caught_signals")


class Signalling(ScriptedSampler):
    """Is signalled while it draws the second of its chunks."""

    def sample(self, examples: Any, plan: Any) -> Iterable[Candidate]:
        candidates = list(super().sample(examples, plan))
        if 12 < len(self.drawn) <= 24:
            os.kill(os.getpid(), signal.SIGUSR1)
        return candidates


class Slow(ScriptedJudge):
    """Takes a moment for a chunk."""

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        time.sleep(0.1)
        return super().judge(pairs)


class DiesWithTheSignal(ScriptedSampler):
    """As one whose own process the signal ends, too."""

    def sample(self, examples: Any, plan: Any) -> Iterable[Candidate]:
        os.kill(os.getpid(), signal.SIGTERM)
        raise InputError("the engine has ended")


def test_chunks_begun_are_committed_and_no_other(tmp_path: Path) -> None:
    directory, sampler, judge = tmp_path / "round-000", Signalling(answer), Slow(is_right)
    with pytest.raises(Interrupted, match="what has been sampled and judged is kept"):
        run(directory, sampler, [judge])
    parts = [path.name for path in (directory / "parts").iterdir()]
    assert len([name for name in parts if name.startswith("candidates-")]) == 2
    assert 1 <= len([name for name in parts if name.startswith("verdicts-")]) <= 2
    assert len(judge.judged) == sum(
        len(Ledger(directory).read_part("verdicts", name[18:-8], "scripted") or ())
        for name in parts
        if name.startswith("verdicts-")
    )
    interruption._received.clear()  # the next start is another process
    ledger = run(directory, sampler, [judge])
    assert set(Counter(sampler.drawn).values()) == set(Counter(judge.judged).values()) == {1}
    assert tables(ledger) == tables(run(tmp_path / "whole" / "round-000"))
    assert not ledger.parts.exists()


def test_a_round_that_waits_for_judges_is_left_too(tmp_path: Path) -> None:
    parts = tmp_path / "round-000" / "parts"

    class Waits(ScriptedJudge):
        def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
            while len(list(parts.glob("candidates-*"))) < 20:
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.6)  # longer than the pause between two looks
            return super().judge(pairs)

    with pytest.raises(Interrupted):
        run(tmp_path / "round-000", ScriptedSampler(answer), [Waits(is_right)], chunk_size=1)
    assert len(list(parts.glob("verdicts-*"))) in (1, 2)


def test_a_sampler_that_the_signal_ends_is_no_failure(tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        run(tmp_path / "round-000", DiesWithTheSignal(answer), [ScriptedJudge(is_right)])
    assert Ledger(tmp_path / "round-000").failures() == {}


def test_all_ranks_leave_with_the_one_that_is_told(tmp_path: Path) -> None:
    told, others = Signalling(answer), [ScriptedSampler(answer) for _ in range(2)]
    errors = run_ranks(tmp_path / "round-000", [told, *others], [[Slow(is_right)] for _ in range(3)], chunk_size=1)
    assert [type(error) for error in errors] == [Interrupted] * 3


def test_a_rank_that_was_told_takes_along_one_that_had_finished(tmp_path: Path) -> None:
    with pytest.raises(Interrupted), leaving_together(Ledger(tmp_path), Ranks(world_size=2, anyone=lambda said: True)):
        pass


def test_waiting_ends_when_another_rank_was_told(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path)
    ledger.parts.mkdir()
    threading.Timer(0.1, ledger.note_interruption).start()
    with pytest.raises(Interrupted):
        wait_until(lambda: False, ledger)
    ledger.forget_stops()
    assert not ledger.interrupted


def test_ctrl_c_calls_off_what_a_judge_waits_for(tmp_path: Path) -> None:
    class Endpoint(ScriptedJudge):
        """Answers when it is closed, and no sooner."""

        closed = threading.Event()

        def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
            assert self.closed.wait(20)
            raise InputError("closed")

        def close(self) -> None:
            self.closed.set()

    class Interrupting(ScriptedSampler):
        def sample(self, examples: Any, plan: Any) -> Iterable[Candidate]:
            if self.drawn:
                raise KeyboardInterrupt
            return list(super().sample(examples, plan))

    started = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "round-000", Interrupting(answer), [Endpoint(is_right)])
    assert time.monotonic() - started < 5
