"""The shapes of the miniature networks: a Llama of under a million parameters, and a classifier made of it."""

from __future__ import annotations

import torch
from transformers import (
    LlamaConfig,
    LlamaForCausalLM,
    LlamaForSequenceClassification,
    PreTrainedTokenizerBase,
)

from reset_pl.mini.pairs import LABELS


def new_causal_model(tokenizer: PreTrainedTokenizerBase) -> LlamaForCausalLM:
    """An untrained causal model, but that its first head looks at the token before.

    Copying a name needs such a head, and finding it by chance takes a network of this size most of its training.
    """
    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            intermediate_size=320,
            num_hidden_layers=3,
            num_attention_heads=4,
            max_position_embeddings=2048,
            rope_parameters={"rope_type": "default", "rope_theta": _ROPE_THETA},
            initializer_range=0.05,
            tie_word_embeddings=False,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )
    _look_back(model)
    return model


@torch.no_grad()
def _look_back(model: LlamaForCausalLM) -> None:
    """Turn the first head of the first layer to the previous token.

    All embeddings share one direction, from which that head's queries and keys are made; the rotary angles of the
    fastest frequencies, one position apart, do the rest.
    """
    config = model.config
    direction = torch.ones(config.hidden_size) / config.hidden_size**0.5
    embeddings = model.model.embed_tokens.weight
    embeddings += direction * embeddings.norm(dim=1).mean()
    attention = model.model.layers[0].self_attn
    half = config.hidden_size // config.num_attention_heads // 2
    angles = _ROPE_THETA ** (-torch.arange(_FAST_FREQUENCIES) / half)
    key = torch.zeros(2 * half)
    key[:_FAST_FREQUENCIES] = 1.0
    query = torch.zeros(2 * half)
    query[:_FAST_FREQUENCIES] = torch.cos(angles)
    query[half : half + _FAST_FREQUENCIES] = -torch.sin(angles)
    attention.q_proj.weight[: 2 * half] = _SHARPNESS * torch.outer(query, direction)
    attention.k_proj.weight[: 2 * half] = torch.outer(key, direction)


_ROPE_THETA = 500.0
_FAST_FREQUENCIES = 6
_SHARPNESS = 0.7


def new_nli_model(tokenizer: PreTrainedTokenizerBase, reader: LlamaForCausalLM) -> LlamaForSequenceClassification:
    """A classifier of sentence pairs that starts from a causal model, which can already find what was said before."""
    config = LlamaConfig.from_dict(
        {
            **reader.config.to_dict(),
            "pad_token_id": tokenizer.pad_token_id,
            "id2label": dict(enumerate(LABELS)),
            "label2id": {label: index for index, label in enumerate(LABELS)},
        }
    )
    model = LlamaForSequenceClassification(config)
    model.model.load_state_dict(reader.model.state_dict())
    return model
