"""Where a result comes from."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from reset_pl import provenance

ROOT = Path(__file__).parent.parent


def test_commit_is_heads_and_marks_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True).stdout.strip()
    provenance.commit.cache_clear()
    found = provenance.commit()
    if not head:
        assert found is None
    else:
        assert found in (head, head + "+changes")


def test_environment_holds_versions_and_command_and_no_variables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    monkeypatch.setattr("sys.argv", ["reset_pl", "fit", "--config", "a file.yaml"])
    content = provenance.environment(3)
    assert content["command"] == "python -m reset_pl fit --config 'a file.yaml'"
    assert content["seed"] == 3
    assert content["versions"]["torch"]
    assert "sk-secret" not in str(content)
