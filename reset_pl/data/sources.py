"""Where examples come from. A source has a ``name`` and ``load()``; anything with these two is a source."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from reset_pl.data.prompts import TASK_INSTRUCTIONS
from reset_pl.errors import InputError
from reset_pl.records import Constraint, Example, Objective, stable_hash

_FIELDS = {"id", "objective", "instruction", "question", "passages", "response", "references", "constraints"}


class Source(Protocol):
    """One data set."""

    name: str

    def load(self) -> Sequence[Example]:
        """All examples, in a fixed order."""
        ...


class JsonlSource(Source):
    """A user's own data: one JSON object a line (the format is documented in ``docs/own-data.md``).

    Args:
        path: The file, one example a line.
        dataset: Name of the data set; the file's name without its ending when not given.
        objective: What rows without their own ``objective`` ask for.
        limit: Read only this many examples, at least 1, from the start of the file.

    Raises:
        InputError: ``limit`` is below 1.
    """

    def __init__(
        self,
        path: str,
        dataset: str | None = None,
        objective: Literal["instruction", "extractive_qa", "abstractive_qa", "summarization"] | None = None,
        limit: int | None = None,
    ) -> None:
        if limit is not None and limit < 1:
            raise InputError(f"expected a limit of at least 1 example (or none) for {path}, but got {limit}")
        self.path = Path(path)
        self.name = dataset or self.path.stem
        self.objective = None if objective is None else Objective(objective)
        self.limit = limit

    def load(self) -> list[Example]:
        """Read and check the whole file.

        Raises:
            InputError: The file is missing or empty, a line is malformed, or an id occurs twice.
        """
        if not self.path.is_file():
            raise InputError(f"expected a JSONL file at {self.path}, but there is none: mend the path of {self.name!r}")
        examples: list[Example] = []
        lines_by_id: dict[str, int] = {}
        for number, line in self._lines():
            where = f"{self.path}:{number}"
            example = parse_row(_load_json(line, where), self.name, self.objective, where)
            if example.id in lines_by_id:
                raise InputError(
                    f"{where}: the id {example.id!r} stands on line {lines_by_id[example.id]} too; ids must be unique "
                    "(rows without an id get one from their content, so a repeated row counts as well)"
                )
            lines_by_id[example.id] = number
            examples.append(example)
        if not examples:
            raise InputError(f"expected at least one example in {self.path}, but the file holds none")
        return examples

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        with self.path.open("rb") as file:
            read = 0
            for number, line in enumerate(file, start=1):
                if line.strip():
                    read += 1
                    yield number, line
                if self.limit is not None and read >= self.limit:
                    return


def _load_json(line: bytes, where: str) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise InputError(f"{where}: expected text in UTF-8, but got {error}: save the file as UTF-8") from error
    except json.JSONDecodeError as error:
        raise InputError(
            f"{where}: expected one JSON object on the line, but it does not parse: {error.msg} at column {error.colno}"
        ) from error
    if not isinstance(row, dict):
        raise InputError(f"{where}: expected a JSON object, but got {type(row).__name__}")
    return row


def parse_row(row: dict[str, Any], dataset: str, objective: Objective | None, where: str) -> Example:
    """One row of a user's file as an example.

    Args:
        row: The JSON object.
        dataset: Name of the data set, and first part of the id.
        objective: Used when the row has no objective of its own.
        where: File and line, for messages.

    Raises:
        InputError: A field is unknown, missing, empty or of the wrong type.
    """
    unknown = set(row) - _FIELDS
    if unknown:
        raise InputError(
            f"{where}: unknown field {sorted(unknown)[0]!r}; expected some of {', '.join(sorted(_FIELDS))}"
        )
    own = row.get("objective")
    parsed = _objective(objective if own is None else own, where)
    instruction = _text(row, "instruction", where) or TASK_INSTRUCTIONS.get(parsed)
    if instruction is None:
        raise InputError(f"{where}: expected a non-empty 'instruction' for the objective 'instruction'")
    question = _text(row, "question", where)
    if question is None and parsed in (Objective.EXTRACTIVE_QA, Objective.ABSTRACTIVE_QA):
        raise InputError(f"{where}: expected a non-empty 'question' for the objective '{parsed}'")
    passages = _texts(row, "passages", where)
    if parsed.is_context_dependent and not passages:
        raise InputError(f"{where}: expected non-empty 'passages' (a list of texts) for the objective '{parsed}'")
    response = _text(row, "response", where)
    references = _texts(row, "references", where)
    key = row.get("id")
    if key is None:
        key = f"{stable_hash(parsed, instruction, question, *passages):016x}"
    if not str(key).strip():
        raise InputError(f"{where}: expected a non-empty 'id', or none at all")
    return Example(
        id=f"{dataset}/{key}",
        dataset=dataset,
        objective=parsed,
        instruction=instruction,
        question=question,
        passages=passages,
        response=response if response is not None else (references[0] if references else None),
        references=references or ((response,) if response is not None else ()),
        constraints=_constraints(row, where),
    )


def _objective(value: Any, where: str) -> Objective:
    names = ", ".join(Objective)
    if value is None:
        raise InputError(f"{where}: expected an 'objective' ({names}) in the row, or one set on the source")
    try:
        return Objective(value)
    except ValueError:
        raise InputError(f"{where}: unknown objective {value!r}; expected one of {names}") from None


def _text(row: dict[str, Any], field: str, where: str) -> str | None:
    value = row.get(field)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{where}: expected {field!r} to be a non-empty text or absent, but got {value!r}")
    return value.strip()


def _texts(row: dict[str, Any], field: str, where: str) -> tuple[str, ...]:
    value = row.get(field)
    if value is None:
        return ()
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not all(isinstance(text, str) and text.strip() for text in values):
        raise InputError(f"{where}: expected {field!r} to be a list of non-empty texts, but got {str(value)[:80]!r}")
    return tuple(text.strip() for text in values)


def _constraints(row: dict[str, Any], where: str) -> tuple[Constraint, ...]:
    constraints: Sequence[Any] = row.get("constraints") or ()
    try:
        return tuple(Constraint(id=str(item["id"]), kwargs=dict(item.get("kwargs") or {})) for item in constraints)
    except (TypeError, KeyError, AttributeError, ValueError):
        raise InputError(
            f"{where}: expected 'constraints' to be a list of objects with 'id' and 'kwargs' (IFEval names), "
            f"but got {str(constraints)[:80]!r}"
        ) from None
