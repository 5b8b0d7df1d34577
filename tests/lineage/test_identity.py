"""Which ids name an example, and what is said of those that name none."""

from __future__ import annotations

from pathlib import Path

import pytest

from reset_pl.errors import InputError
from reset_pl.evaluation.results import read_run
from reset_pl.lineage.identity import example_of
from reset_pl.lineage.life import life_of
from tests.conftest import make_example
from tests.lineage.test_life import build


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return build(tmp_path)


@pytest.mark.parametrize("identity", ["qa/7", "0/qa/7/temperature/3", "0/qa/7/reference/0", "qa/7#0"])
def test_ids_of_examples_candidates_and_answers(run: Path, identity: str) -> None:
    assert example_of(read_run(run), identity) == make_example(7)


@pytest.mark.parametrize(
    ("identity", "said"),
    [
        ("qa/77\x1b", r"none has 'qa/77\\x1b'; the nearest of 1: qa/7$"),
        ("", "none has ''; the nearest of 1: qa/7$"),
        ("0/qa/8/temperature/3", "none has '0/qa/8/temperature/3'; the nearest of 1: qa/7$"),
        ("0/qa/7/temperature/77", r"the nearest of 5: 0/qa/7/temperature/\d, "),
        ("1/qa/7/temperature/3", r"the nearest of 5: 0/qa/7/temperature/3, "),
        ("qa/7#3", "none has 'qa/7#3'; the nearest of 1: qa/7#0$"),
    ],
)
def test_an_id_that_is_nowhere_is_one_line_with_the_nearest(run: Path, identity: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        example_of(read_run(run), identity)


def test_an_answer_of_a_prompt_without_any(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none has 'qa/7#0'; the nearest of 1: qa/7$"):
        example_of(read_run(build(tmp_path, ["long", "long"])), "qa/7#0")


def test_what_could_not_be_looked_at_is_said(run: Path) -> None:
    folder = run / "rounds" / "round-000"
    (folder / "candidates.parquet").unlink()
    assert any("candidates.parquet" in note for note in life_of(run, "0/qa/7/temperature/77").notes)
    (folder / "prompts.parquet").write_bytes(b"PAR1 no more")
    with pytest.raises(InputError, match=r"none to look in: round-000: prompts.parquet cannot be read"):
        example_of(read_run(run), "qa/7")
    (folder / "prompts.parquet").unlink()
    with pytest.raises(InputError, match=r"none to look in: round-000: prompts.parquet is missing$"):
        example_of(read_run(run), "qa/7")
