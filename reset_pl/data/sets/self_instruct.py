"""Self-Instruct: 82,000 instances that GPT-3 wrote from 175 seed tasks."""

from __future__ import annotations

from typing import Any, Literal

from reset_pl.data.sets.base import Dropped, Origin, PublishedSource, Row
from reset_pl.data.sets.instruction import instruction_example
from reset_pl.records import Example

RAW = Origin(
    homepage="https://github.com/yizhongw/self-instruct",
    licence="Apache-2.0",
    folder="yizhongw/self-instruct",
    files={"train": "data/gpt3_generations/batch_221203/all_instances_82K.jsonl"},
    format="json",
    url="https://raw.githubusercontent.com/yizhongw/self-instruct/a40887bbd9a5e55b38ec2d0880d3e53f5ccbd6f0/",
)
HUB = Origin(
    homepage="https://huggingface.co/datasets/yizhongw/self_instruct",
    licence="Apache-2.0",
    folder="yizhongw/self_instruct",
    files={"train": "self_instruct/train/*.parquet"},
    format="parquet",
    revision="refs/convert/parquet",
)


class SelfInstruct(PublishedSource):
    """Self-Instruct without what comes with an input (paper, section 2.1.1).

    Args:
        shape: ``raw``, the file of the authors' repository (instruction, input, output), or ``hub``, the same written
            out as prompts and completions, which is read back.
        input_policy: ``drop`` rows with an input, or ``keep`` them, the input below the instruction.
        **kwargs: Of ``PublishedSource``.
    """

    dataset = "self_instruct"
    origin = RAW
    columns = {
        "instruction": "what to do, a text",
        "input": "what the instruction is about, often empty",
        "output": "the answer, a text",
    }

    def __init__(
        self,
        *,
        shape: Literal["raw", "hub"] = "raw",
        input_policy: Literal["drop", "keep"] = "drop",
        **kwargs: Any,
    ) -> None:
        if shape == "hub":
            self.origin = HUB
            self.columns = {
                "prompt": "instruction and input in one of 13 forms, such as 'Task: …'",
                "completion": "the answer and '<|endoftext|>'",
            }
        super().__init__(**kwargs)
        self.shape = shape
        self.input_policy = input_policy

    def convert(self, row: Row) -> Example | Dropped:
        """Dropped: ``has_input``, ``empty_instruction``, ``empty_response``."""
        if self.shape == "hub":
            instruction, given = split_prompt(row["prompt"] or "")
            output = (row["completion"] or "").removesuffix("<|endoftext|>")
        else:
            instruction, given, output = (row[name] or "" for name in ("instruction", "input", "output"))
        if given.strip() and self.input_policy == "drop":
            return Dropped("has_input")
        return instruction_example(self.name, instruction, output, given=given)


def split_prompt(prompt: str) -> tuple[str, str]:
    r"""Instruction and input of a prompt, whichever of the authors' 13 forms it has (``prepare_for_finetuning.py``).

    Generated instructions are of one line, so that what follows a line break is the input.

    >>> split_prompt("Task: Name a colour.\n\n"), split_prompt("Translate.\nInput: Guten Tag\nOutput:")
    (('Name a colour.', ''), ('Translate.', 'Guten Tag'))
    """
    text = prompt.strip().removesuffix("Output:").strip().removeprefix("Task:").strip()
    instruction, _, rest = text.partition("\n")
    return instruction.strip(), rest.strip().removeprefix("Input:").strip()
