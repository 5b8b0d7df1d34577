"""The demo's configuration, shrunken: everything a run leaves behind, as docs/artifacts.md promises it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

ROOT = Path(__file__).parent.parent
SETS = {
    "train": ("mini_instruct", "mini_nq", "mini_marco", "mini_cnn"),
    "test": ("mini_nq", "mini_searchqa", "mini_marco", "mini_wikisum", "mini_koala"),
}


def overlay(folder: Path) -> Path:
    """Fewer and smaller sets."""
    data: dict[str, Any] = {
        split: [
            {"class_path": "MiniSource", "init_args": {"dataset": name, "split": split, "size": 24 + number}}
            for number, name in enumerate(names)
        ]
        for split, names in SETS.items()
    }
    path = folder / "overlay.yaml"
    path.write_text(yaml.safe_dump({"data": data}))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A finished run and what it printed."""
    folder = tmp_path_factory.mktemp("demo")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "reset_pl", "fit", "--config", "configs/mini/reset.yaml"),
            *("--config", str(overlay(folder)), "--trainer.default_root_dir", str(folder / "run")),
            *("--trainer.callbacks.prompts_per_dataset", "8", "--trainer.callbacks.chunk_size", "4"),
        ],
        cwd=ROOT,
        env={**os.environ, "SECRET_API_KEY": "sk-do-not-write-me"},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return folder / "run", done.stderr + done.stdout


@pytest.mark.integration
def test_run_directory_is_the_contract(run: tuple[Path, str]) -> None:
    folder, _ = run
    assert yaml.safe_load((folder / "config.yaml").read_text())["data"]["template"] == "vicuna"
    assert json.loads((folder / "environment.json").read_text())["seed"] == 0
    assert (folder / "report.html").exists()
    for stage in ("start", "mtl", "round-000", "round-001"):
        content = json.loads((folder / "evaluation" / f"{stage}.json").read_text())
        assert set(content["datasets"]) == set(SETS["test"])
        assert content["macro"]["faithfulness_oracle"]["mean"] is not None
        assert len(pq.read_table(folder / "evaluation" / f"{stage}.parquet")) == sum(24 + n for n in range(5))
    for number in (0, 1):
        manifest = json.loads((folder / "rounds" / f"round-00{number}" / "manifest.json").read_text())
        assert manifest["status"] == "complete"
        assert manifest["counts"]["prompts"] == 32
        assert manifest["counts"]["candidates"] == 32 * 7
        assert set(manifest["seconds"]) == {"start", "sample", "judge", "select", "tune", "other"}
        assert manifest["seconds"]["tune"] > 0
    assert len(list((folder / "checkpoints").glob("*.ckpt"))) == 3


@pytest.mark.integration
def test_policies_load_with_transformers_alone(run: tuple[Path, str]) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder = run[0] / "policy" / "round-001"
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    prompt = tokenizer("Question: What does Baker Dugo collect?", return_tensors="pt")
    assert model.generate(**prompt, max_new_tokens=3).shape[1] > prompt["input_ids"].shape[1]


@pytest.mark.integration
def test_output_is_plain_lines_and_ends_with_the_paths(run: tuple[Path, str]) -> None:
    folder, printed = run
    assert "\r" not in printed
    assert "Traceback" not in printed
    assert "Warning" not in printed
    lines = printed.strip().splitlines()
    assert f"report: {folder / 'report.html'}" in lines[-3:]
    assert f"run directory: {folder}" in lines[-3:]
    assert any(line.startswith("round 1") and "sampling" in line for line in lines)


@pytest.mark.integration
def test_no_secret_is_written(run: tuple[Path, str]) -> None:
    folder, printed = run
    assert "sk-do-not-write-me" not in printed
    for path in folder.rglob("*"):
        if path.is_file():
            assert b"sk-do-not-write-me" not in path.read_bytes(), path


@pytest.mark.integration
def test_same_command_again_has_nothing_to_do(run: tuple[Path, str], tmp_path: Path) -> None:
    folder, _ = run
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")}
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (tmp_path / "again.yaml").write_text(yaml.safe_dump(config))
    done = subprocess.run(
        [sys.executable, "-m", "reset_pl", "fit", "--config", str(tmp_path / "again.yaml")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*.parquet")} == before
