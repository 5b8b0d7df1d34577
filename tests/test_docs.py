"""The worked examples of the documentation, run; the tables of options, compared with the classes."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path

from reset_pl.judging.client import ChatClient
from reset_pl.judging.llm import LLMJudge
from reset_pl.planning.hardware import Hardware
from reset_pl.planning.memory import training_memory
from reset_pl.planning.model_size import ModelSize
from reset_pl.policy.probe import ROUNDING
from reset_pl.sampling.vllm import VllmSampler

DOCS = Path(__file__).parent.parent / "docs"
JUDGING = DOCS / "judging.md"


def test_the_examples_of_judging_are_right() -> None:
    results = doctest.testfile(str(JUDGING), module_relative=False)
    assert results.attempted >= 15
    assert results.failed == 0


def test_the_example_of_preference_is_right() -> None:
    results = doctest.testfile(str(DOCS / "preference.md"), module_relative=False)
    assert (results.attempted, results.failed) == (4, 0)


def test_the_options_of_the_llm_judge_are_listed_with_their_defaults() -> None:
    table = JUDGING.read_text().split("| option | default | meaning |")[1].split("\n\n")[0]
    rows = re.findall(r"^\| (`.+?) \| (.+?) \|", table, re.MULTILINE)
    listed = {name: default for names, default in rows for name in re.findall(r"`(\w+)`", names)}
    parameters = {
        name: parameter.default
        for kind in (LLMJudge, ChatClient)
        for name, parameter in inspect.signature(kind).parameters.items()
        if parameter.kind is not inspect.Parameter.VAR_KEYWORD
    }
    assert set(listed) == set(parameters)
    words = {"None": "none", "False": "false", "0.0": "0", "300.0": "300", str(inspect.Parameter.empty): "–"}
    for name, default in parameters.items():
        if name not in ("base_url", "cache_dir"):  # they hang on the environment
            assert listed[name].strip("`") == words.get(str(default), str(default)), name


def test_the_memory_of_a_model_on_a_cluster_is_that_of_the_formulas() -> None:
    blocks = {"layers": 32, "width": 4096}
    sizes = {
        "7B": ModelSize(parameters=6738415616, trained=6738415616, vocabulary=32000, cache_width=8192, **blocks),
        "8B": ModelSize(parameters=8030261248, trained=8030261248, vocabulary=128256, cache_width=2048, **blocks),
    }
    rows = re.findall(
        r"^\| *(\wB)?[^|]*\| (\d) \| (\d+) \| ([\d.| ]+) \|$", (DOCS / "cluster.md").read_text(), re.MULTILINE
    )
    assert len(rows) == 6
    name = ""
    for model, stage, gpus, numbers in rows:
        name = model or name
        hardware = Hardware(
            accelerator="gpu",
            devices=int(gpus),
            nodes=1,
            precision="bf16-true",
            strategy="deepspeed",
            zero_stage=int(stage),
            offloads=False,
        )
        memory = training_memory(
            sizes[name],
            hardware,
            dtype="bfloat16",
            quantized=False,
            activation_checkpointing=True,
            rows=32 // int(gpus),
            max_length=2048,
            max_targets=480,
        )
        parts = (memory.weights, memory.gradients, memory.optimizer, memory.activations, memory.total)
        assert numbers.split(" | ") == [f"{part / 1e9:.1f}" for part in parts]


def test_the_options_of_the_vllm_sampler_are_listed_with_their_defaults() -> None:
    table = (DOCS / "sampling.md").read_text().split("| option | default | meaning |")[1].split("\n\n")[0]
    listed = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", table, re.MULTILINE))
    parameters = inspect.signature(VllmSampler).parameters
    assert set(listed) == set(parameters)
    for name, parameter in parameters.items():
        if parameter.default is not None:
            assert listed[name] == str(parameter.default).lower().removesuffix(".0"), name


def test_the_tolerances_of_the_proof_are_listed() -> None:
    table = (DOCS / "sampling.md").read_text().split("| weights | tolerance")[1].split("\n\n")[0]
    listed = dict(re.findall(r"^\| (\w+) \| ([\d.]+) \|", table, re.MULTILINE))
    assert {name: float(value) for name, value in listed.items()} == ROUNDING
