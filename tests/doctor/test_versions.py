"""Versions: what is shipped is what constraints.txt says, and what is off is said."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import pytest

from reset_pl.doctor import versions
from reset_pl.doctor.versions import TESTED, TESTED_VLLM, check_versions

ROOT = Path(__file__).parents[2]


def test_the_table_is_that_of_the_constraints() -> None:
    constraints = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    assert {name: constraints.get(name) for name in TESTED} == TESTED
    assert f"vllm>={TESTED_VLLM},<" in (ROOT / "pyproject.toml").read_text()


def test_this_environment_has_no_red_line() -> None:
    assert not [finding for finding in check_versions() if finding.level == "red"]


def test_another_version_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(TESTED, "torch", "2.12.0")
    (finding,) = [each for each in check_versions() if each.subject == "torch"]
    assert finding.level == "warning"
    assert "torch==2.12.0" in finding.fix


@pytest.mark.parametrize(
    ("requirement", "said"),
    [("numpy>=99", "is outside >=99"), ("no-such-package>=1", "not installed")],
)
def test_a_version_outside_its_range_and_a_package_that_is_missing_are_red(
    requirement: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versions, "requires", lambda _: [requirement])
    (finding,) = [each for each in check_versions() if each.level == "red"]
    assert said in finding.text
    assert "pip install" in finding.fix


def test_another_python_is_a_warning(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: "3.14.0")
    assert next(iter(check_versions())).level == "warning"
