"""A user's own judge, named by class path: slow enough to be interrupted, and it writes down what it judged."""

from __future__ import annotations

import time
from collections.abc import Iterable
from pathlib import Path

from reset_pl.records import Aspect, Candidate, Example, Judge, Status, Verdict, stable_hash


class SlowJudge(Judge):
    """Rates by a hash of the text.

    Args:
        log: File that gets a line for each candidate judged.
        seconds: Pause before each verdict.
    """

    name = "slow"
    version = "1"
    aspect = Aspect.FAITHFULNESS

    def __init__(self, log: str, seconds: float) -> None:
        self.log = Path(log)
        self.seconds = seconds

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        for _, candidate in pairs:
            time.sleep(self.seconds)
            with self.log.open("a") as file:
                file.write(candidate.id + "\n")
            yield Verdict(
                candidate_id=candidate.id,
                judge=self.name,
                version=self.version,
                aspect=self.aspect,
                status=Status.SCORED,
                score=stable_hash(candidate.text) % 1000 / 1000,
            )
