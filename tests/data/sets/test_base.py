import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from reset_pl.data.sets import PUBLISHED_SETS, Dolly, MSMarco, NaturalQuestions, base
from reset_pl.data.sets.base import Dropped, Origin, PublishedSource, Row
from reset_pl.data.sources import Source
from reset_pl.errors import InputError
from reset_pl.records import Example, Objective
from tests.data.sets.conftest import Put


class Toy(PublishedSource):
    """Says a word; short words are dropped."""

    dataset = "toy"
    origin = Origin(
        homepage="https://example.org",
        licence="CC0",
        folder="toy",
        files={"train": "train.jsonl", "test": "test.jsonl"},
        format="json",
    )
    columns = {"word": "a word"}  # noqa: RUF012

    def __init__(self, *, shortest: int = 3, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shortest = shortest

    def convert(self, row: Row) -> Example | Dropped:
        assert set(row) == {"word"}
        if not row["word"]:
            return Dropped("empty")
        if len(row["word"]) < self.shortest:
            return Dropped("short")
        return Example(
            id=f"{self.name}/{row['word']}", dataset=self.name, objective=Objective.INSTRUCTION, instruction=row["word"]
        )


def rows(*words: str | None) -> list[dict[str, Any]]:
    return [{"word": word, "other": 1} for word in words]


def test_load_keeps_the_order_of_the_rows(put: Put, mirror: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "CHUNK", 2)
    put("toy/train.jsonl", rows("three", "no", "seven", None, "eight", "three", "lines"))
    examples = Toy(data_dir=str(mirror)).load()
    assert [example.id for example in examples] == ["toy/three", "toy/seven", "toy/eight", "toy/lines"]


def test_convert_table_counts_the_reasons() -> None:
    examples, dropped = Toy().convert_table(pa.Table.from_pylist(rows("three", "no", "me", None, "lines")))
    assert [example.instruction for example in examples] == ["three", "lines"]
    assert dropped == {"short": 2, "empty": 1}


def test_a_copy_of_another_process_converts_alike() -> None:
    source = pickle.loads(pickle.dumps(Toy(shortest=1, name="mine", data_dir="here", limit=3)))
    examples, _ = source.convert_table(pa.Table.from_pylist(rows("no")))
    assert [example.id for example in examples] == ["mine/no"]


def test_split_name_and_limit(put: Put, mirror: Path) -> None:
    put("toy/test.jsonl", rows("three", "seven", "eight"))
    examples = Toy(split="test", data_dir=str(mirror), name="words", limit=2).load()
    assert [(example.id, example.dataset) for example in examples] == [
        ("words/three", "words"),
        ("words/seven", "words"),
    ]
    assert Toy().split == "train"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"split": "dev"}, "expected split train or test of toy, but got 'dev'"),
        ({"limit": 0}, "expected a limit of at least 1 row (or none) for toy, but got 0"),
    ],
)
def test_bad_settings(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        Toy(**settings)
    assert str(error.value) == message


@pytest.mark.parametrize(
    ("words", "message"),
    [(("no", "me", None), "none of its 3 rows passed the filters: short 2, empty 1"), ((None,), "empty 1")],
)
def test_no_row_passes(put: Put, mirror: Path, words: tuple[str, ...], message: str) -> None:
    put("toy/train.jsonl", rows(*words))
    with pytest.raises(InputError, match=message):
        Toy(data_dir=str(mirror)).load()


def test_a_line_that_is_not_utf8(put: Put, mirror: Path) -> None:
    put("toy/train.jsonl", rows("three")).write_bytes('{"word": "Café"}\n'.encode("latin-1"))
    with pytest.raises(InputError, match=r"expected text in UTF-8 in train\.jsonl of toy, but got .*0xe9"):
        Toy(data_dir=str(mirror)).load()


NQ = "dpr/nq-train.json.gz"
MS_MARCO = "microsoft/ms_marco/v2.1/train-0.parquet"
DOLLY = "databricks/databricks-dolly-15k/databricks-dolly-15k.jsonl"
QUESTION: dict[str, Any] = {
    "question": "Where?",
    "answers": ["Rome"],
    "ctxs": [{"text": "In Rome.", "has_answer": True}],
}
ASKED: dict[str, Any] = {"query_id": 1, "query": "Where?", "answers": ["Rome"], "wellFormedAnswers": ["In Rome."]}
ASKED["passages"] = {"passage_text": ["In Rome."], "is_selected": [1]}
TOLD: dict[str, Any] = {"instruction": "Go.", "context": "", "response": "Yes.", "category": "open_qa"}


@pytest.mark.parametrize(
    ("cls", "path", "is_mixed", "wrong", "message"),
    [
        (NaturalQuestions, NQ, True, {"answers": None}, r"row 2 is \{'answers': None, .*TypeError"),
        (NaturalQuestions, NQ, True, {"answers": "Rome"}, r"row 2 is .*a list of texts, but got the text 'Rome'"),
        (NaturalQuestions, NQ, True, {"ctxs": [{"text": 3}]}, r"row 2 is .*AttributeError"),
        (NaturalQuestions, NQ, False, {"answers": "Rome"}, r"column 'answers' \(the short answers, .* the type string"),
        (NaturalQuestions, NQ, False, {"ctxs": ["In Rome."]}, r"row 1 is .*'ctxs': \['In Rome\.'\].*TypeError"),
        (NaturalQuestions, NQ, False, {"ctxs": [{"passage": "Rome"}]}, r"row 1 is .*\{'passage': 'Rome'\}"),
        (MSMarco, MS_MARCO, False, {"passages": {"passage_text": ["Rome"]}}, r"row 1 is .*KeyError: 'is_selected'"),
        (Dolly, DOLLY, False, {"response": 5}, r"a column 'response' \(the answer, a text\) .* the type int64"),
        (Dolly, DOLLY, False, {"instruction": ["Go."]}, r"a column 'instruction' .* the type list<"),
    ],
)
def test_a_row_of_another_form_is_shown(
    put: Put, mirror: Path, cls: type[PublishedSource], path: str, is_mixed: bool, wrong: Any, message: str
) -> None:
    row = {NaturalQuestions: QUESTION, MSMarco: ASKED, Dolly: TOLD}[cls]
    put(path, [*([row] if is_mixed else []), {**row, **wrong}])
    with pytest.raises(InputError, match=message) as error:
        cls(data_dir=str(mirror)).load()
    assert "\n" not in str(error.value)


def test_a_row_is_numbered_among_all_rows_and_shown_in_short() -> None:
    table = pa.Table.from_pylist([{"word": "three"}, {"word": "x" * 1000, "other": 1}])
    source = Toy()
    source.convert = lambda row: {}[row["word"]] if "x" in row["word"] else Dropped("short")  # type: ignore[method-assign]
    with pytest.raises(InputError, match=r"but row 1,002 is \{.*'xxx.*\.\.\.x+'\} .*KeyError") as error:
        source.convert_table(table, 1000)
    assert "with 'word' (a word)" in str(error.value)


def test_names_and_origins() -> None:
    names = [cls.dataset for cls in PUBLISHED_SETS]
    assert len(set(names)) == len(names)
    for cls in PUBLISHED_SETS:
        origin = cls().origin
        assert origin.homepage.startswith("https://")
        assert origin.licence
        assert cls.columns
        assert all(meaning for meaning in cls.columns.values())
        assert origin.revision is None or origin.url is None


@pytest.mark.parametrize("cls", PUBLISHED_SETS, ids=lambda cls: cls.__name__)
def test_every_set_can_be_configured(cls: type[PublishedSource], mirror: Path) -> None:
    """Its options and those of the base are read from YAML, and refused by name."""
    from jsonargparse import ArgumentParser

    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--set", type=Source)
    settings = {"data_dir": str(mirror), "limit": 3, "name": "mine"}
    path = f"{cls.__module__}.{cls.__qualname__}"
    source = parser.instantiate_classes(parser.parse_object({"set": {"class_path": path, "init_args": settings}})).set
    assert (source.name, source.limit, source.data_dir) == ("mine", 3, mirror)
    assert pickle.loads(pickle.dumps(source)).__dict__ == source.__dict__
    with pytest.raises(Exception, match="no_such_option"):
        parser.parse_object({"set": {"class_path": path, "init_args": {"no_such_option": 1}}})


@pytest.mark.parametrize("cls", PUBLISHED_SETS, ids=lambda cls: cls.__name__)
def test_every_set_says_what_to_put_where(cls: type[PublishedSource], mirror: Path) -> None:
    source = cls(data_dir=str(mirror))
    with pytest.raises(InputError) as error:
        source.load()
    text = str(error.value)
    assert f"{mirror}/{source.origin.folder}/{source.origin.files[source.split]}" in text
    assert source.origin.homepage in text


def test_importing_the_sets_is_light() -> None:
    code = "import sys, reset_pl.data.sets; print({'datasets', 'torch', 'transformers', 'pandas'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == "set()"


DOC = Path(__file__).parents[3] / "docs" / "data.md"


def test_the_documented_sets_and_options_are_those_of_the_classes() -> None:
    table = DOC.read_text().split("## The sets")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines() if line.startswith("| `")]
    classes = {cls.__name__: cls for cls in PUBLISHED_SETS}
    assert {row[0].strip("`") for row in rows} == set(classes)
    common = {"self", "kwargs", *inspect.signature(PublishedSource).parameters}
    not_a_filter = {"shape", "bioasq_source"}
    for row in rows:
        cls = classes[row[0].strip("`")]
        options = set(inspect.signature(cls.__init__).parameters) - common - not_a_filter
        assert set(re.findall(r"`(\w+)`", row[3])) == options, cls.__name__
        assert cls.origin.homepage in row[1]


