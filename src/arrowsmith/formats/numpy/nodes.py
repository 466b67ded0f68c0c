"""Which NumPy type stands for which Arrow type, and the nodes of nested ones."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.types as pt

from arrowsmith.formats.numpy.encode import (
    DAY,
    NAT,
    Encoded,
    Node,
    Plain,
    Present,
    Text,
    UnwritableError,
)
from arrowsmith.kernels.arrays import decoded


@dataclass(frozen=True)
class ComplexNumbers(Node):
    """A structure of two floats named real and imag."""

    part: Plain

    pieces = 2

    def encode(self, array: pa.Array, present: Present, out: Encoded) -> None:
        present = present.within(array)
        for at in range(2):
            self.part.encode(array.field(at), present, out)

    def dtype(self, widths: Iterator[int]) -> np.dtype[Any]:
        return np.dtype("<c8" if self.part.code == "<f4" else "<c16")

    def values(
        self, parts: Iterator[bytes], widths: Iterator[int], rows: tuple[int, int]
    ) -> np.ndarray:
        found = np.empty(rows[1] - rows[0], self.dtype(widths))
        found.real = self.part.values(parts, widths, rows)
        found.imag = self.part.values(parts, widths, rows)
        return found


@dataclass(frozen=True)
class Structure(Node):
    """Fields by name."""

    fields: tuple[tuple[str, Node], ...]

    @property
    def pieces(self) -> int:  # type: ignore[override]
        return sum(node.pieces for _, node in self.fields)

    @property
    def texts(self) -> int:  # type: ignore[override]
        return sum(node.texts for _, node in self.fields)

    def encode(self, array: pa.Array, present: Present, out: Encoded) -> None:
        present = present.within(array)
        for at, (_, node) in enumerate(self.fields):
            node.encode(array.field(at), present, out)

    def dtype(self, widths: Iterator[int]) -> np.dtype[Any]:
        return np.dtype([(name, node.dtype(widths), node.inner) for name, node in self.fields])

    def values(
        self, parts: Iterator[bytes], widths: Iterator[int], rows: tuple[int, int]
    ) -> np.ndarray:
        known = list(widths)
        found = np.zeros(rows[1] - rows[0], self.dtype(iter(known)))
        left = iter(known)
        for name, node in self.fields:
            found[name] = node.values(parts, left, rows)
        return found


@dataclass(frozen=True)
class Lists(Node):
    """Lists of a fixed size, or tensors.

    Attributes:
        shape: of a row as Arrow stores it.
        axes: the order of its dimensions as users see them.
    """

    element: Node
    shape: tuple[int, ...]
    axes: tuple[int, ...]

    @property
    def inner(self) -> tuple[int, ...]:  # type: ignore[override]
        return (*(self.shape[axis] for axis in self.axes), *self.element.inner)

    @property
    def pieces(self) -> int:  # type: ignore[override]
        return self.element.pieces

    @property
    def texts(self) -> int:  # type: ignore[override]
        return self.element.texts

    def encode(self, array: pa.Array, present: Present, out: Encoded) -> None:
        size = math.prod(self.shape)
        present = present.within(array).times(size)
        start = array.offset * size
        self.element.encode(array.values.slice(start, len(array) * size), present, out)

    def dtype(self, widths: Iterator[int]) -> np.dtype[Any]:
        return self.element.dtype(widths)

    def values(
        self, parts: Iterator[bytes], widths: Iterator[int], rows: tuple[int, int]
    ) -> np.ndarray:
        size = math.prod(self.shape)
        flat = self.element.values(parts, widths, (rows[0] * size, rows[1] * size))
        shaped = flat.reshape(rows[1] - rows[0], *self.shape, *self.element.inner)
        behind = range(1 + len(self.axes), shaped.ndim)
        return shaped.transpose(0, *(axis + 1 for axis in self.axes), *behind)


def storage_of(array: pa.Array) -> pa.Array:
    """The array without extension types and dictionaries at its top."""
    while True:
        if isinstance(array.type, pa.BaseExtensionType):
            array = array.storage
        elif pt.is_dictionary(array.type):
            array = decoded(array)
        else:
            return array


@dataclass(frozen=True)
class Unwrapped(Node):
    """An extension type or a dictionary, written as its storage or values."""

    node: Node

    @property
    def inner(self) -> tuple[int, ...]:  # type: ignore[override]
        return self.node.inner

    @property
    def pieces(self) -> int:  # type: ignore[override]
        return self.node.pieces

    @property
    def texts(self) -> int:  # type: ignore[override]
        return self.node.texts

    def encode(self, array: pa.Array, present: Present, out: Encoded) -> None:
        self.node.encode(storage_of(array), present, out)

    def dtype(self, widths: Iterator[int]) -> np.dtype[Any]:
        return self.node.dtype(widths)

    def values(
        self, parts: Iterator[bytes], widths: Iterator[int], rows: tuple[int, int]
    ) -> np.ndarray:
        return self.node.values(parts, widths, rows)


def node_of(kind: pa.DataType) -> Node:
    """How values of an Arrow type are written.

    Raises:
        UnwritableError: they cannot be.
    """
    if isinstance(kind, pa.FixedShapeTensorType):
        shape = tuple(kind.shape)
        axes = tuple(kind.permutation or range(len(shape)))
        return Unwrapped(Lists(node_of(kind.value_type), shape, axes))
    if isinstance(kind, pa.BaseExtensionType):
        return Unwrapped(node_of(kind.storage_type))
    if pt.is_dictionary(kind):
        return Unwrapped(node_of(kind.value_type))
    if pt.is_fixed_size_list(kind):
        return Lists(node_of(kind.value_type), (kind.list_size,), (0,))
    if pt.is_struct(kind):
        return _structure(kind)
    if pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind):
        return Text(unicode=True)
    if pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_binary_view(kind):
        return Text(unicode=False)
    found = _plain(kind)
    if found is None:
        raise UnwritableError(f"{kind} has no place in a NumPy array", _way_out(kind))
    return found


def _structure(kind: pa.StructType) -> Node:
    fields = [kind.field(at) for at in range(kind.num_fields)]
    names = [one.name for one in fields]
    types = {one.type for one in fields}
    if names == ["real", "imag"] and len(types) == 1 and types <= {pa.float32(), pa.float64()}:
        return ComplexNumbers(node_of(fields[0].type))  # type: ignore[arg-type]
    check_names(names)
    return Structure(tuple((one.name, node_of(one.type)) for one in fields))


def check_names(names: Sequence[str]) -> None:
    """Raise ``UnwritableError`` for names that fields of a structure cannot have."""
    if not names:
        raise UnwritableError(
            "a structure without fields has no place in a NumPy array", "leave it out"
        )
    if "" in names or len(set(names)) < len(names):
        raise UnwritableError("two fields have the same name, or one has none", "rename them")


def _plain(kind: pa.DataType) -> Plain | None:
    if pt.is_null(kind):
        return Plain("<f8", "<f8", missing=math.nan)
    if pt.is_boolean(kind):
        return Plain("|b1", "bits")
    if pt.is_integer(kind):
        code = f"<{'i' if pt.is_signed_integer(kind) else 'u'}{kind.bit_width // 8}"
        return Plain(np.dtype(code).str, code)
    if pt.is_floating(kind):
        code = f"<f{kind.bit_width // 8}"
        return Plain(code, code, missing=math.nan)
    if pt.is_fixed_size_binary(kind) and kind.byte_width:
        return Plain(f"|V{kind.byte_width}", f"|V{kind.byte_width}")
    if pt.is_date32(kind):
        return Plain("<M8[D]", "<i4", missing=NAT)
    if pt.is_date64(kind):
        return Plain("<M8[D]", "<i8", divisor=DAY, missing=NAT)
    if pt.is_timestamp(kind):
        return Plain(f"<M8[{kind.unit}]", "<i8", missing=NAT)
    if pt.is_time(kind) or pt.is_duration(kind):
        return Plain(f"<m8[{kind.unit}]", f"<i{kind.bit_width // 8}", missing=NAT)
    return None


def _way_out(kind: pa.DataType) -> str:
    if pt.is_decimal(kind):
        return "cast it to double or string, or write parquet"
    if pt.is_nested(kind):
        return "only lists of a fixed size and structs have one: leave it out, or write parquet"
    return "leave the column out, or write parquet"
