"""Of a finished round it is what the round's manifest says, and what selecting again shows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from reset_pl.errors import InputError
from reset_pl.reselection.sensitivity import sensitivity_of
from reset_pl.rounds.decision import Decisions
from reset_pl.rounds.finished import FinishedRound
from reset_pl.rounds.selectors import ThresholdSelector, WeightedSelector
from tests.reselection.conftest import Make


def test_it_is_what_the_manifest_says(round_dir: Path) -> None:
    manifest = json.loads((round_dir / "manifest.json").read_text())
    assert sensitivity_of(FinishedRound(round_dir), WeightedSelector(), frozenset()) == manifest["sensitivity"]
    assert any(any(shares) for shares in manifest["sensitivity"]["changed"].values())


def test_it_is_what_selecting_again_shows(round_dir: Path) -> None:
    source = FinishedRound(round_dir)
    found = sensitivity_of(source, WeightedSelector(), frozenset())
    for index, weight in enumerate(found["weights"]):
        decisions = Decisions(WeightedSelector(instruction_weight=weight, faithfulness_weight=weight))
        chosen = [s for part in source.parts() for s in decisions.add(*part) if s.text is not None]
        for name, shares in found["changed"].items():
            own = [s for s in chosen if s.example_id.startswith(f"{name}/")]
            changed = sum([s.text] != source.chosen[s.example_id] for s in own)
            assert shares[index] == pytest.approx(changed / len(own))


def test_prompts_that_were_left_out_are_not_counted(make_round: Make) -> None:
    round_dir = make_round(ThresholdSelector(threshold=0.8))
    source = FinishedRound(round_dir)
    assert 0 < len(source.chosen) < len(source.prompts)
    found = sensitivity_of(source, WeightedSelector(), frozenset())
    assert {name: shares[5] for name, shares in found["changed"].items()} == dict.fromkeys(found["changed"], 0.0)


def test_without_a_score_there_is_nothing_to_weigh(round_dir: Path) -> None:
    with pytest.raises(InputError, match="no judge without f, i, t scored anything"):
        sensitivity_of(FinishedRound(round_dir), WeightedSelector(), frozenset("fit"))
