"""Bad input that shows only once a run is under way: one line, status 2, and what was written stays."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml

from tests.test_restart import start, write_config


def refused(config: Path) -> str:
    """The last line of a run that ends with status 2."""
    process = start(config)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 2, output[-3000:]
    assert "Traceback" not in output
    return output.strip().splitlines()[-1]


@pytest.mark.integration
def test_loss_that_turns_nan(tmp_path: Path, tiny_model: Path) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(tiny_model, broken)
    weights = load_file(broken / "model.safetensors")
    weights["lm_head.weight"][0, 0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    line = refused(write_config(tmp_path, broken))
    assert line.startswith("error: the loss became nan at step 0")
    assert "lower --model.lr" in line
    assert (tmp_path / "run" / "evaluation" / "start.json").exists()


@pytest.mark.integration
def test_prompt_longer_than_the_sequence(tmp_path: Path, tiny_model: Path) -> None:
    config = write_config(tmp_path, tiny_model)
    settings = yaml.safe_load(config.read_text())
    settings["data"]["max_length"] = 20
    config.write_text(yaml.safe_dump(settings))
    line = refused(config)
    assert "rows of 'train/qa' carry no target token" in line
    assert "qa/" in line.split("so far: ")[1]
    assert "raise --data.max_length (now 20)" in line


@pytest.mark.integration
def test_model_folder_without_tokenizer(tmp_path: Path, tiny_model: Path) -> None:
    bare = tmp_path / "bare"
    shutil.copytree(tiny_model, bare)
    for path in bare.glob("token*"):
        path.unlink()
    line = refused(write_config(tmp_path, bare))
    assert line.startswith(f"error: expected a tokenizer in the model folder {bare}")
