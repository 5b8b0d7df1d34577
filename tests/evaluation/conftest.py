from pathlib import Path

import pytest

from .synthetic_run import build_run


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    """A complete run directory, made by hand."""
    return build_run(tmp_path / "run")
