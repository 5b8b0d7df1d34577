"""A round that only its own judges like is reported, and given up where that is asked for."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lightning as L
import pytest

import callbacks
from callbacks.round_gate import RoundGate
from reset_pl.data.datamodule import ResetDataModule
from reset_pl.data.sources import JsonlSource
from reset_pl.errors import InputError
from reset_pl.evaluation.results import read_stages
from reset_pl.rounds.ledger import Ledger
from reset_pl.sampling.decoding import DecodingPlan
from reset_pl.tuning.continued import ContinuedTuning
from tests.conftest import ScriptedJudge, ScriptedSampler

SIZE = 6
LIKED = [0.1, 0.2, 0.3, 0.4]  # by the selection judge at start, mtl, round-000, round-001
TRUE = [0.5, 0.5, 0.4, 0.6]  # by the held-out judge
ROLLED_BACK = {"round-000": True, "round-001": False}


class Staged(ScriptedJudge):
    """Scores an evaluation by how many there were before it."""

    def __init__(self, scores: list[float], name: str, first: int) -> None:
        super().__init__(lambda e, c: scores[first + (len(self.judged) - 1) // SIZE], name=name)


def fit(root: Path, model: Path, *, rounds: int, roll_back: bool = True, checkpoint: Path | None = None) -> Any:
    rows = [{"id": str(n), "question": "Q?", "passages": [f"w{n}"], "response": f"w{n}"} for n in range(SIZE)]
    (root / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    source = JsonlSource(str(root / "rows.jsonl"), objective="extractive_qa")
    data = ResetDataModule([source], str(model), test=[source], batch_size=2)
    done = len(list((root / "evaluation").glob("*.json")))
    sampler = ScriptedSampler(lambda example, draw: draw.decoding.label)
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=1,
        reload_dataloaders_every_n_epochs=1,
        default_root_dir=root,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[
            callbacks.StageCheckpoint(),
            callbacks.CheckpointEvaluation(
                sampler, [Staged(LIKED, "liked", done)], held_out_judges=[Staged(TRUE, "truth", done)]
            ),
            RoundGate(roll_back=roll_back),
            callbacks.ResetRounds(
                sampler,
                [ScriptedJudge(lambda e, c: len(c.text) / 100)],
                rounds=rounds,
                prompts_per_dataset=4,
                plan=DecodingPlan(max_new_tokens=4),
            ),
        ],
    )
    L.seed_everything(0, verbose=False)
    trainer.fit(ContinuedTuning(str(model)), data, ckpt_path=checkpoint)
    return data


def manifests(root: Path) -> list[dict[str, Any]]:
    return [Ledger(path).read_manifest() or {} for path in sorted((root / "rounds").iterdir())]


def test_unconfirmed_round_is_given_up_and_the_next_starts_before_it(tmp_path: Path, tiny_model: Path) -> None:
    data = fit(tmp_path, tiny_model, rounds=2)
    first, second = manifests(tmp_path)
    assert first["gate"] == {
        "before": "mtl",
        "selection": {"faithfulness_seen": pytest.approx(0.1)},
        "held_out": {"faithfulness_truth": pytest.approx(-0.1)},
        "unconfirmed": ["faithfulness_truth"],
        "confirmed": False,
        "rolled_back": True,
    }
    assert second["policy"] == first["policy"]  # both from the weights of the MTL stage
    assert (second["gate"]["before"], second["gate"]["confirmed"]) == ("mtl", True)
    assert second["gate"]["held_out"] == {"faithfulness_truth": pytest.approx(0.1)}
    assert data.curated_rounds == [str(tmp_path / "rounds" / "round-001")]
    stages = {stage.name: stage for stage in read_stages(tmp_path)}
    assert {name: stages[name].rolled_back for name in ROLLED_BACK} == ROLLED_BACK
    assert stages["round-000"].label == "round 0 (rolled back)"
    assert stages["round-000"].policy != stages["mtl"].policy  # the stage itself was tuned, evaluated and kept
    assert list((tmp_path / "checkpoints").glob("round-000-*.ckpt"))


def test_restart_at_a_stage_that_was_given_up_gives_it_up_again(tmp_path: Path, tiny_model: Path) -> None:
    fit(tmp_path, tiny_model, rounds=1)
    (checkpoint,) = (tmp_path / "checkpoints").glob("round-000-*.ckpt")
    data = fit(tmp_path, tiny_model, rounds=2, checkpoint=checkpoint)
    first, second = manifests(tmp_path)
    assert second["policy"] == first["policy"]
    assert data.curated_rounds == [str(tmp_path / "rounds" / "round-001")]


def test_without_roll_back_it_is_only_reported(
    tmp_path: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = fit(tmp_path, tiny_model, rounds=2, roll_back=False)
    first, second = manifests(tmp_path)
    assert (first["gate"]["confirmed"], first["gate"]["rolled_back"]) == (False, False)
    assert second["policy"] != first["policy"]
    assert second["gate"]["before"] == "round-000"
    assert len(data.curated_rounds) == 2
    captured = capsys.readouterr()
    said = captured.out + captured.err
    assert "round-000: its judges saw a gain that faithfulness_truth did not confirm" in said
    assert "gate: the gain is not confirmed by faithfulness_truth (against mtl: faithfulness_seen +.10" in said


def test_order_of_the_callbacks_is_checked() -> None:
    sampler, judge = ScriptedSampler(lambda e, d: ""), ScriptedJudge(lambda e, c: 1.0)
    evaluation, rounds = callbacks.CheckpointEvaluation(sampler, [judge]), callbacks.ResetRounds(sampler, [judge])
    gate = RoundGate(roll_back=True)
    for before, message in (
        ([], "CheckpointEvaluation before callbacks.RoundGate"),
        ([evaluation], "StageCheckpoint before callbacks.RoundGate"),
        ([callbacks.StageCheckpoint(), evaluation, rounds], "RoundGate before callbacks.ResetRounds"),
    ):
        trainer = L.Trainer(logger=False, enable_checkpointing=False, callbacks=[*before, gate])
        with pytest.raises(InputError, match=message):
            gate.setup(trainer, L.LightningModule(), "fit")
    with pytest.raises(InputError, match=r"min_gain in \[0, 1\)"):
        RoundGate(min_gain=-0.1)
