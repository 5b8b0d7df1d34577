import pytest
from hypothesis import given
from hypothesis import strategies as st
from transformers import AutoTokenizer

from reset_pl.data.prompts import AlpacaTemplate, VicunaTemplate
from reset_pl.mini.sources import DATASETS, MiniSource
from reset_pl.mini.tokenizer import causal_tokenizer, pair_tokenizer
from reset_pl.mini.world import NAMES, RELATION_OF_VALUE

TOKENIZER = causal_tokenizer()


@given(st.text().filter(lambda text: "<" not in text))
def test_any_text_round_trips(text):
    assert TOKENIZER.decode(TOKENIZER(text)["input_ids"], skip_special_tokens=True) == text


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("template", [VicunaTemplate(), AlpacaTemplate()], ids=lambda template: template.name)
def test_prompts_and_answers_round_trip_and_are_short(name, template):
    for example in MiniSource(name, "test", size=100).load():
        ids = TOKENIZER(template.prompt(example))["input_ids"]
        assert TOKENIZER.decode(ids, skip_special_tokens=True) == template.prompt(example)
        answer = TOKENIZER(template.response_prefix + example.response, add_special_tokens=False)["input_ids"]
        assert TOKENIZER.decode(answer) == template.response_prefix + example.response
        assert ids[0] == TOKENIZER.bos_token_id
        assert len(ids) <= 90
        assert len(answer) <= 36


def test_names_are_two_tokens_and_values_one():
    names = [name for split in NAMES.values() for name in split]
    assert {len(TOKENIZER.tokenize(f" {name}")) for name in names} == {2}
    assert {len(TOKENIZER.tokenize(f" {value}")) for value in RELATION_OF_VALUE} == {1}


def test_it_saves_loads_and_pads_on_the_left(tmp_path):
    TOKENIZER.save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    assert loaded("Potter Bolu")["input_ids"] == TOKENIZER("Potter Bolu")["input_ids"]
    assert loaded.pad_token_id not in (loaded.eos_token_id, loaded.bos_token_id)
    short, long = loaded(["Potter", "Potter Bolu eats figs."], padding=True)["input_ids"]
    assert len(short) == len(long)
    assert short[0] == loaded.pad_token_id


def test_pairs_are_told_apart_by_separators(tmp_path):
    pair_tokenizer().save_pretrained(tmp_path)
    loaded = AutoTokenizer.from_pretrained(tmp_path)
    encoded = loaded("Potter Bolu.", "Baker.")
    assert loaded.decode(encoded["input_ids"]) == "<s>Potter Bolu.</s>Baker.</s>"
    assert set(encoded) == {"input_ids", "attention_mask"}
