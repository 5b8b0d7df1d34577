"""A selection as rows that TRL trains on, in its *standard* format: plain strings, as the model reads them.

``pairs.jsonl`` has ``prompt``, ``chosen`` and ``rejected``, the explicit-prompt preference format of ``DPOTrainer`` and
its kin; ``sft.jsonl`` has ``prompt`` and ``completion``, the format of ``SFTTrainer``. The prompt is rendered by the
run's template, so that prompt and answer one after the other are the very text that a stage is tuned on. (In TRL's
conversational format another template, the tokenizer's own, would be put around them.)
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reset_pl.data.encoding import load_tokenizer
from reset_pl.data.prompts import TEMPLATES, ChatTemplate, QuestionPosition
from reset_pl.errors import InputError
from reset_pl.files import committed
from reset_pl.records import Example, Selection


@dataclass(frozen=True, kw_only=True)
class TemplateSettings:
    """How prompts are rendered."""

    name: str = "alpaca"
    """One of ``TEMPLATES``."""
    question_position: QuestionPosition = "first"
    """Where the question stands."""
    tokenizer: str | None = None
    """Folder or hub id whose chat template is used; the other templates need none."""


def template_of_run(run_directory: Path) -> TemplateSettings:
    """The template that the run's ``config.yaml`` names; the data module's default where there is none."""
    path = run_directory / "config.yaml"
    if not path.exists():
        return TemplateSettings()
    config: dict[str, Any] = yaml.safe_load(path.read_text()) or {}
    data, model = config.get("data") or {}, config.get("model") or {}
    return TemplateSettings(
        name=data.get("template", "alpaca"),
        question_position=data.get("question_position", "first"),
        tokenizer=data.get("tokenizer") or (model.get("init_args") or {}).get("model"),
    )


class Renderer:
    """Selections → rows.

    Args:
        settings: The template.

    Raises:
        InputError: The template needs a tokenizer that cannot be loaded or has no chat template.
    """

    def __init__(self, settings: TemplateSettings) -> None:
        self.template = TEMPLATES[settings.name](settings.question_position)
        self.tokenizer = None
        if settings.name == ChatTemplate.name:
            if settings.tokenizer is None:
                raise InputError("expected --tokenizer with --template chat: the folder of the model that is tuned")
            self.tokenizer = load_tokenizer(settings.tokenizer)

    def completion(self, example: Example, selection: Selection) -> dict[str, str]:
        """``prompt`` and ``completion``."""
        return {"prompt": self._prompt(example), "completion": self._answer(selection.text)}

    def pair(self, example: Example, selection: Selection) -> dict[str, str]:
        """``prompt``, ``chosen`` and ``rejected``."""
        return {
            "prompt": self._prompt(example),
            "chosen": self._answer(selection.text),
            "rejected": self._answer(selection.rejected_text),
        }

    def _prompt(self, example: Example) -> str:
        return self.template.prompt(example, self.tokenizer)

    def _answer(self, text: str | None) -> str:
        return f"{self.template.response_prefix}{text}"


def write_rows(rows: Iterable[Mapping[str, str]], path: Path) -> None:
    """One JSON object a line."""
    with committed(path) as file:
        file.writelines(_lines(rows))


def _lines(rows: Iterable[Mapping[str, str]]) -> Iterator[bytes]:
    for row in rows:
        yield (json.dumps(row, ensure_ascii=False) + "\n").encode()
