"""Made-up examples in the proportions and lengths of the paper's mixture, for the benchmarks.

Words per field follow log-normal distributions around the published means: CNN/DailyMail articles of about 780 words
and highlights of 56 (See et al. 2017), five 100-word Wikipedia passages and short answers for NQ, five passages of
about 56 words and answers of 14 for MS MARCO, chat turns of about 20 words answered in 130.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from reset_pl.data.prompts import TASK_INSTRUCTIONS
from reset_pl.data.table import SCHEMA, to_batch
from reset_pl.records import Example, Objective

SIZES = {"cnn_dailymail": 287_113, "instruction": 257_307, "ms_marco": 151_225, "nq": 69_639}
"""Unique training examples; up-sampled to the largest they are 1,148,452 (paper, Table 1 and A.3)."""

# Objective; passages; mean words and spread (sigma of the logarithm) of a passage, of the question or instruction, and
# of the response.
_SHAPES = {
    "cnn_dailymail": (Objective.SUMMARIZATION, 1, (700, 0.45), (0, 0.0), (56, 0.35)),
    "instruction": (Objective.INSTRUCTION, 0, (0, 0.0), (20, 0.9), (130, 0.8)),
    "ms_marco": (Objective.ABSTRACTIVE_QA, 5, (56, 0.3), (6, 0.3), (14, 0.6)),
    "nq": (Objective.EXTRACTIVE_QA, 5, (100, 0.0), (9, 0.2), (3, 0.4)),
}


class Words:
    """Texts from a fixed vocabulary of pseudo-words, drawn as often as words of a language are (Zipf)."""

    def __init__(self, seed: int, vocabulary: int = 30_000) -> None:
        self.rng = np.random.default_rng(seed)
        syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
        lengths = np.random.default_rng(0).integers(1, 5, size=vocabulary)
        draw = np.random.default_rng(1)
        self.words = np.array(["".join(draw.choice(syllables, size=n)) for n in lengths], dtype=object)
        ranks = np.arange(1, vocabulary + 1)
        self.cumulative = np.cumsum(1 / ranks) / np.sum(1 / ranks)

    def text(self, mean: float, sigma: float) -> str:
        """A text whose number of words is log-normal with this mean."""
        count = max(int(self.rng.lognormal(np.log(mean) - sigma**2 / 2, sigma)), 1)
        return " ".join(self.words[np.searchsorted(self.cumulative, self.rng.random(count))].tolist())


def make_examples(dataset: str, count: int, seed: int = 0) -> Iterator[Example]:
    """``count`` examples of one of the four training sets."""
    objective, passages, passage, question, response = _SHAPES[dataset]
    words = Words(seed)
    for i in range(count):
        answer = words.text(*response)
        asked = words.text(*question) if question[0] else None
        yield Example(
            id=f"{dataset}/{i}",
            dataset=dataset,
            objective=objective,
            instruction=TASK_INSTRUCTIONS.get(objective) or asked or "",
            question=asked if objective in (Objective.EXTRACTIVE_QA, Objective.ABSTRACTIVE_QA) else None,
            passages=tuple(words.text(*passage) for _ in range(passages)),
            response=answer,
            references=(answer,),
        )


def write_examples(path: Path, dataset: str, count: int, seed: int = 0) -> None:
    """The same as an Arrow file, in the form of ``prepare``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    batch: list[Example] = []
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, SCHEMA) as writer:
        for example in make_examples(dataset, count, seed):
            batch.append(example)
            if len(batch) == 5000:
                writer.write_batch(to_batch(batch))
                batch = []
        writer.write_batch(to_batch(batch))


def train_tokenizer(folder: Path, vocabulary: int = 32_000) -> None:
    """A byte-pair tokenizer with Llama's special tokens, trained on the made-up texts."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocabulary,
        special_tokens=["<pad>", "<s>", "</s>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    texts = (" ".join(example.passages) or example.instruction for example in make_examples("nq", 3000))
    tokenizer.train_from_iterator(texts, trainer)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<s>", eos_token="</s>"
    ).save_pretrained(folder)
