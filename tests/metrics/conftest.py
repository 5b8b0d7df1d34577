from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
WORDS = [*"abcdefghijklmnopqrstuvwxyz", "river", "flows", "north", "south", "mill", "stood", "there", ".", "?"]


def save_tiny_nli(folder: Path, labels: dict[int, str], seed: int = 0, positions: int = 32) -> str:
    """A random BERT with wide weights, so that its probabilities differ from pair to pair, and a word tokenizer."""
    vocabulary = {word: index for index, word in enumerate([*SPECIAL, *WORDS])}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)
    torch.manual_seed(seed)
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=positions,
        initializer_range=0.6,
        id2label=labels,
        label2id={label: index for index, label in labels.items()},
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    return str(folder)


@pytest.fixture
def make_nli(tmp_path: Path) -> Callable[..., str]:
    """Saves a tiny NLI model with the given labels; returns its folder."""

    def make(
        labels: tuple[str, ...] = ("neutral", "contradiction", "entailment"), seed: int = 0, positions: int = 32
    ) -> str:
        return save_tiny_nli(tmp_path / f"nli-{'-'.join(labels)}-{seed}", dict(enumerate(labels)), seed, positions)

    return make
