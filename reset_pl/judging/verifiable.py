"""Instruction following by rules: which of the constraints that an instruction states does the answer follow?"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from reset_pl.errors import InputError
from reset_pl.judging.verdicts import abstained, judge_each, scored
from reset_pl.metrics.instructions import broken
from reset_pl.records import Aspect, Candidate, Example, Judge, Objective, Verdict

__all__ = ["VerifiableInstructionJudge"]


class VerifiableInstructionJudge(Judge):
    """Scores the share of an example's constraints that are followed; ``detail`` names those that are not.

    It abstains on instruction examples without constraints, and fails on constraint types that it does not know.

    Args:
        mode: ``strict``: the answer as it is must follow a constraint; ``loose``: one of IFEval's eight variants of it
            may (without its first or last line, without asterisks).
    """

    name = "verifiable_instruction"
    version = "2"
    aspect = Aspect.INSTRUCTION
    objectives = frozenset({Objective.INSTRUCTION})

    def __init__(self, mode: Literal["strict", "loose"] = "strict") -> None:
        if mode not in ("strict", "loose"):
            raise InputError(f"expected mode to be 'strict' or 'loose', got {mode!r}")
        self.loose = mode == "loose"
        if self.loose:
            self.version = f"{self.version} loose"

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        """One verdict for each instruction pair, as they come."""
        return judge_each(self, pairs, self._rate)

    def _rate(self, example: Example, candidate: Candidate) -> Verdict:
        if not example.constraints:
            return abstained(self, candidate, "no constraints")
        missed = [constraint.id for constraint in broken(candidate.text, example.constraints, loose=self.loose)]
        score = 1 - len(missed) / len(example.constraints)
        return scored(self, candidate, score, detail=f"not followed: {', '.join(missed)}" if missed else "")
