"""The worked examples of the documentation, run; the tables of options, compared with the classes."""

from __future__ import annotations

import doctest
import inspect
import re
from pathlib import Path

from reset_pl.judging.client import ChatClient
from reset_pl.judging.llm import LLMJudge

JUDGING = Path(__file__).parent.parent / "docs" / "judging.md"


def test_the_examples_of_judging_are_right() -> None:
    results = doctest.testfile(str(JUDGING), module_relative=False)
    assert results.attempted >= 15
    assert results.failed == 0


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
