from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, AutoTokenizer

from reset_pl.metrics.summac import SummacZS
from reset_pl.mini.agreement import agreement, read_answers, written_sentences
from reset_pl.mini.build import MODELS

ANSWERS = Path(__file__).parent / "model_written.jsonl"
"""Answers of a chat model tuned on the mixture, drawn at all decodings, to examples of test splits."""


def test_all_models_together_are_small():
    assert sum(path.stat().st_size for path in MODELS.rglob("*") if path.is_file()) <= 10e6


@pytest.mark.parametrize("name", ["base", "chat"])
def test_causal_models_load_and_continue(name):
    tokenizer = AutoTokenizer.from_pretrained(MODELS / name)
    model = AutoModelForCausalLM.from_pretrained(MODELS / name, dtype=torch.float32)
    assert model.config.eos_token_id == tokenizer.eos_token_id
    assert model.config.vocab_size == len(tokenizer)
    prompt = tokenizer("Potter Dola eats figs.\nQuestion: What does Potter Dola eat?", return_tensors="pt")
    answer = model.generate(**prompt, max_new_tokens=1, do_sample=False)[0, prompt["input_ids"].shape[1] :]
    if name == "base":
        assert tokenizer.decode(answer) == " figs"


def test_the_nli_model_names_its_labels():
    model = AutoModelForSequenceClassification.from_pretrained(MODELS / "nli")
    assert set(model.config.id2label.values()) == {"entailment", "neutral", "contradiction"}


def test_the_nli_model_survives_any_text():
    nli = SummacZS(str(MODELS / "nli"), min_sentence_chars=0)
    long = "The committee said on Tuesday that growth would slow. " * 60 + "word " * 2000
    scores = nli.score(
        [("", "Potter Bolu eats figs."), (long, "It said so on Tuesday."), ("日本語。", "\U0001f642"), (long, "")]
    )
    assert all(-1.0 <= score <= 1.0 for score in scores)


def test_the_nli_model_agrees_with_the_oracle_on_what_models_write():
    pairs = written_sentences(read_answers(ANSWERS), limit=1000)
    assert len(pairs) == 1000
    assert agreement(pairs, str(MODELS / "nli")).share >= 0.95
