from typing import Any

import pyarrow as pa
import pytest

from reset_pl.data.sets.base import Dropped
from reset_pl.data.sets.oasst import OASST1, with_parents
from reset_pl.records import Example, Objective

HUB = "OpenAssistant/oasst1/data/train-00000-of-00001-b42a775f407cee45.parquet"
RAW = "OpenAssistant/oasst1/2023-04-12_oasst_ready.messages.jsonl.gz"


def message(key: str, parent: str | None, **changes: Any) -> dict[str, Any]:
    return {
        "message_id": key,
        "parent_id": parent,
        "user_id": "u",
        "created_date": "2023-02-05T14:23:50.983374+00:00",
        "text": f"text of {key}",
        "role": "prompter" if len(key) % 2 else "assistant",
        "lang": "en",
        "review_count": 3,
        "review_result": True,
        "deleted": False,
        "rank": None,
        "synthetic": False,
        "model_name": None,
        "message_tree_id": key[0],
        "tree_state": "ready_for_export",
        "labels": {"name": ["spam", "quality"], "value": [0.0, 0.75], "count": [3, 2]},
        **changes,
    }


def rated(value: float, count: int) -> dict[str, Any]:
    return {"labels": {"name": ["spam", "quality"], "value": [0.0, value], "count": [5, count]}}


# A message's id is its parent's and one letter more, so that its length is its depth + 1.
TREE = [
    message("a", None),
    message("ab", "a", rank=1),
    message("ac", "a", rank=0),
    message("abd", "ab"),
    message("abde", "abd"),
    message("b", None, lang="es"),
    message("bc", "b", lang="es"),
]


def load(mirror: Any, **settings: Any) -> list[str]:
    return [example.id.removeprefix("oasst1/") for example in OASST1(data_dir=str(mirror), **settings).load()]


def test_a_reply_is_joined_with_its_prompt(put, mirror) -> None:
    put(HUB, TREE)
    example = OASST1(data_dir=str(mirror)).load()[0]
    assert example == Example(
        id="oasst1/ab",
        dataset="oasst1",
        objective=Objective.INSTRUCTION,
        instruction="text of a",
        response="text of ab",
        references=("text of ab",),
    )


@pytest.mark.parametrize(
    ("settings", "ids"),
    [
        ({}, ["ab", "ac"]),
        ({"langs": ()}, ["ab", "ac", "bc"]),
        ({"langs": ("es",)}, ["bc"]),
        ({"depth": 3}, ["abde"]),
        ({"depth": None}, ["ab", "ac", "abde"]),
        ({"top_rank_only": True}, ["ac"]),
        ({"limit": 2}, ["ab"]),
    ],
)
def test_switches_of_the_tree(put, mirror, settings: dict[str, Any], ids: list[str]) -> None:
    put(HUB, TREE)
    assert load(mirror, **settings) == ids


def test_raw_export_gives_the_same(put, mirror) -> None:
    def raw(row: dict[str, Any]) -> dict[str, Any]:
        labels = row["labels"]
        pairs = zip(labels["name"], labels["value"], labels["count"], strict=True)
        return {**row, "labels": {name: {"value": value, "count": count} for name, value, count in pairs}}

    rows = [raw(row) for row in TREE]
    rows[3]["labels"]["humor"] = {"value": 0.5, "count": 1}  # labels differ from message to message
    rows[4]["labels"] = None
    put(RAW, rows)
    assert load(mirror, shape="raw") == ["ab", "ac"]
    assert load(mirror, shape="raw", depth=None, min_annotators=0, min_quality=-1.0) == ["ab", "ac", "abde"]


def test_a_reply_whose_prompt_is_not_there_has_no_depth(put, mirror) -> None:
    put(HUB, [*TREE, message("xb", "x"), message("xbc", "xb"), message("xbcd", "xbc")])
    source = OASST1(data_dir=str(mirror))
    rows = source.rows()
    assert rows["depth"][:] == [0, 1, 1, 2, 3, 0, 1, None, None, None]
    _, dropped = source.convert_table(rows.with_format("arrow")[:])
    assert dropped == {"not_a_reply": 4, "depth": 2, "language": 1, "no_parent": 1}


@pytest.mark.parametrize(
    ("changes", "settings", "reason"),
    [
        (rated(0.5, 2), {}, "low_quality"),
        (rated(0.51, 2), {}, None),
        (rated(0.9, 1), {}, "few_annotators"),
        (rated(0.9, 1), {"min_annotators": 1}, None),
        (rated(0.4, 3), {"min_quality": 0.3}, None),
        ({"labels": None}, {}, "few_annotators"),
        ({"labels": {"name": ["spam"], "value": [0.0], "count": [3]}}, {}, "few_annotators"),
        ({"labels": {"quality": {"value": 0.9, "count": 2}}}, {}, None),
        ({"labels": {"spam": {"value": 0.9, "count": 2}, "quality": None}}, {}, "few_annotators"),
        ({"deleted": True}, {}, "deleted"),
        ({"deleted": True}, {"keep_deleted": True}, None),
        ({"synthetic": True}, {}, "synthetic"),
        ({"synthetic": True}, {"keep_synthetic": True}, None),
        ({"review_result": False}, {}, "rejected"),
        ({"review_result": False}, {"keep_rejected": True}, None),
        ({"review_result": None}, {}, None),
        ({"tree_state": "halted_by_moderator"}, {}, "tree_state"),
        ({"tree_state": "halted_by_moderator"}, {"tree_states": ()}, None),
        ({"rank": 2}, {"top_rank_only": True}, "not_top_rank"),
        ({"rank": None}, {"top_rank_only": True}, None),
        ({"text": " "}, {}, "empty_response"),
        ({"parent_text": " "}, {}, "empty_instruction"),
    ],
)
def test_filters(changes: dict[str, Any], settings: dict[str, Any], reason: str | None) -> None:
    row = {**message("ab", "a"), "parent_text": "text of a", "depth": 1, **changes}
    result = OASST1(**settings).convert(row)
    assert result == Dropped(reason) if reason else isinstance(result, Example)


@pytest.mark.parametrize(
    ("name", "path", "shape"),
    [("messages_raw.jsonl", RAW, "raw"), ("messages_hub_schema.jsonl", HUB, "hub")],
)
def test_real_messages(put, mirror, real, name: str, path: str, shape: Any) -> None:
    put(path, real(f"oasst1/{name}"))
    (example,) = OASST1(shape=shape, data_dir=str(mirror)).load()
    assert example.id == "oasst1/c8e83833-ecbc-44fe-b6db-735228c25a1c"
    assert example.instruction.startswith("Can you write a short introduction about the relevance of the term")
    assert example.response is not None
    assert example.response.startswith('"Monopsony" refers to')


def test_messages_that_answer_each_other_in_a_circle_belong_to_no_conversation() -> None:
    parents = {"a": None, "b": "a", "c": "b", "x": "y", "y": "x", "z": "y", "s": "s", "o": "gone", "p": "o"}
    table = pa.table(
        {
            "message_id": list(parents),
            "parent_id": list(parents.values()),
            "text": [f"text of {key}" for key in parents],
        }
    )
    joined = with_parents(table)
    assert dict(zip(parents, joined["depth"].to_pylist(), strict=True)) == {
        **dict.fromkeys(parents, None), "a": 0, "b": 1, "c": 2,
    }  # fmt: skip
    assert joined["parent_text"].to_pylist()[:4] == [None, "text of a", "text of b", "text of y"]
