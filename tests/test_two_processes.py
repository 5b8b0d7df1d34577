"""A round from the start, by one process and by two."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from reset_pl.rounds.ledger import Ledger
from tests.test_restart import finish, write_config


@pytest.mark.integration
def test_one_process_and_two_select_the_same(tmp_path: Path, tiny_model: Path) -> None:
    ledgers: list[Ledger] = []
    evaluations: list[Any] = []
    for devices in (1, 2):
        folder = tmp_path / str(devices)
        folder.mkdir()
        config = write_config(folder, tiny_model)
        settings = yaml.safe_load(config.read_text())
        settings["trainer"].update(max_epochs=0, devices=devices, strategy="ddp" if devices > 1 else "auto")
        settings["trainer"]["callbacks"][-1]["init_args"]["rounds"] = 1
        config.write_text(yaml.safe_dump(settings))
        finish(config)
        ledgers.append(Ledger(folder / "run" / "rounds" / "round-000"))
        evaluations.append(json.loads((folder / "run" / "evaluation" / "start.json").read_text()))
        assert (folder / "run" / "evaluation" / "round-000.json").exists()
    for table in ("prompts", "candidates", "verdicts", "selected"):
        assert ledgers[1].read_table(table) == ledgers[0].read_table(table), table
    assert evaluations[1] == evaluations[0]
