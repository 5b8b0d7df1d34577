"""Where an example came from, and its prompt as the model read it: what the run's configuration says of both."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from reset_pl.data.encoding import Encoder, load_tokenizer
from reset_pl.data.prompts import TEMPLATES
from reset_pl.errors import InputError
from reset_pl.records import Example

__all__ = ["Prompt", "Source", "prompt_of", "source_of"]

_NO_LIMIT = 1 << 40


@dataclass(frozen=True, kw_only=True)
class Source:
    """An entry of ``data.train``."""

    class_path: str
    """The class that reads it."""
    settings: dict[str, Any]
    """Its arguments, those at null left out."""


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """What the model read before it answered."""

    text: str
    """The prompt."""
    template: str | None
    """Name of the template; none where the text is not rendered."""
    tokens: int | None
    """Its length; none where the tokenizer could not be loaded, and the text may be longer than what was read."""
    cut: int
    """Tokens of the context that did not fit."""
    note: str = ""
    """What else a reader should know of it."""


def source_of(config: Mapping[str, Any], dataset: str) -> Source | None:
    """The training set of that name; none where the configuration names none."""
    sources = (config.get("data") or {}).get("train") or []
    for entry in sources if isinstance(sources, list) else []:
        class_path, settings = str(entry.get("class_path", "")), entry.get("init_args") or {}
        if dataset in _names(class_path, settings):
            given = {key: value for key, value in settings.items() if value is not None}
            return Source(class_path=class_path, settings=given)
    return None


def _names(class_path: str, settings: Mapping[str, Any]) -> list[Any]:
    """What a source may be called: its argument ``name`` or ``dataset``, its file, or what its class reads."""
    module, _, name = class_path.rpartition(".")
    own = None
    if module.startswith("reset_pl."):
        own = getattr(getattr(importlib.import_module(module), name, None), "dataset", None)
    files = [Path(str(settings[key])).stem for key in ("path", "round_dir") if settings.get(key)]
    given = settings.get("name") or settings.get("dataset")
    return [given] if given else [*files, own]


def prompt_of(run_dir: Path, config: Mapping[str, Any], example: Example, *, reserve: int) -> Prompt:
    """The prompt as the sampler rendered and shortened it.

    Args:
        run_dir: The run's directory, whose exported policies have the tokenizer too.
        config: The run's configuration.
        example: The example.
        reserve: Tokens kept free for the answer.
    """
    data = config.get("data") or {}
    name = data.get("template", "alpaca") if config else None
    if name not in TEMPLATES:
        plain = [example.instruction, example.question, *example.passages]
        text = "\n\n".join(part for part in plain if part)
        return Prompt(text=text, template=None, tokens=None, cut=0, note="its parts, without the run's template")
    template = TEMPLATES[name](data.get("question_position", "first"))
    limits = {key: data.get(key, default) for key, default in (("max_length", 2048), ("max_response_tokens", 480))}
    try:
        tokenizer = load_tokenizer(_tokenizer(run_dir, config))
        encoder = Encoder(tokenizer=tokenizer, template=template, **limits)
        whole = Encoder(tokenizer=tokenizer, template=template, **limits | {"max_length": _NO_LIMIT})
        ids = encoder.prompt_ids(example, reserve)
        cut = len(whole.prompt_ids(example, 0)) - len(ids)
    except InputError as error:
        text = "" if name == "chat" else template.prompt(example, None)
        return Prompt(text=text, template=name, tokens=None, cut=0, note=f"not tokenized: {error}")
    return Prompt(text=tokenizer.decode(ids), template=name, tokens=len(ids), cut=cut)


def _tokenizer(run_dir: Path, config: Mapping[str, Any]) -> str:
    """Folder or hub id of the tokenizer; a folder of this machine rather than the hub, which may be out of reach.

    Raises:
        InputError: The configuration names none.
    """
    model = (config.get("model") or {}).get("init_args") or {}
    configured = (config.get("data") or {}).get("tokenizer") or model.get("model")
    exported = sorted(path.parent for path in run_dir.glob("policy/*/tokenizer_config.json"))
    if configured is not None and Path(configured).is_dir():
        return str(configured)
    if exported:
        return str(exported[0])
    if configured is None:
        raise InputError("config.yaml names no model and no tokenizer")
    return str(configured)
