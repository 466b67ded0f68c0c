"""Names of columns that are no text: found while errors are expected."""

from __future__ import annotations

import pyarrow as pa


def decode_names(schema: pa.Schema) -> None:
    """Look at the name of each column, and of each field within it.

    pyarrow keeps names as bytes and decodes them when they are asked for, however late.

    Raises:
        UnicodeDecodeError: a name is not UTF-8.

    Example:
        >>> decode_names(pa.schema([("a", pa.list_(pa.int8()))]))
    """
    for field in schema:
        _decode(field)


def _decode(field: pa.Field) -> None:
    _ = field.name
    kind = field.type
    if isinstance(kind, pa.BaseExtensionType):
        kind = kind.storage_type
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    for place in range(kind.num_fields):
        _decode(kind.field(place))
