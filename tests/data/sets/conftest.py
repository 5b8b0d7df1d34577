"""A local mirror that a test fills, and a cache of its own for ``datasets``."""

import gzip
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

Rows = Sequence[Mapping[str, Any]]
Put = Callable[[str, Rows], Path]
Real = Callable[[str], list[dict[str, Any]]]

REAL = Path(__file__).parents[3].parent / "shared" / "data"


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


@pytest.fixture
def put(mirror: Path) -> Put:
    """Writes rows under the mirror, in the form that the path's ending says."""

    def write(name: str, rows: Rows) -> Path:
        path = mirror / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix == ".parquet":
            pq.write_table(pa.Table.from_pylist(list(rows)), path)
        else:
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            text = json.dumps(list(rows)) if ".json" in path.suffixes else lines
            path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
        return path

    return write


@pytest.fixture
def real() -> Real:
    """Reads real rows that lie beside the repository, a JSON list or JSON lines."""

    def read(name: str) -> list[dict[str, Any]]:
        path = REAL / name
        if not path.exists():
            pytest.skip(f"the real rows are not at {path}")
        text = path.read_text(encoding="utf-8")
        return json.loads(text) if path.suffix == ".json" else [json.loads(line) for line in text.splitlines()]

    return read
