"""What is known of features, and the columns that they become."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pyarrow as pa

from arrowsmith.errors import DataError, OptionError

BYTES, FLOAT, INT = 1, 2, 3
"""The kinds as the oneof of ``tf.train.Feature`` numbers them."""
NAMES = {BYTES: "bytes_list", FLOAT: "float_list", INT: "int64_list"}
SCALAR = 0
_TYPES = {BYTES: pa.binary(), FLOAT: pa.float32(), INT: pa.int64()}
_GIVEN = {"int64": INT, "float32": FLOAT, "binary": BYTES, "string": BYTES}
_ALIASES = {"int": "int64", "float": "float32", "bytes": "binary", "str": "string"}
_SYNTAX = re.compile(r"(\w+)(?:\[(\d*)\])?(\[\])?")
_LONGEST = 1 << 24

Key = tuple[bool, str]
"""Whether it is a feature list, and its name."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What the records have shown of a feature.

    Attributes:
        tag: ``BYTES``, ``FLOAT`` or ``INT``; None where no record has a value.
        low, high: how many values it has, at least and at most.
        record, offset: where it was first seen with that tag.
    """

    tag: int | None
    low: int
    high: int
    record: int
    offset: int

    def join(self, other: Seen) -> Seen:
        """Both together; their tags are the same, or one is None."""
        if self.tag is None or other.tag is None:
            return other if self.tag is None else self
        first = self if self.record <= other.record else other
        return replace(first, low=min(self.low, other.low), high=max(self.high, other.high))


@dataclass(frozen=True, slots=True)
class Column:
    """A feature as it is read.

    Attributes:
        name: of the column.
        key: of the feature.
        tag: its kind, None where no record has a value.
        shape: ``SCALAR``, the length of a fixed-size list, or None for a list.
        text: bytes that are UTF-8.
        seen: what the type was inferred from; None where it was asked for.
    """

    name: str
    key: Key
    tag: int | None
    shape: int | None
    text: bool = False
    seen: Seen | None = None

    @property
    def count(self) -> int | None:
        """How many values each record has that has any; None for any number."""
        return 1 if self.shape == SCALAR else self.shape

    @property
    def item(self) -> pa.DataType:
        """The type of one value."""
        if self.tag is None:
            return pa.null()
        return pa.string() if self.text else _TYPES[self.tag]

    @property
    def type(self) -> pa.DataType:
        if self.shape == SCALAR or self.tag is None:
            one = self.item
        else:
            one = pa.list_(self.item) if self.shape is None else pa.list_(self.item, self.shape)
        return pa.list_(one) if self.key[0] and self.tag is not None else one


def columns_of(seen: Mapping[Key, Seen], *, fixed: bool) -> tuple[Column, ...]:
    """A column for each feature, in their order.

    A feature list with the name of a feature is called ``feature_lists/NAME``.

    Args:
        fixed: lists of one length become fixed-size lists.

    Raises:
        DataError: that name is taken as well.
    """
    columns = []
    for key, found in seen.items():
        sequence, name = key
        if sequence and (False, name) in seen:
            name = f"feature_lists/{name}"
            if (False, name) in seen or (True, name) in seen:
                raise DataError(f"two features would be the column {name!r}", hint="use features=")
        same = found.low == found.high
        shape = None
        if same and (found.low == 1 and not sequence):
            shape = SCALAR
        elif same and fixed and 0 < found.low <= _LONGEST:
            shape = found.low
        columns.append(Column(name, key, found.tag, shape, seen=found))
    return tuple(columns)


def given_columns(features: Mapping[str, str], *, sequence: bool) -> tuple[Column, ...]:
    """The columns that ``features=`` asks for.

    Args:
        sequence: records may have feature lists, which end in ``[]``: ``int64[][]`` is a list of
            lists of any length, ``float32[3][]`` a list of lists of three.

    Raises:
        OptionError: no such type.
    """
    columns = []
    for name, text in features.items():
        found = _SYNTAX.fullmatch(text.strip())
        kind = _ALIASES.get(found[1], found[1]) if found else ""
        if found is None or kind not in _GIVEN or (found[2] and not 0 < int(found[2]) <= _LONGEST):
            raise OptionError(
                f"features: '{name}' has no type '{text}'",
                hint="types are int64, float32, binary, string, lists of them such as int64[] and "
                "float32[16], and feature lists such as int64[][]",
            )
        lists = found[3] is not None
        if lists and not sequence:
            raise OptionError(
                f"features: '{name}' is of type '{text}', and only a SequenceExample has such",
                hint="set payload=sequence if that is what the records are",
            )
        shape = SCALAR if found[2] is None else int(found[2]) if found[2] else None
        columns.append(Column(name, (lists, name), _GIVEN[kind], shape, kind == "string"))
    return tuple(columns)
