"""The shapes of the miniature networks: a Llama of about a million parameters, and a smaller BERT for NLI."""

from __future__ import annotations

from transformers import (
    BertConfig,
    BertForSequenceClassification,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedTokenizerBase,
)

from reset_pl.mini.pairs import LABELS


def new_causal_model(tokenizer: PreTrainedTokenizerBase) -> LlamaForCausalLM:
    """An untrained causal model. A short rotary period suits short texts: heads that copy form sooner."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=320,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=2048,
            rope_parameters={"rope_type": "default", "rope_theta": 500.0},
            initializer_range=0.05,
            tie_word_embeddings=False,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def new_nli_model(tokenizer: PreTrainedTokenizerBase) -> BertForSequenceClassification:
    """An untrained classifier of sentence pairs."""
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=256,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=512,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            initializer_range=0.05,
            pad_token_id=tokenizer.pad_token_id,
            id2label=dict(enumerate(LABELS)),
            label2id={label: index for index, label in enumerate(LABELS)},
        )
    )
