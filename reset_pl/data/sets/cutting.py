"""Cutting columns in Arrow, before rows become Python objects: what is not there costs nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def cut_fields(column: pa.ChunkedArray, fields: Sequence[str]) -> pa.ChunkedArray:
    """Objects with only the named fields, those of them that they have.

    Args:
        column: Objects; a column of another type comes back as it is (objects with unlike keys are JSON texts).
        fields: Fields to keep.
    """
    if not pa.types.is_struct(column.type):
        return column
    kept = [field for field in column.type if field.name in fields]
    chunks = [
        pa.StructArray.from_arrays(_values(chunk, kept), fields=kept, mask=chunk.is_null()) for chunk in column.chunks
    ]
    return pa.chunked_array(chunks, pa.struct(kept))


def cut_objects(column: pa.ChunkedArray, fields: Sequence[str], length: int | None = None) -> pa.ChunkedArray:
    """Lists of objects with only their first elements, and of these only the named fields.

    Args:
        column: Lists of objects; a column of another type comes back as it is. A missing list becomes an empty one.
        fields: Fields to keep, those of them that the objects have.
        length: Elements to keep of each list; all when not given.
    """
    if not (pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type)):
        return column
    kept = [field for field in column.type.value_type if field.name in fields]
    chunks = []
    for chunk in column.chunks:
        lists = chunk if length is None else pc.list_slice(chunk, 0, length)
        lengths = pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
        offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]), pa.int32())
        objects = pa.StructArray.from_arrays(_values(lists.flatten(), kept), fields=kept)
        chunks.append(pa.ListArray.from_arrays(offsets, objects))
    return pa.chunked_array(chunks, pa.list_(pa.struct(kept)))


def _values(objects: pa.StructArray, fields: Sequence[pa.Field]) -> list[pa.Array]:
    return [pc.struct_field(objects, field.name) for field in fields]
