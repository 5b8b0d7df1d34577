import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from reset_pl.data.sets.cutting import cut_objects

OBJECTS = st.fixed_dictionaries({"id": st.integers(0, 9), "text": st.text(max_size=3) | st.none(), "score": st.none()})
KIND = pa.list_(pa.struct({"id": pa.int64(), "text": pa.string(), "score": pa.string()}))


@given(
    st.lists(st.lists(st.lists(OBJECTS, max_size=4) | st.none(), max_size=4), max_size=3),
    st.integers(1, 5) | st.none(),
    st.integers(0, 3),
)
def test_cut_equals_slices_of_python_lists(chunks: list, length: int | None, start: int) -> None:
    column = pa.chunked_array([pa.array(chunk, KIND) for chunk in chunks], KIND).slice(start)
    expected = [[{"text": item["text"]} for item in (row or [])[:length]] for row in column.to_pylist()]
    assert cut_objects(column, ("text", "absent"), length).to_pylist() == expected


def test_other_types_stay_as_they_are() -> None:
    column = pa.chunked_array([["a", "b"]])
    assert cut_objects(column, ("text",), 1) is column
