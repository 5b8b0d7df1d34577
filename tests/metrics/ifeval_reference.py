"""Runs in the environment of lm-evaluation-harness (``.venv-ifeval``): IFEval rows in, the reference's verdicts out.

``python ifeval_reference.py SPLITTER < rows.json > verdicts.json``. Only the harness's own ``tasks/ifeval`` is used, as
published; the packages around it are stood in for, since importing them needs all that the harness can evaluate.
Sentences are split by the file ``SPLITTER`` (ours): NLTK's punkt downloads its model. The seed of language detection is
set; the reference leaves it to chance.
"""

import importlib.util
import json
import logging
import sys
import types
from collections.abc import Callable
from pathlib import Path


def load_splitter(path: str) -> Callable[[str], list[str]]:
    spec = importlib.util.spec_from_file_location("splitter", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return lambda text: module.split_sentences(text, at_newlines=False)


def load_reference(split: Callable[[str], list[str]]) -> types.ModuleType:
    import langdetect
    import nltk

    nltk.data.find = lambda _name: None  # as if the model were here: else it is asked for at import
    nltk.tokenize.sent_tokenize = lambda text, _language="english": split(text)
    langdetect.DetectorFactory.seed = 0
    root = Path(importlib.util.find_spec("lm_eval").origin).parent
    for name, folder in {"lm_eval": root, "lm_eval.tasks": root / "tasks"}.items():
        package = types.ModuleType(name)
        package.__path__ = [str(folder)]
        sys.modules[name] = package
    from lm_eval.tasks.ifeval import instructions_util, utils

    instructions_util._get_sentence_tokenizer = lambda: types.SimpleNamespace(tokenize=split)
    return utils


def main() -> None:
    logging.disable(logging.ERROR)
    reference = load_reference(load_splitter(sys.argv[1]))
    verdicts = [reference.process_results(row, [row["response"]]) for row in json.load(sys.stdin)]
    json.dump(verdicts, sys.stdout)


if __name__ == "__main__":
    main()
