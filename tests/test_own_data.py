"""A user's own data through configs/own_data.yaml: the rows beside it, and real ones where they lie at hand."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from reset_pl.data.sources import Source

ROOT = Path(__file__).parent.parent
REAL = ROOT.parent / "shared" / "data"


def fit(run: Path, data: Path, *options: str) -> None:
    command = [
        *(sys.executable, "-m", "reset_pl", "fit", "--config", "configs/own_data.yaml"),
        *("--trainer.default_root_dir", str(run), "--trainer.accelerator", "cpu"),
        *("--data.train.path", str(data), *options),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env={**os.environ}, timeout=600)
    assert done.returncode == 0, done.stderr[-3000:]


def real_rows() -> Iterable[dict[str, Any]]:
    """Rows of Natural Questions, Dolly and CNN/DailyMail in the documented format."""
    for number, line in enumerate((REAL / "nq" / "nq_open_oracle_60.jsonl").read_text().splitlines()[:10]):
        row = json.loads(line)
        yield {
            "id": f"nq-{number}",
            "objective": "extractive_qa",
            "question": row["question"],
            "passages": [context["text"] for context in row["ctxs"]],
            "references": row["answers"],
        }
    for number, row in enumerate(json.loads((REAL / "dolly" / "dolly_fixture.json").read_text())):
        if not row["context"]:
            yield {
                "id": f"dolly-{number}",
                "objective": "instruction",
                "instruction": row["instruction"],
                "response": row["response"],
            }
    for number, line in enumerate((REAL / "cnn_dailymail" / "train_20.jsonl").read_text().splitlines()[:3]):
        row = json.loads(line)
        yield {
            "id": f"cnn-{number}",
            "objective": "summarization",
            "passages": [row["article"]],
            "response": row["highlights"].replace("\n", " "),
        }


def test_the_lines_to_change_are_as_many_as_is_said() -> None:
    lines = (ROOT / "configs" / "own_data.yaml").read_text().splitlines()
    settings = [line.partition("  # change")[0].strip() for line in lines if "  # change" in line]
    assert len(settings) == 6
    assert "the six lines marked `# change`" in "\n".join(lines)
    assert "six lines marked `# change`" in (ROOT / "README.md").read_text()
    miniature = ("reset_pl/mini/", "configs/own_data.jsonl", "keep_truncated", "template")
    own = [line.partition(" #")[0].strip() for line in lines if not line.startswith("#")]
    assert settings == [line for line in own if any(name in line for name in miniature)]


def test_the_documented_source_passes_for_one() -> None:
    from jsonargparse._typehints import implements_protocol  # how the parser decides

    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "own-data.md").read_text(), re.DOTALL)
    names: dict[str, Any] = {"__name__": __name__}
    exec(code, names)
    assert implements_protocol(names["Tickets"], Source)


@pytest.mark.integration
def test_round_over_the_rows_beside_the_configuration(tmp_path: Path) -> None:
    data = ROOT / "configs" / "own_data.jsonl"
    fit(tmp_path / "run", data, "--data.test.path", str(data))
    selected = pq.read_table(tmp_path / "run" / "rounds" / "round-000" / "selected.parquet").to_pylist()
    assert {row["example_id"].split("/")[1] for row in selected} <= {"q1", "q2", "q3", "s1", "i1", "i2"}
    assert (tmp_path / "run" / "evaluation" / "round-000.json").exists()
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.integration
@pytest.mark.skipif(not REAL.exists(), reason=f"the real rows are not at {REAL}")
def test_round_over_real_rows(tmp_path: Path) -> None:
    data = tmp_path / "real.jsonl"
    data.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in real_rows()))
    fit(tmp_path / "run", data, "--data.test", "null", "--trainer.callbacks.plan.max_new_tokens", "16")
    folder = tmp_path / "run" / "rounds" / "round-000"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["counts"]["prompts"] == sum(1 for _ in real_rows())
    selected = pq.read_table(folder / "selected.parquet").to_pylist()
    kinds = {row["example_id"].split("/")[1].split("-")[0] for row in selected}
    assert kinds == {"nq", "dolly", "cnn"}
    assert all(row["score"] >= 0 for row in selected)
