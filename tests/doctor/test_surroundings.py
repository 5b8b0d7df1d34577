"""Slurm's variables and interpreters with and without vLLM."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from reset_pl.doctor.surroundings import check_samplers, check_slurm
from reset_pl.sampling.hf import HFSampler
from reset_pl.sampling.vllm import VllmSampler
from tests.doctor.test_machine import hardware

VLLM = Path(__file__).parents[2] / ".venv-vllm" / "bin" / "python"


def test_outside_and_inside_a_job(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)
    (finding,) = check_slurm(hardware())
    assert (finding.level, finding.text) == ("ok", "this is no Slurm job")
    monkeypatch.setenv("SLURM_JOB_ID", "7")
    monkeypatch.setenv("SLURM_NNODES", "2")
    monkeypatch.setenv("SLURM_NTASKS_PER_NODE", "2")
    assert [each.level for each in check_slurm(hardware(nodes=2))] == ["ok"]
    for wrong, option in ((hardware(), "num_nodes"), (hardware(nodes=2, devices=4), "devices")):
        (finding,) = check_slurm(wrong)
        assert finding.level == "red"
        assert f"--trainer.{option}" in finding.text


def test_an_interpreter_that_is_not_there() -> None:
    (finding,) = check_samplers([VllmSampler(python="/no/such/python"), VllmSampler(python="/no/such/python")])
    assert (finding.level, finding.fix) == ("red", "mend sampler.python")


def test_an_interpreter_without_vllm(tmp_path: Path) -> None:
    bare = tmp_path / "python"
    bare.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S "$@"\n')  # without its site-packages
    bare.chmod(0o755)
    (finding,) = check_samplers([VllmSampler(python=str(bare))])
    assert finding.level == "red"
    assert "has no vLLM" in finding.text


@pytest.mark.skipif(not VLLM.exists(), reason="needs vLLM in .venv-vllm")
def test_an_interpreter_with_vllm() -> None:
    (finding,) = check_samplers([VllmSampler(python=str(VLLM))])
    assert finding.level == "ok"
    assert list(check_samplers([HFSampler()])) == []
