"""A preparation as a whole, in this process, on a user's own files."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from reset_pl.data.prepared import PreparedSource
from reset_pl.data.sources import JsonlSource
from reset_pl.errors import InputError
from reset_pl.preparation import prepare as module
from reset_pl.preparation.plan import SetPlan, Settings
from reset_pl.preparation.prepare import prepare

Rows = Sequence[dict[str, Any]]


def write(path: Path, rows: Rows) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(path)


def qa(number: int, question: str | None = None) -> dict[str, Any]:
    return {"id": str(number), "objective": "extractive_qa", "question": question or f"Which {number}?",
            "passages": [f"It is w{number}."], "response": f"w{number}"}  # fmt: skip


def do(number: int, text: str | None = None) -> dict[str, Any]:
    return {"id": str(number), "objective": "instruction", "instruction": text or f"Do {number}.", "response": "Done."}


@pytest.fixture(autouse=True)
def no_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes longer than all the rest; ``test_lengths.py`` looks at the picture."""
    monkeypatch.setattr("reset_pl.preparation.report.picture", lambda *arguments, **colours: "<svg/>")


@pytest.fixture
def plans(tmp_path: Path) -> dict[str, list[SetPlan]]:
    """Two training sets and two test sets; one test prompt of three stands in training."""
    one = write(tmp_path / "one.jsonl", [do(n) for n in range(10)])
    two = write(tmp_path / "two.jsonl", [do(0, "do 3"), do(1, "Sing.")])
    train = write(tmp_path / "train.jsonl", [qa(n) for n in range(5)])
    test = write(tmp_path / "test.jsonl", [qa(0, "WHICH 4"), qa(1, "Which one?"), qa(2, "Which two?")])
    return {
        "train": [
            SetPlan("instruction", [JsonlSource(one), JsonlSource(two)], unique=True, hold_out={"validation": 4}),
            SetPlan("qa", [JsonlSource(train, "qa")]),
        ],
        "test": [SetPlan("qa", [JsonlSource(test, "qa")])],
    }


def load(folder: Path, name: str, split: str) -> list[str]:
    return [example.id for example in PreparedSource(str(folder), name, split).load()]  # type: ignore[arg-type]


