import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import lightning as L
import pytest
from lightning.pytorch.loggers.logger import Logger

from reset_pl.data.datamodule import ResetDataModule
from reset_pl.data.pairs import PairSource
from reset_pl.data.sources import JsonlSource
from reset_pl.records import Example, Objective, Selection
from reset_pl.reselection.export import Renderer, TemplateSettings, write_rows
from reset_pl.rounds.ledger import Ledger
from reset_pl.rounds.tables import prompt_row, selected_row


class Memory(Logger):
    """Keeps what was logged: (step, name → value) pairs, without Lightning's own ``epoch``."""

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[tuple[int, dict[str, float]]] = []

    @property
    def name(self) -> str:
        return "memory"

    @property
    def version(self) -> str:
        return "0"

    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        assert step is not None
        self.rows.append((step, {name: value for name, value in metrics.items() if name != "epoch"}))

    def log_hyperparams(self, *args: Any, **kwargs: Any) -> None:
        pass

    def values(self, name: str) -> list[float]:
        return [row[name] for _, row in self.rows if name in row]


@pytest.fixture
def make_data(tmp_path: Path, tiny_model: Path) -> Callable[..., ResetDataModule]:
    """Two sets of 4 and 8 rows with responses of unlike length: 4 batches of 4 rows an epoch."""
    sources = []
    for name, size in (("small", 4), ("large", 8)):
        path = tmp_path / f"{name}.jsonl"
        rows = [
            {"objective": "instruction", "instruction": f"Say {i}.", "response": f"{name} " + "xyz" * (i + 1)}
            for i in range(size)
        ]
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        sources.append(JsonlSource(str(path)))

    def make(**kwargs: Any) -> ResetDataModule:
        return ResetDataModule(**{"train": sources, "tokenizer": str(tiny_model), "batch_size": 4, **kwargs})

    return make


@pytest.fixture
def make_trainer(tmp_path: Path) -> Callable[..., L.Trainer]:
    def make(**kwargs: Any) -> L.Trainer:
        given = {
            "accelerator": "cpu",
            "max_epochs": 1,
            "logger": False,
            "log_every_n_steps": 1,
            "enable_checkpointing": False,
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "default_root_dir": str(tmp_path),
        }
        return L.Trainer(**{**given, **kwargs})

    return make


@pytest.fixture
def memory() -> Memory:
    return Memory()


PAIRS = [
    ("Say hello.", "hello there", "no"),
    ("Say bye.", "bye", "I would rather not say it at all"),
    ("Say one.", "one", "two"),
    ("Say two, slowly.", "t w o, as slowly as I can", "two"),
    ("Say three.", "three", "three!"),
    ("Say it.", "it", ""),
    ("Say what?", "what", "who"),
    ("Say nothing.", ".", "nothing"),
]
"""Prompt, chosen and rejected answer."""


def write_pairs(folder: Path, pairs: Sequence[tuple[str, str, str]] = PAIRS) -> Path:
    """What ``select`` writes of these pairs with ``BestAndWorstSelector``."""
    folder.mkdir()
    ledger, renderer = Ledger(folder), Renderer(TemplateSettings())
    examples = [
        Example(id=f"own/{n}", dataset="own", objective=Objective.INSTRUCTION, instruction=prompt)
        for n, (prompt, _, _) in enumerate(pairs)
    ]
    selections = [
        Selection(example_id=f"own/{n}", candidate_id=f"{n}-a", score=2.0, text=chosen, rejected_text=rejected)
        for n, (_, chosen, rejected) in enumerate(pairs)
    ]
    ledger.write_table([prompt_row(example) for example in examples], "prompts")
    ledger.write_table([selected_row(selection, "own") for selection in selections], "selected")
    write_rows(map(renderer.pair, examples, selections), folder / "pairs.jsonl")
    return folder


@pytest.fixture
def make_pairs(tmp_path: Path, tiny_model: Path) -> Callable[..., ResetDataModule]:
    """The eight pairs in one batch an epoch."""
    folder = write_pairs(tmp_path / "pairs")

    def make(**kwargs: Any) -> ResetDataModule:
        given = {"train": [PairSource(str(folder))], "tokenizer": str(tiny_model), "batch_size": 8}
        return ResetDataModule(**{**given, **kwargs})

    return make
