"""A study directory built by hand: complete, failed, begun and absent runs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.synthetic_run import write_round, write_stage

HOSTILE = "=cmd|'/C calc'!A0 & <script>alert(1)</script> _b_ \u202egnol\u202c ](http://x.invalid) `c` $x$ [*] 中"
COMMIT = "f53163d35543d7a2a93e3d4087c99ede98c1f55c"


def write_node(study_dir: Path, arm: str, seed: int, **record: Any) -> Path:
    """``node.json`` of a run."""
    run = study_dir / arm / f"seed-{seed}"
    run.mkdir(parents=True, exist_ok=True)
    content = {"arm": arm, "seed": seed, "status": "complete", "seconds": 60.0 + seed, "error": None, "commit": COMMIT}
    (run / "node.json").write_text(json.dumps(content | record))
    return run


def build_study(study_dir: Path) -> Path:
    """Arms chat (once), mtl, reset and random at three seeds; one of random failed, and all of broken."""
    commands = ["fit --config x.yaml"]
    arms = {
        "chat": {"title": "zero-shot", "seeds": "once", "commands": commands},
        "mtl": {"title": "w/ MTL", "commands": commands},
        "reset": {"title": "w/ MTL+RESET", "commands": commands},
        "random": {"title": "random-of-N", "commands": commands},
        "broken": {"title": HOSTILE, "commands": commands},
    }
    pairs = [("reset", "mtl"), ("reset", "random"), ("mtl", "chat"), ("broken", "mtl")]
    comparisons = [{"arm": arm, "against": against} for arm, against in pairs]
    study_dir.mkdir()
    content = {"seeds": [0, 1, 2], "arms": arms, "comparisons": comparisons}
    text = yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
    (study_dir / "study.yaml").write_text(f"# python -m reset_pl study configs/mine.yaml\n{text}")
    write_stage(write_node(study_dir, "chat", 0), "start", tokens=60)
    for seed in range(3):
        write_stage(write_node(study_dir, "mtl", seed), "mtl", seed=seed, gain=0.01 * seed)
        run = write_node(study_dir, "reset", seed)
        write_stage(run, "mtl", seed=seed)
        write_stage(run, "round-000", seed=seed, tokens=29)
        write_round(run, 0, parquet=False)
        error = "error: CUDA out of memory" if seed == 1 else None
        write_stage(
            write_node(study_dir, "random", seed, status="failed" if error else "complete", error=error),
            "mtl", seed=seed, gain=0.02,
        )  # fmt: skip
    write_node(study_dir, "broken", 0, status="failed", error=f"ValueError: {HOSTILE}")
    (study_dir / "broken" / "seed-1").mkdir()
    return study_dir


@pytest.fixture(scope="session")
def whole_study(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The study; nobody writes into it."""
    return build_study(tmp_path_factory.mktemp("studies") / "study")


@pytest.fixture
def study_dir(whole_study: Path, tmp_path: Path) -> Path:
    """A copy for a test to damage."""
    return Path(shutil.copytree(whole_study, tmp_path / "study"))
