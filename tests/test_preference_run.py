"""Preference tuning as a user runs it: the pairs of a round selected again, tuned on, killed and restarted."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from tests.test_restart import finish, kill_when, write_config
from tests.tuning.conftest import write_pairs


def dpo_config(folder: Path, model: Path, pairs: Path) -> Path:
    """20 steps on eight pairs; checkpoints, evaluation and export as in any fit."""
    folder.mkdir()
    config = write_config(folder, model)
    settings = yaml.safe_load(config.read_text())
    settings["trainer"]["callbacks"][-1] = "callbacks.ExportPolicy"
    settings["trainer"]["max_epochs"] = 5
    settings["model"] = {"class_path": "PreferenceTuning", "init_args": {"model": str(model), "lr": 3e-3}}
    settings["data"]["train"] = [{"class_path": "PairSource", "init_args": {"round_dir": str(pairs)}}]
    config.write_text(yaml.safe_dump(settings))
    return config


@pytest.mark.integration
def test_killed_in_the_middle_it_ends_as_if_it_had_not_been(tmp_path: Path, tiny_model: Path) -> None:
    pairs = write_pairs(tmp_path / "pairs")
    whole, killed = (dpo_config(tmp_path / name, tiny_model, pairs) for name in ("whole", "killed"))
    finish(whole)
    kill_when(killed, (tmp_path / "killed" / "run" / "checkpoints" / "dpo-000005.ckpt").exists)
    assert "going on from" in finish(killed)
    weights, steps, scores = [], [], []
    for folder in (tmp_path / "whole" / "run", tmp_path / "killed" / "run"):
        weights.append((folder / "policy" / "dpo" / "model.safetensors").read_bytes())
        steps.append((folder / "training.jsonl").read_text())
        scores.append({**json.loads((folder / "evaluation" / "dpo.json").read_text()), "commit": None})
    assert weights[0] == weights[1]
    assert steps[0] == steps[1]
    assert len(steps[0].splitlines()) == 20
    assert scores[0] == scores[1]
    assert scores[0]["datasets"]["qa"]["seen"] is False
