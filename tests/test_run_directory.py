"""Whose run a directory holds, and where it stands."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from reset_pl.errors import InputError
from reset_pl.run_directory import check_settings

CONFIG = {
    "seed_everything": 0,
    "trainer": {"max_epochs": 1, "devices": 1, "callbacks": [{"class_path": "a", "init_args": {"rounds": 2}}]},
    "model": {"init_args": {"lr": 1e-3}},
    "data": {"batch_size": 32, "num_workers": 0, "train": [{"path": "x"}]},
}


def changed(**sections: dict) -> str:
    return yaml.safe_dump({key: {**value, **sections.get(key, {})} if isinstance(value, dict) else value
                           for key, value in CONFIG.items()})  # fmt: skip


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(CONFIG))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "mtl-000001.ckpt").touch()
    return tmp_path


def test_new_directory_and_equal_settings_pass(run_dir: Path, tmp_path: Path) -> None:
    check_settings(tmp_path / "new", yaml.safe_dump(CONFIG))
    check_settings(run_dir, yaml.safe_dump(CONFIG))


def test_a_start_that_left_nothing_binds_nobody(run_dir: Path) -> None:
    (run_dir / "checkpoints" / "mtl-000001.ckpt").unlink()
    check_settings(run_dir, yaml.safe_dump({**CONFIG, "seed_everything": 99}))
    (run_dir / "evaluation").mkdir()
    (run_dir / "evaluation" / "start.json").touch()
    with pytest.raises(InputError, match="holds a run with other settings"):
        check_settings(run_dir, yaml.safe_dump({**CONFIG, "seed_everything": 99}))


def test_devices_and_workers_may_change(run_dir: Path) -> None:
    check_settings(run_dir, changed(trainer={"devices": 4}, data={"num_workers": 8}))


def test_limits_and_budget_of_a_judge_may_change_and_its_model_may_not(run_dir: Path) -> None:
    def with_judge(**settings: object) -> str:
        judge = {
            "class_path": "LLMJudge",
            "init_args": {"model": "big", "budget": 5.0, "base_url": "http://a", **settings},
        }
        return changed(
            trainer={"callbacks": [{"class_path": "a", "init_args": {"judges": ["SpanCoverageJudge", judge]}}]}
        )

    (run_dir / "config.yaml").write_text(with_judge())
    check_settings(run_dir, with_judge(budget=20.0, base_url="http://b", requests_per_minute=500))
    with pytest.raises(InputError, match=r"judges.1.init_args.model: 'big' \(that run\) → 'small' \(now\)"):
        check_settings(run_dir, with_judge(model="small"))


@pytest.mark.parametrize(
    ("now", "shown"),
    [
        (changed(data={"batch_size": 16}), "data.batch_size: 32 (that run) → 16 (now)"),
        (changed(model={"init_args": {"lr": 0.5}}), "model.init_args.lr: 0.001 (that run) → 0.5 (now)"),
        (changed(trainer={"max_epochs": 3}), "trainer.max_epochs: 1 (that run) → 3 (now)"),
        (
            changed(trainer={"callbacks": [{"class_path": "a", "init_args": {"rounds": 3}}]}),
            "trainer.callbacks.0.init_args.rounds: 2 (that run) → 3 (now)",
        ),
        (changed(data={"train": [{"path": "x"}, {"path": "y"}]}), "data.train.1.path: None (that run) → 'y' (now)"),
    ],
)
def test_method_data_and_model_may_not(run_dir: Path, now: str, shown: str) -> None:
    with pytest.raises(InputError) as caught:
        check_settings(run_dir, now)
    assert shown in str(caught.value)
    assert "--trainer.default_root_dir" in str(caught.value)