def test_what_is_written_is_what_the_sources_hold(plans: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = prepare(plans, Settings(output_dir=out))
    train, held = load(out, "instruction", "train"), load(out, "instruction", "validation")
    expected = {*(f"instruction/one/{n}" for n in range(10)), "instruction/two/1"}
    assert len(train) == 7
    assert len(held) == 4
    assert {*train, *held} == expected
    assert list(PreparedSource(str(out), "qa").load())[2] == JsonlSource(str(tmp_path / "train.jsonl"), "qa").load()[2]
    assert load(out, "qa", "test") == ["qa/1", "qa/2"]
    assert [(own["split"], own["name"], own["n"]) for own in report["sets"]] == [
        ("train", "instruction", 7), ("train", "qa", 5), ("validation", "instruction", 4), ("test", "qa", 2),
    ]  # fmt: skip
    assert json.loads((out / "report.json").read_text()) == report
    [overlap] = report["overlaps"]
    assert (overlap["evaluation"], overlap["training"], overlap["exact"], overlap["grams"]) == (
        "test/qa",
        "train/qa",
        1,
        0,
    )
    assert overlap["examples"] == [{"evaluation": "qa/0", "training": "qa/4", "prompt": "WHICH 4", "kind": "exact"}]


def test_every_row_read_is_kept_or_has_a_reason(plans: Any, tmp_path: Path) -> None:
    report = prepare(plans, Settings(output_dir=tmp_path / "out"))
    for own in report["sets"]:
        assert sum(source["kept"] for source in own["sources"]) == own["n"]
        for source in own["sources"]:
            assert source["read"] == source["kept"] + sum(source["dropped"].values())


def test_started_again_it_does_nothing_and_says_the_same(plans: Any, tmp_path: Path, monkeypatch: Any) -> None:
    out = tmp_path / "out"
    first = prepare(plans, Settings(output_dir=out))
    monkeypatch.setattr(module, "write_part", None)
    monkeypatch.setattr(module, "write_report", None)
    assert prepare(plans, Settings(output_dir=out)) == first


def test_only_what_is_missing_or_changed_is_converted(plans: Any, tmp_path: Path, monkeypatch: Any) -> None:
    out = tmp_path / "out"
    written: list[str] = []
    real = module.write_part

    def counted(source: Any, dataset: str, *rest: Any) -> int:
        written.append(source.name)
        return real(source, dataset, *rest)

    monkeypatch.setattr(module, "write_part", counted)
    prepare(plans, Settings(output_dir=out))
    assert written == ["one", "two", "qa", "qa"]
    files = sorted(out.rglob("*.arrow"))
    manifest = (out / "manifest.json").read_text()

    written.clear()
    files[0].unlink()
    (out / "manifest.json").unlink()
    prepare(plans, Settings(output_dir=out))
    assert len(written) == 1
    assert (out / "manifest.json").read_text() == manifest

    written.clear()
    write(tmp_path / "two.jsonl", [do(0, "do 3"), do(1, "Sing."), do(2, "Run.")])
    prepare(plans, Settings(output_dir=out))
    assert written == ["two"]
    assert len(load(out, "instruction", "train")) == 8
    assert len(sorted(out.rglob("*.arrow"))) == len(files), "the part of the old file is gone"


def test_a_preparation_made_of_another_follows_it(tmp_path: Path) -> None:
    own = tmp_path / "own.jsonl"
    inner, outer = tmp_path / "inner", tmp_path / "outer"
    for count in (3, 5):
        write(own, [qa(n) for n in range(count)])
        prepare({"train": [SetPlan("qa", [JsonlSource(str(own), "qa")])]}, Settings(output_dir=inner))
        prepare({"train": [SetPlan("qa", [PreparedSource(str(inner), "qa")])]}, Settings(output_dir=outer))
        assert load(outer, "qa", "train") == [f"qa/{n}" for n in range(count)]


def test_a_folder_that_cannot_be_made_is_said_before_anything_is_read(plans: Any, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(InputError, match=r"expected --output_dir that is a folder, .*cannot make .*file"):
            prepare(plans, Settings(output_dir=out))
    assert (tmp_path / "file").read_text() == "mine"


def test_no_worker_is_refused_even_where_nothing_is_to_do(plans: Any, tmp_path: Path) -> None:
    prepare(plans, Settings(output_dir=tmp_path / "out"))
    with pytest.raises(InputError, match=r"--num_proc of at least 1, but got 0"):
        prepare(plans, Settings(output_dir=tmp_path / "out", num_proc=0))


def test_strict_refuses_and_writes_no_manifest(plans: Any, tmp_path: Path) -> None:
    out = tmp_path / "out"
    with pytest.raises(InputError, match=r"found 1 prompt of test/qa in train/qa; for example qa/0 is qa/4: 'WHICH 4'"):
        prepare(plans, Settings(output_dir=out, strict=True))
    assert not (out / "manifest.json").exists()
    plans["test"] = []
    prepare(plans, Settings(output_dir=out, strict=True))


def test_a_dry_run_reads_few_rows_and_spares_a_full_preparation(plans: Any, tmp_path: Path) -> None:
    report = prepare(plans, Settings(output_dir=tmp_path / "dry", limit=2))
    assert {source["read"] for own in report["sets"] if own["split"] == "train" for source in own["sources"]} == {2}
    assert report["limit"] == 2
    for plan in (plan for own in plans.values() for plan in own):
        for source in plan.sources:
            source.limit = None
    prepare(plans, Settings(output_dir=tmp_path / "out"))
    with pytest.raises(InputError, match=r"another folder for a dry run: .*--output_dir"):
        prepare(plans, Settings(output_dir=tmp_path / "out", limit=2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda plans: plans["train"].append(plans["train"][1]), r"train/qa stands there twice"),
        (lambda plans: plans.update(validation=[plans["train"][0]]), "a training set, as"),
        (lambda plans: plans.update(validation=[SetPlan("instruction", plans["test"][0].sources)]), "held out of"),
        (lambda plans: plans["train"][1].sources.clear(), "at least one source for the set 'qa' of train"),
        (lambda plans: setattr(plans["train"][1], "name", "../qa"), "can name a folder, but got '../qa'"),
        (lambda plans: plans["train"][0].hold_out.update(validation=0), "at least 1 row"),
        (lambda plans: plans["train"][0].hold_out.update(train=5), r"but train/instruction has \{train: 5\}"),
        (lambda plans: plans.clear(), "at least one set"),
    ],
)
def test_plans_that_cannot_be_followed(plans: Any, tmp_path: Path, change: Any, message: str) -> None:
    change(plans)
    with pytest.raises(InputError, match=message):
        prepare(plans, Settings(output_dir=tmp_path / "out"))
    assert not (tmp_path / "out").exists()


def test_a_test_set_of_training_prompts_alone_is_empty_in_one_line(plans: Any, tmp_path: Path) -> None:
    write(tmp_path / "test.jsonl", [qa(0, "Which 1?"), qa(1, "Which 2?")])
    with pytest.raises(InputError, match=r"at least one example of test/qa, .*: overlap_exact 2"):
        prepare(plans, Settings(output_dir=tmp_path / "out"))
