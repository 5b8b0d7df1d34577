"""A row of an instruction-following set as an example."""

from __future__ import annotations

from reset_pl.data.sets.base import Dropped
from reset_pl.records import Example, Objective, stable_hash


def instruction_example(
    dataset: str, instruction: str | None, response: str | None = None, *, given: str = "", key: object = None
) -> Example | Dropped:
    """An instruction, with its response where a set has responses; empty ones are dropped (paper, section 2.1.1).

    Args:
        dataset: Name of the data set.
        instruction: What to do.
        response: The response; none for a set of prompts only.
        given: What the instruction is about (a text to classify), below the instruction and a blank line.
        key: The row's own id; a hash of the texts when not given, so that a row that comes twice has one id.
    """
    instruction, given = (instruction or "").strip(), given.strip()
    if not instruction:
        return Dropped("empty_instruction")
    if response is not None:
        response = response.strip()
        if not response:
            return Dropped("empty_response")
    if given:
        instruction = f"{instruction}\n\n{given}"
    if key is None:
        key = f"{stable_hash(instruction, response or ''):016x}"
    return Example(
        id=f"{dataset}/{key}",
        dataset=dataset,
        objective=Objective.INSTRUCTION,
        instruction=instruction,
        response=response,
        references=() if response is None else (response,),
    )
