"""The records that cross module boundaries. Frozen, keyword-only, joined on ids; this file imports nothing of ours."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

IGNORE_INDEX = -100
"""Label of a token that carries no loss (PyTorch's and transformers' convention)."""

NOT_IN_PASSAGES = "The passages do not answer the question."
"""The stated answer to a question that its passages do not answer; the target of an unanswerable example."""


class Objective(StrEnum):
    """What an example asks for. Everything but ``INSTRUCTION`` is context-dependent: its answer must be grounded."""

    INSTRUCTION = "instruction"
    EXTRACTIVE_QA = "extractive_qa"
    ABSTRACTIVE_QA = "abstractive_qa"
    SUMMARIZATION = "summarization"

    @property
    def is_context_dependent(self) -> bool:
        """Whether the answer must be grounded in the example's passages."""
        return self is not Objective.INSTRUCTION

    @property
    def is_question(self) -> bool:
        """Whether a question is asked that its passages may leave open."""
        return self in (Objective.EXTRACTIVE_QA, Objective.ABSTRACTIVE_QA)


class Aspect(StrEnum):
    """What a verdict rates (paper, section 5.1)."""

    TASK = "task"
    INSTRUCTION = "instruction"
    FAITHFULNESS = "faithfulness"


class Status(StrEnum):
    """How a judgement ended. A failure is its own state, never a score of 0."""

    SCORED = "scored"
    ABSTAINED = "abstained"
    """The judge has nothing to say here (no reference to compare with, no checkable constraint)."""
    FAILED = "failed"
    """The judge should have scored and could not (an error, a reply that does not parse)."""
    DECLINED = "declined"
    """The answer says that the passages do not answer the question: neither grounded nor a failure."""


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """One rule-checkable part of an instruction, named as in IFEval (``length_constraints:number_words``)."""

    id: str
    """IFEval instruction id."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Arguments of the check, e.g. ``{"num_words": 20, "relation": "at least"}``."""


@dataclass(frozen=True, kw_only=True)
class Example:
    """One prompt with what is known about its answer."""

    id: str
    """Stable across runs: ``<dataset>/<source id or content hash>``."""
    dataset: str
    """Name of the data set; scores and mixtures are kept by it."""
    objective: Objective
    """What the example asks for."""
    instruction: str
    """What to do, in words."""
    question: str | None = None
    """The question, in question answering."""
    passages: tuple[str, ...] = ()
    """The context, in order: retrieved passages, or the one article of a summary."""
    response: str | None = None
    """The supervised target; may be absent outside supervised stages."""
    rejected: str | None = None
    """The answer that the response is preferred to, in preference tuning; else none."""
    references: tuple[str, ...] = ()
    """Answers that a task metric compares with; without them the task score abstains."""
    constraints: tuple[Constraint, ...] = ()
    """Rule-checkable constraints that the instruction states."""
    answerable: bool = True
    """False where the passages do not answer the question: the honest answer is to say so (``NOT_IN_PASSAGES``)."""


@dataclass(frozen=True, kw_only=True)
class Decoding:
    """One way of decoding. ``temperature`` 0 is greedy; ``top_k`` 0 and ``top_p`` 1 switch the filters off."""

    temperature: float
    """Softmax temperature; 0 takes the most likely token."""
    top_k: int = 0
    """Keep only this many most likely tokens; 0 keeps all."""
    top_p: float = 1.0
    """Keep the smallest set of tokens with at least this probability mass."""
    max_new_tokens: int = 480
    """Length limit of an answer, in tokens (paper, section 2.2)."""
    label: str = "greedy"
    """Name under which win rates are reported, e.g. ``temperature=0.3``."""


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """One sampled answer."""

    id: str
    """``<round>/<example id>/<procedure>/<decoding index>``."""
    example_id: str
    """The prompt that it answers."""
    round: int
    """Number of the RESET round."""
    procedure: str
    """The decoding axis that was varied: ``temperature`` or ``top_k``."""
    decoding: Decoding
    """How it was drawn."""
    text: str
    """The answer, without special tokens."""
    token_ids: tuple[int, ...]
    """The answer as sampled, the end-of-sequence token excluded."""
    finish_reason: str
    """``stop`` (the model ended it) or ``length`` (cut off by the limit)."""
    seed: int
    """Hash of the run's seed and the id: the same candidate, whoever draws it."""


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One judge's word on one candidate. Unique on the first four fields."""

    candidate_id: str
    """The candidate judged."""
    judge: str
    """The judge's name."""
    version: str
    """Changes when the judge's scores could change."""
    aspect: Aspect
    """What was rated."""
    status: Status
    """Whether ``score`` may be used."""
    score: float | None = None
    """In [0, 1] when scored, else none."""
    raw: float | None = None
    """The judge's own number before it was mapped to [0, 1]."""
    detail: str = ""
    """What a reader wants to know of it: the words of a judge, the constraints broken, the error."""
    cost: float = 0.0
    """Money spent, in US dollars."""
    model: str = ""
    """The model that answered, as its endpoint names it; empty for judges that ask none."""


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What became of one example: a chosen candidate, or the reason why none was chosen."""

    example_id: str
    """The prompt."""
    candidate_id: str | None
    """The chosen candidate; none when the example was left out."""
    score: float | None
    """Weighted score of the chosen candidate (paper, section 5.1)."""
    text: str | None = None
    """The answer to tune on; none when the example was left out."""
    parts: dict[str, float] = field(default_factory=dict)
    """Aspect → mean score of the chosen candidate."""
    reason: str = "best"
    """``best``, ``tie`` (drawn among equals), or why nothing was selected."""
    rank: int = 0
    """Place among the chosen answers of the prompt, 0 the best; above 0 only where a selector chooses several."""
    rejected_id: str | None = None
    """The candidate that the chosen one is preferred to, where a selector makes pairs; else none."""
    rejected_text: str | None = None
    """Its text."""
    rejected_score: float | None = None
    """Its weighted score."""


class Judge(Protocol):
    """Rates candidates on one aspect. Anything with these members is a judge; YAML names it by ``class_path``."""

    name: str
    version: str
    aspect: Aspect

    def judge(self, pairs: Iterable[tuple[Example, Candidate]]) -> Iterable[Verdict]:
        """Yield one verdict for each pair that the judge is for, in any order; skip objectives that are not its own."""
        ...


def stable_hash(*parts: object) -> int:
    """63-bit hash of the parts, the same in every process and on every machine.

    >>> stable_hash(1, "a") == stable_hash(1, "a"), stable_hash(1, "a") == stable_hash("1a")
    (True, False)
    """
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1
