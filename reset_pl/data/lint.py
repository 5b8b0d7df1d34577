"""Do the two objectives collide? A context-dependent instruction must say to stay with the passages.

A model is taught two things at once: to answer open instructions from all it knows, and to answer from a context
alone. The instruction is what tells them apart, which is why every context-dependent instruction of the paper (Table 3)
ends in "Do not include new information beyond the given passages".
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from reset_pl.data.prompts import TASK_INSTRUCTIONS
from reset_pl.records import Example, Objective

SAMPLE = 2000
"""Rows of a set that are looked at."""

FEW = 0.05
"""Share of an instruction set's rows below which grounding wording is taken for part of their topic."""

_CONTEXT = r"(?:passages?|contexts?|texts?|articles?|documents?|paragraphs?|excerpts?|sources?|evidence)\b"
_THE = r"(?:(?:the|this|that|these|those|any|your)\s+)?(?:\w+\s+)?"  # "the", "the retrieved", "these two"

GROUNDING = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        # "the given passages", "given the context", "the article provided", "the passages below"
        rf"\b(?:given|provided|supplied|retrieved)\s+{_THE}{_CONTEXT}",
        rf"\b{_CONTEXT}\s+(?:(?:that\s+)?(?:is|are)\s+)?(?:given|provided|supplied|retrieved|above|below)\b",
        # "from the passages", "based on the context", "only the text", "according to these documents"
        r"\b(?:from|based\s+(?:\w+\s+)?(?:on|upon)|only|solely|according\s+to|grounded\s+in|supported\s+by|using|within"
        rf"|faithful\s+to|stick(?:ing)?\s+to|beyond|outside)\s+(?:on\s+|use\s+)?{_THE}{_CONTEXT}",
        # "do not include new information", "without any outside knowledge", "never add facts of your own"
        r"(?:\b(?:not|never|no|without|avoid)|n['’]t)\s+(?:\w+\s+){0,3}(?:new|additional|external|outside|extra|other|prior"
        r"|further|own)\s+(?:\w+\s+)?(?:information|knowledge|facts?|details?|content|sources?)\b",
    )
)
"""What says, in English, to stay with the context."""


def is_grounded(instruction: str) -> bool:
    """Whether an instruction says to stay with the passages.

    >>> is_grounded("Answer from the passages."), is_grounded("Answer the question.")
    (True, False)
    """
    return any(pattern.search(instruction) for pattern in GROUNDING)


def lint(sets: Mapping[str, Sequence[Example]], seed: int = 0) -> list[str]:
    """Warn where instructions and objectives contradict each other.

    Of a set with more than ``SAMPLE`` rows a random sample of that many is looked at, and the warning says so.

    Args:
        sets: Data set → its examples.
        seed: Of the samples.

    Returns:
        One line a conflict: context-dependent rows whose instruction has no grounding wording; instruction rows that
        have it, but no passages (``FEW`` of them are let pass). The wording is looked for in English.
    """
    warnings: list[str] = []
    for name, examples in sets.items():
        rows, looked_at = _sample(examples, seed)
        for objective in sorted({row.objective for row in rows}):
            of_objective = [row for row in rows if row.objective is objective]
            warnings += _conflicts(name, objective, of_objective, looked_at)
    return warnings


def _sample(examples: Sequence[Example], seed: int) -> tuple[list[Example], str]:
    """Rows to look at, and words for a warning when they are not all."""
    if len(examples) <= SAMPLE:
        return list(examples), ""
    indices = sorted(random.Random(seed).sample(range(len(examples)), SAMPLE))
    return [examples[i] for i in indices], f" (of a sample of {SAMPLE:,} of the set's {len(examples):,} rows)"


def _conflicts(name: str, objective: Objective, rows: Sequence[Example], looked_at: str) -> Iterable[str]:
    if objective.is_context_dependent:
        counts = Counter(row.instruction for row in rows)
        bad = Counter({text: count for text, count in counts.items() if not is_grounded(text)})
        if bad:
            yield (
                f"{name}: {_rows(bad, rows, objective)}{looked_at} do not say to stay with the passages, e.g. "
                f"{_shown(bad)}: a model tuned on them learns to add what it knows (paper, Table 3); "
                f"expected wording like {TASK_INSTRUCTIONS[objective]!r}"
            )
        return
    counts = Counter(row.instruction for row in rows if not row.passages)
    bad = Counter({text: count for text, count in counts.items() if is_grounded(text)})
    if bad.total() > FEW * len(rows):
        yield (
            f"{name}: {_rows(bad, rows, objective)}{looked_at} speak of passages but have none, e.g. "
            f"{_shown(bad)}: a model tuned on them learns to answer such a request without its context; "
            "expected their passages and a context-dependent objective, or other wording"
        )


def _rows(bad: Counter[str], rows: Sequence[Example], objective: Objective) -> str:
    wordings = f"{len(bad):,} wording{'s' if len(bad) > 1 else ''}"
    return f"the instructions of {bad.total():,} of {len(rows):,} {objective} rows ({wordings})"


def _shown(bad: Counter[str], width: int = 100) -> str:
    text = " ".join(bad.most_common(1)[0][0].split())
    return repr(text if len(text) <= width else f"{text[:width]}…")
