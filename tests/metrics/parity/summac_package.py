"""SummaC-ZS by the ``summac`` package: run by the Python of an environment of its own, for parity and speed.

    python3 -m venv /tmp/summac && /tmp/summac/bin/pip install torch==2.13.0
    /tmp/summac/bin/pip install summac==0.0.4 'numpy<2'
    /tmp/summac/bin/python tests/metrics/parity/summac_package.py < job.json

Standard input is ``{"model": folder, "pairs": [[document, answer], …], "batch_size": 128, "runs": [{"granularity":
"sentence-sentence", "use_con": true}, …]}``; the last line of standard output is ``[{"scores": […], "seconds":
…}, …]``, seconds of the process without loading.

The package is untouched but for two things: its list of models gets this one,
and NLTK's splitter, which downloads its rules, is replaced by ``split_sentences``.
"""

import json
import runpy
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


def convert(folder: Path, target: Path) -> dict[str, Any]:
    """Rewrite a model folder of transformers 5 for the package's transformers 4.35; returns the config."""
    config = json.loads((folder / "config.json").read_text())
    config["torch_dtype"] = config.pop("dtype", "float32")
    rope = config.pop("rope_parameters", None)
    if rope:
        config["rope_theta"] = rope["rope_theta"]
    (target / "config.json").write_text(json.dumps(config))
    tokenizer = json.loads((folder / "tokenizer.json").read_text())
    merges = tokenizer["model"].get("merges")
    if merges:
        tokenizer["model"]["merges"] = [pair if isinstance(pair, str) else " ".join(pair) for pair in merges]
    (target / "tokenizer.json").write_text(json.dumps(tokenizer))
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    settings["tokenizer_class"] = "PreTrainedTokenizerFast"
    settings.setdefault("model_input_names", ["input_ids", "attention_mask"])  # the default of transformers 5
    (target / "tokenizer_config.json").write_text(json.dumps(settings))
    (target / "model.safetensors").symlink_to((folder / "model.safetensors").resolve())
    return config


def load_split_sentences() -> Callable[[str], list[str]]:
    """The function alone: this environment cannot import the package that it is part of."""
    path = Path(__file__).parents[3] / "reset_pl/metrics/sentences.py"
    return runpy.run_path(str(path))["split_sentences"]


def main() -> None:
    """Score the pairs of the job in every run."""
    import nltk
    import torch
    from summac import model_summac

    job = json.load(sys.stdin)
    torch.set_num_threads(1)
    nltk.tokenize.sent_tokenize = load_split_sentences()
    with tempfile.TemporaryDirectory() as folder:
        config = convert(Path(job["model"]), Path(folder))
        index = {label: int(i) for i, label in config["id2label"].items()}
        model_summac.model_map["ours"] = {
            "model_card": folder,
            "entailment_idx": index["entailment"],
            "contradiction_idx": index["contradiction"],
        }
        documents, answers = zip(*job["pairs"], strict=True)
        results = []
        for run in job["runs"]:
            scorer = model_summac.SummaCZS("ours", device="cpu", imager_load_cache=False, **run)
            scorer.imager.load_nli()
            start = time.process_time()
            scores = scorer.score(documents, answers, batch_size=job["batch_size"])["scores"]
            results.append({"scores": [float(score) for score in scores], "seconds": time.process_time() - start})
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main()
