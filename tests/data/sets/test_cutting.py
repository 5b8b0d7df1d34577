import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.data.sets.cutting import cut_fields, cut_objects

OBJECT = st.fixed_dictionaries({"id": st.integers(0, 9), "text": st.text(max_size=3) | st.none(), "score": st.none()})
KIND = pa.struct({"id": pa.int64(), "text": pa.string(), "score": pa.string()})


@given(
    st.lists(st.lists(st.lists(OBJECT, max_size=4) | st.none(), max_size=4), max_size=3),
    st.integers(1, 5) | st.none(),
    st.integers(0, 3),
)
def test_lists_are_cut_as_python_lists_are(chunks: list, length: int | None, start: int) -> None:
    kind = pa.list_(KIND)
    column = pa.chunked_array([pa.array(chunk, kind) for chunk in chunks], kind).slice(start)
    expected = [[{"text": item["text"]} for item in (row or [])[:length]] for row in column.to_pylist()]
    assert cut_objects(column, ("text", "absent"), length).to_pylist() == expected


@given(st.lists(st.lists(OBJECT | st.none(), max_size=4), max_size=3), st.integers(0, 3))
def test_objects_are_cut_as_python_objects_are(chunks: list, start: int) -> None:
    column = pa.chunked_array([pa.array(chunk, KIND) for chunk in chunks], KIND).slice(start)
    expected = [row and {"id": row["id"], "text": row["text"]} for row in column.to_pylist()]
    assert cut_fields(column, ("text", "id", "absent")).to_pylist() == expected


def test_other_types_stay_as_they_are() -> None:
    column = pa.chunked_array([["a", "b"]])
    assert cut_objects(column, ("text",), 1) is column
    assert cut_fields(column, ("text",)) is column
