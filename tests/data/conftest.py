import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reset_pl.data.encoding import Encoder
from reset_pl.data.prompts import AlpacaTemplate, Template
from reset_pl.records import Example, Objective


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    """Writes rows as a JSONL file: objects are dumped, texts are written as they are."""

    def write(*rows: dict[str, Any] | str, name: str = "own.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows))
        return path

    return write


@pytest.fixture
def make_example() -> Callable[..., Example]:
    """Makes an example; an instruction with a response unless fields say otherwise."""

    def make(key: object = 1, dataset: str = "d", **fields: Any) -> Example:
        given = {"objective": Objective.INSTRUCTION, "instruction": f"Say {key}.", "response": f"It is {key}."}
        return Example(**{"id": f"{dataset}/{key}", "dataset": dataset, **given, **fields})

    return make


@pytest.fixture(scope="session")
def make_encoder(tokenizer: Any) -> Callable[..., Encoder]:
    """Makes an encoder of the byte tokenizer; Alpaca's template unless another is given."""

    def make(template: Template | None = None, max_length: int = 2048, max_response_tokens: int = 480) -> Encoder:
        return Encoder(
            tokenizer=tokenizer,
            template=template or AlpacaTemplate(),
            max_length=max_length,
            max_response_tokens=max_response_tokens,
        )

    return make
