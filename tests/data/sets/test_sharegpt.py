from typing import Any

import pytest

from reset_pl.data.sets.base import Dropped
from reset_pl.data.sets.sharegpt import ShareGPT
from reset_pl.errors import InputError
from reset_pl.records import Example

LONG = " ".join(["word"] * 11)


def row(**changes: Any) -> dict[str, Any]:
    return {"instruction": "Tell me a story.", "input": "", "output": LONG, **changes}


def test_the_file_is_one_json_list(put, mirror) -> None:
    put("LLMs/Alpaca-ShareGPT/alpaca_sharedgpt_data.json", [row(), row(instruction="continue"), row(output="No.")])
    put("LLMs/Alpaca-ShareGPT/convert-alpaca.py", [])
    examples = ShareGPT(data_dir=str(mirror)).load()
    assert [example.instruction for example in examples] == ["Tell me a story.", "continue"]
    assert examples[0].response == LONG
    assert examples[0].id.startswith("sharegpt/")


@pytest.mark.parametrize(
    ("changes", "settings", "reason"),
    [
        ({"output": " ".join(["w"] * 10)}, {}, "short_response"),
        ({"output": " ".join(["w"] * 11)}, {}, None),
        ({"output": "w\n\t w"}, {"min_response_words": 1}, None),
        ({"output": "w"}, {"min_response_words": 1}, "short_response"),
        ({"output": ""}, {"min_response_words": 0}, "short_response"),
        ({"output": None}, {}, "short_response"),
        ({"instruction": " "}, {"min_instruction_words": 3}, "empty_instruction"),
        ({"instruction": None}, {}, "empty_instruction"),
        ({"instruction": "go on"}, {}, None),
        ({"instruction": "go on"}, {"min_instruction_words": 3}, "short_instruction"),
        ({"instruction": "go on then"}, {"min_instruction_words": 3}, None),
    ],
)
def test_filters(changes: dict[str, Any], settings: dict[str, Any], reason: str | None) -> None:
    result = ShareGPT(**settings).convert(row(**changes))
    assert result == Dropped(reason) if reason else isinstance(result, Example)


def turns(*texts: str) -> list[dict[str, str]]:
    """Turns by their first letter: h(uman), g(pt), s(ystem)."""
    roles = {"h": "human", "g": "gpt", "s": "system"}
    return [{"from": roles[text[0]], "value": text} for text in texts]


CONVERSATIONS = [
    {"id": "a_0", "conversations": turns("h1", "g1", "h2", "g2")},
    {"id": "empty", "conversations": []},
    {"id": "a_1", "conversations": turns("h3", "g3")},  # the rest of a_0
    {"id": "b", "conversations": turns("g0", "h4", "g4", "g5")},  # cut at its start
    {"id": "c_10", "conversations": turns("h5")},
    {"id": "d", "conversations": turns("g6")},  # no reply to h5
    {"id": "e_x1", "conversations": turns("h7", "s7", "g7")},
    {"id": "f_20x", "conversations": turns("h8", "h9", "g9")},
    {"id": "g", "conversations": turns("h10", "g10")},
]


@pytest.mark.parametrize("has_ids", [True, False])
def test_pairs_of_conversations(put, mirror, has_ids: bool) -> None:
    rows = CONVERSATIONS if has_ids else [{"conversations": item["conversations"]} for item in CONVERSATIONS]
    put("anon8231489123/ShareGPT_Vicuna_unfiltered/ShareGPT_V3_unfiltered_cleaned_split.json", rows)

    def pairs(**settings: Any) -> list[tuple[str, str | None]]:
        source = ShareGPT(shape="raw", data_dir=str(mirror), min_response_words=0, **settings)
        return [(example.instruction, example.response) for example in source.load()]

    every = [("h1", "g1"), ("h2", "g2"), ("h3", "g3"), ("h4", "g4"), ("h9", "g9"), ("h10", "g10")]
    assert pairs() == every
    first = [("h1", "g1"), ("h10", "g10")] if has_ids else [("h1", "g1"), ("h3", "g3"), ("h10", "g10")]
    assert pairs(first_turn_only=True) == first
    assert pairs(limit=1) == every[:2]


def test_conversations_without_a_pair(put, mirror) -> None:
    path = "anon8231489123/ShareGPT_Vicuna_unfiltered/ShareGPT_V3_unfiltered_cleaned_split.json"
    put(path, [{"conversations": turns("h1")}])
    with pytest.raises(InputError, match="none of its 0 rows passed the filters"):
        ShareGPT(shape="raw", data_dir=str(mirror)).load()


def test_first_turns_cannot_be_told_in_the_hubs_shape() -> None:
    with pytest.raises(InputError, match="expected shape 'raw' for first_turn_only, but got 'hub'"):
        ShareGPT(first_turn_only=True)


def test_a_real_conversation(put, mirror, real) -> None:
    conversation = real("sharegpt/conversation.json")
    put("anon8231489123/ShareGPT_Vicuna_unfiltered/ShareGPT_V3_unfiltered_cleaned_split.json", [conversation])
    examples = ShareGPT(shape="raw", data_dir=str(mirror)).load()
    assert len(examples) == 6
    assert examples[0].instruction.startswith("how could i implement a minesweeper algorithm")
    assert len(ShareGPT(shape="raw", data_dir=str(mirror), first_turn_only=True).load()) == 1
