"""The paper's data from a mirror to training: prepare, preview, fit, each as a user starts it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.preparation.mirror import write_mirror

ROOT = Path(__file__).parents[1]
MODEL = ["--model", "SFT", "--model.model", str(ROOT / "reset_pl/mini/models/chat")]


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command in a folder of its own, offline."""
    environment = {
        **os.environ,
        "HF_HOME": str(folder / "cache"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
    }
    return subprocess.run(
        [sys.executable, "-m", "reset_pl", *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.integration
def test_the_papers_mixture_is_prepared_shown_and_trained_on(tmp_path: Path) -> None:
    write_mirror(tmp_path / "mirror", rows=40)
    mixture = ["--config", str(ROOT / "configs/data/paper_mixture.yaml"), *MODEL]
    missing = run(tmp_path, "fit", *mixture)
    assert missing.returncode == 2
    assert "expected prepared data in data/paper" in missing.stderr.splitlines()[-1]

    prepared = run(
        tmp_path,
        "prepare",
        "--config",
        str(ROOT / "configs/data/paper.yaml"),
        "--data_dir",
        "mirror",
        "--num_proc",
        "2",
    )
    assert prepared.returncode == 0, prepared.stderr[-2000:]
    shown = run(tmp_path, "preview", *mixture, "--rows", "1")
    assert shown.returncode == 0, shown.stderr[-2000:]
    assert shown.stdout.count("━━") == 8  # four sets, a line each
    options = ["--trainer.accelerator", "cpu", "--trainer.max_steps", "2", "--data.batch_size", "4"]
    for encoded in (True, False):
        fitted = run(tmp_path, "fit", *mixture, *options, "--trainer.default_root_dir", f"run-{encoded}")
        assert fitted.returncode == 0, fitted.stderr[-2000:]
        # The first start encodes beside the prepared data; the second finds that and says nothing.
        assert ("encoded train/cnn_dailymail: 40 rows" in fitted.stderr) == encoded
