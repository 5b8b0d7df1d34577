"""Cutting columns in Arrow, before rows become Python objects: what is not there costs nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def cut_objects(column: pa.ChunkedArray, fields: Sequence[str], length: int | None = None) -> pa.ChunkedArray:
    """Lists of objects, in Arrow, with only their first elements and only the named fields.

    Args:
        column: Lists of objects; a column of another type comes back as it is.
        fields: Fields to keep; those that the objects do not have are passed over.
        length: Elements to keep of each list; all when not given.
    """
    if not (pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type)):
        return column  # objects with unlike keys are JSON texts: see to_rows
    names = [field.name for field in column.type.value_type if field.name in fields]
    chunks = []
    for chunk in column.chunks:
        lists = chunk if length is None else pc.list_slice(chunk, 0, length)
        objects = lists.flatten()
        kept = pa.StructArray.from_arrays([pc.struct_field(objects, name) for name in names], names)
        offsets = pa.array(np.cumsum([0, *pc.fill_null(pc.list_value_length(lists), 0).to_pylist()]), pa.int32())
        chunks.append(pa.ListArray.from_arrays(offsets, kept))
    return pa.chunked_array(chunks, pa.list_(pa.struct([column.type.value_type.field(name) for name in names])))