def test_the_documented_mirror_is_what_the_sets_read() -> None:
    tree = DOC.read_text().split("```\nMIRROR/\n")[1].split("```")[0]
    documented = {
        folder + path.strip()
        for folder, paths in re.findall(r"^  (\S+/)\n((?:    .*\n)+)", tree, re.MULTILINE)
        for path in paths.splitlines()
    }
    assert documented == {f"{cls.origin.folder}/{path}" for cls in PUBLISHED_SETS for path in cls.origin.files.values()}


def test_the_documented_columns_are_those_of_the_classes() -> None:
    table = DOC.read_text().split("| set | columns |\n")[1].split("\n\n")[0]
    documented = dict(re.findall(r"^\| `(\w+)` \| (.*) \|$", table, re.MULTILINE))
    assert documented == {
        cls.__name__: "; ".join(f"`{name}` {meaning}" for name, meaning in cls.columns.items())
        for cls in PUBLISHED_SETS
    }


def test_the_sets_without_a_pin_are_named() -> None:
    pinned = DOC.read_text().split("## Pinned files")[1].split("\n## ")[0]
    for cls in PUBLISHED_SETS:
        if cls.origin.revision in ("main", "refs/convert/parquet"):
            assert f"`{cls.origin.folder}`" in pinned
        elif cls.origin.revision is not None:
            assert re.fullmatch("[0-9a-f]{40}", cls.origin.revision)
            assert cls.origin.folder not in pinned
