"""The README.md of an exported model: what it is, what made it, how to load it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from reset_pl.provenance import commit, environment

_LOAD = """\
from transformers import AutoModelForCausalLM, AutoTokenizer

model = AutoModelForCausalLM.from_pretrained("{folder}", dtype="auto")
tokenizer = AutoTokenizer.from_pretrained("{folder}")
"""

_LOAD_ADAPTERS = """\
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer

model = AutoPeftModelForCausalLM.from_pretrained("{folder}")  # adapters, on top of {base}
tokenizer = AutoTokenizer.from_pretrained("{folder}")
"""


def model_card(run_dir: Path, *, base: str, stage: str, adapters: bool = False) -> str:
    """The page, as Markdown with the hub's header.

    Args:
        run_dir: The run; what its ``config.yaml`` says of model, data and rounds is quoted.
        base: Folder or hub id of the model that was tuned.
        stage: Whose weights these are.
        adapters: Whether the folder holds adapters only.
    """
    # The hub knows no local folders, and refuses a page that names one.
    is_on_hub = not Path(base).exists()
    header: dict[str, Any] = {"library_name": "peft" if adapters else "transformers", "pipeline_tag": "text-generation"}
    if is_on_hub:
        header["base_model"] = base
    rows = {"base model": base, "stage": stage, "code": f"reset_pl, commit {commit() or 'unknown'}"}
    rows["command"] = environment(None)["command"]
    return "\n".join(
        [
            "---",
            yaml.safe_dump(header).rstrip(),
            "---",
            "",
            f"# {Path(base).name}, stage {stage} of a RESET run",
            "",
            "Tuned to follow instructions and to stay faithful to its context "
            "([Dancing in Chains, arXiv 2407.21417](https://arxiv.org/abs/2407.21417)).",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | `{value}` |" for name, value in rows.items()),
            "",
            "```python",
            (_LOAD_ADAPTERS if adapters else _LOAD).format(folder="FOLDER", base=base).rstrip(),
            "```",
            *_settings(run_dir / "config.yaml"),
            "",
        ]
    )


def _settings(config: Path) -> list[str]:
    """What of the run's configuration is method."""
    if not config.exists():
        return []
    read = yaml.safe_load(config.read_text())
    data = read.get("data") or {}
    rounds = [
        callback.get("init_args") or {}
        for callback in read.get("trainer", {}).get("callbacks") or []
        if callback.get("class_path", "").endswith("ResetRounds")
    ]
    shown = {
        "model": read.get("model"),
        "data": {
            "train": [_name(source) for source in data.get("train") or []],
            **{key: data.get(key) for key in ("template", "max_length", "batch_size")},
        },
        "rounds": [
            {
                "judges": [_name(judge) for judge in settings.get("judges") or []],
                **{key: settings.get(key) for key in ("rounds", "prompts_per_dataset", "plan", "selector")},
            }
            for settings in rounds
        ],
        "seed": read.get("seed_everything"),
    }
    return [
        "",
        "## Settings",
        "",
        "```yaml",
        yaml.safe_dump(shown, sort_keys=False, allow_unicode=True).rstrip(),
        "```",
    ]


def _name(entry: Any) -> Any:
    """A configured class as one reads it."""
    if not isinstance(entry, dict):
        return entry
    settings = entry.get("init_args") or {}
    kind = entry.get("class_path", "").rpartition(".")[2]
    return {kind: settings["dataset"]} if "dataset" in settings else kind
