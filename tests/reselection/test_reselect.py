"""Selecting again: the same settings give the same selection, others what they should; nothing is overwritten."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from reset_pl.data.curated import CuratedSource
from reset_pl.errors import InputError
from reset_pl.records import Selection
from reset_pl.reselection.export import TemplateSettings
from reset_pl.reselection.reselect import Settings, changes, reselect, short_name
from reset_pl.rounds.finished import FinishedRound
from reset_pl.rounds.selectors import (
    BestAndWorstSelector,
    RandomSelector,
    ReferenceSelector,
    ThresholdSelector,
    TopKSelector,
    WeightedSelector,
)
from tests.conftest import ScriptedJudge
from tests.reselection.conftest import Make, judges, rows


def settings(name: str = "Any", held_out: frozenset[str] = frozenset(), **arguments: Any) -> Settings:
    return Settings(
        selector={"class_path": name, "init_args": arguments}, held_out=held_out, template=TemplateSettings()
    )


def again(round_dir: Path, selector: Any, output: Path, held_out: frozenset[str] | None = None) -> dict[str, Any]:
    source = FinishedRound(round_dir)
    outside = source.held_out if held_out is None else held_out
    manifest, is_new = reselect(source, selector, settings(type(selector).__name__, outside), output)
    assert is_new
    return manifest


@pytest.mark.parametrize(
    "make_selector",
    [
        WeightedSelector,
        lambda: WeightedSelector(faithfulness_weight=0.5, tie_break="first", keep_truncated=True),
        lambda: TopKSelector(k=2),
        lambda: ThresholdSelector(threshold=0.7),
        BestAndWorstSelector,
        RandomSelector,
        ReferenceSelector,
    ],
)
def test_a_rounds_own_selector_selects_what_it_selected(make_round: Make, tmp_path: Path, make_selector: Any) -> None:
    round_dir = make_round(make_selector())
    manifest = again(round_dir, make_selector(), tmp_path / "again")
    assert rows(tmp_path / "again", "selected") == rows(round_dir, "selected")
    assert manifest["changed"] == {"prompts": 0, "other_best": 0, "newly_selected": 0, "newly_left_out": 0}
    own = json.loads((round_dir / "manifest.json").read_text())
    for key in ("counts", "counts_per_dataset", "rates", "left_out", "mean_score", "win_rate", "weights"):
        assert manifest[key] == own[key], key
    assert {row["text"] for row in rows(round_dir, "selected")} == {
        example.response for example in CuratedSource(str(tmp_path / "again")).load()
    }


def test_the_round_stays_as_it_is(round_dir: Path) -> None:
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in round_dir.iterdir()}
    again(round_dir, TopKSelector(k=3), round_dir / "selections" / "top3")
    after = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in round_dir.iterdir() if path.is_file()}
    assert after == before


def test_a_held_out_judge_stays_out_and_another_can_be_held_out(make_round: Make, tmp_path: Path) -> None:
    contrary = ScriptedJudge(lambda e, c: 1.0 - (judges()[1].rate(e, c)), name="contrary", aspect="faithfulness")
    round_dir = make_round(held_out=[contrary], judged_by=[judges()[0], ScriptedJudge(lambda e, c: 0.5, name="f")])
    own = again(round_dir, WeightedSelector(), tmp_path / "own")
    assert own["changed"]["prompts"] == 0
    listened = again(round_dir, WeightedSelector(), tmp_path / "listened", frozenset())
    assert listened["changed"]["other_best"] > 0
    assert listened["counts"]["verdicts"] == 1.5 * own["counts"]["verdicts"]
    with pytest.raises(InputError, match="no judge without contrary, f, t scored anything"):
        again(round_dir, WeightedSelector(), tmp_path / "none", frozenset({"contrary", "f", "t"}))


def test_the_output_is_training_data_with_ids_of_its_own(round_dir: Path, tmp_path: Path) -> None:
    manifest = again(round_dir, TopKSelector(k=3), tmp_path / "top3")
    loaded = CuratedSource(str(tmp_path / "top3")).load()
    assert len(loaded) == manifest["counts"]["answers"] > manifest["counts"]["selected"]
    assert len({example.id for example in loaded}) == len(loaded)
    firsts = [example for example in loaded if "#" not in example.id]
    assert len(firsts) == manifest["counts"]["selected"]
    assert firsts == CuratedSource(str(round_dir)).load()


def test_prompts_are_a_second_name_of_the_same_file(round_dir: Path, tmp_path: Path, monkeypatch: Any) -> None:
    again(round_dir, WeightedSelector(), tmp_path / "linked")
    assert (tmp_path / "linked" / "prompts.parquet").samefile(round_dir / "prompts.parquet")

    def refuse(self: Path, target: Path) -> None:
        raise OSError("another file system")

    monkeypatch.setattr(Path, "hardlink_to", refuse)
    again(round_dir, WeightedSelector(), tmp_path / "copied")
    assert not (tmp_path / "copied" / "prompts.parquet").samefile(round_dir / "prompts.parquet")
    assert CuratedSource(str(tmp_path / "copied")).load() == CuratedSource(str(tmp_path / "linked")).load()


def test_nothing_is_overwritten(round_dir: Path, tmp_path: Path) -> None:
    source, output = FinishedRound(round_dir), tmp_path / "out"
    first, _ = reselect(source, WeightedSelector(), settings("A", k=1), output)
    stamps = {path.name: path.stat().st_mtime_ns for path in output.iterdir()}
    repeated, is_new = reselect(source, WeightedSelector(), settings("A", k=1), output)
    assert (repeated, is_new) == (json.loads(json.dumps(first)), False)
    with pytest.raises(InputError, match="holds a selection with other settings, or from another round"):
        reselect(source, WeightedSelector(), settings("A", k=2), output)
    assert {path.name: path.stat().st_mtime_ns for path in output.iterdir()} == stamps
    for folder in (tmp_path, round_dir):
        with pytest.raises(InputError, match="expected a new folder for --output, but .* holds something else"):
            reselect(source, WeightedSelector(), settings("A"), folder)
    (tmp_path / "empty").mkdir()
    assert reselect(source, WeightedSelector(), settings("A"), tmp_path / "empty")[1]


def test_where_nothing_is_left_nothing_is_written(make_round: Make, tmp_path: Path) -> None:
    judged_by = [ScriptedJudge(lambda e, c: 0.5, name="t", aspect="task")]
    round_dir = make_round(judged_by=judged_by)
    with pytest.raises(InputError, match=r"nothing of 18 prompts would be selected \(below_threshold: \d+.*nothing is"):
        again(round_dir, ThresholdSelector(threshold=0.9), tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["run"]


def test_a_new_weight_of_what_no_judge_scored_is_refused(make_round: Make, tmp_path: Path) -> None:
    round_dir = make_round(judged_by=judges()[:2])
    again(round_dir, WeightedSelector(), tmp_path / "same")  # as in the round: instructions have their task score
    with pytest.raises(
        InputError, match=r"the weight of instruction is 5 now and was 2 in .* no judge scored instruction there"
    ):
        again(round_dir, WeightedSelector(instruction_weight=5.0), tmp_path / "other")


@given(
    before=st.dictionaries(st.sampled_from("abc"), st.lists(st.sampled_from("xyz"), min_size=1, max_size=2)),
    after=st.dictionaries(st.sampled_from("abc"), st.lists(st.sampled_from("xyz"), max_size=2)),
)
@hypothesis_settings(suppress_health_check=[HealthCheck.too_slow])
def test_changes_are_counted_once(before: dict[str, list[str]], after: dict[str, list[str]]) -> None:
    selections = [
        Selection(example_id=key, candidate_id=None, score=None, text=text, rank=rank)
        for key, texts in after.items()
        for rank, text in enumerate(texts or [None])
    ]
    found = changes(before, selections)
    assert found["prompts"] == sum(before.get(key, []) != texts for key, texts in after.items())
    assert found["newly_left_out"] == sum(key in before and not texts for key, texts in after.items())
    assert found["newly_selected"] == sum(key not in before and bool(texts) for key, texts in after.items())
    assert found["other_best"] == sum(
        key in before and bool(texts) and before[key][0] != texts[0] for key, texts in after.items()
    )


def test_names_say_what_is_not_the_default() -> None:
    path = "reset_pl.rounds.selectors.BestAndWorstSelector"
    defaults = {"min_gap": 0.0, "task_weight": 1.0, "tie_break": "seeded"}
    assert short_name({"class_path": path, "init_args": defaults}, defaults) == "best_and_worst"
    changed = {**defaults, "min_gap": 0.25, "tie_break": "first"}
    name = "best_and_worst-min_gap=0.25-tie_break=first"
    assert short_name({"class_path": path, "init_args": changed}, defaults) == name
    assert short_name({"class_path": "mine.Mine"}, {}, ["b", "a"]) == "mine-without=a-without=b"
    one, other = ({"class_path": "mine.Mine", "init_args": {"path": "/x/" + "y" * 200 + end}} for end in "ab")
    assert len(short_name(one, {})) < 128
    assert short_name(one, {}) != short_name(other, {})
    assert "/" not in short_name(one, {})
