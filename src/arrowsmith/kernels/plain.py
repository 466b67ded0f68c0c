"""Columns in a type that kernels take: extension types unwrapped, dictionaries and runs decoded."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from arrowsmith.kernels.arrays import decoded


def unwrapped_type(kind: pa.DataType) -> pa.DataType:
    """The type of the values within extension types, dictionaries and runs; no views.

    Example:
        >>> unwrapped_type(pa.dictionary(pa.int8(), pa.string_view()))
        DataType(large_string)
    """
    types = pa.types
    if isinstance(kind, pa.BaseExtensionType):
        return unwrapped_type(kind.storage_type)
    if types.is_dictionary(kind) or types.is_run_end_encoded(kind):
        return unwrapped_type(kind.value_type)
    if types.is_string_view(kind):
        return pa.large_string()
    return pa.large_binary() if types.is_binary_view(kind) else kind


def unwrapped(column: pa.Array) -> pa.Array:
    """The column in its ``unwrapped_type``: what is null within a dictionary or run is null.

    Example:
        >>> unwrapped(pa.array(["a", None, "a"]).dictionary_encode()).to_pylist()
        ['a', None, 'a']
    """
    kind = column.type
    if isinstance(kind, pa.BaseExtensionType):
        return unwrapped(column.storage)
    if pa.types.is_dictionary(kind):
        return unwrapped(decoded(column))
    if pa.types.is_run_end_encoded(kind):
        return unwrapped(pc.run_end_decode(column))
    wanted = unwrapped_type(kind)
    return column if wanted.equals(kind) else column.cast(wanted)
