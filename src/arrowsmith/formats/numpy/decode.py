"""NumPy values as Arrow arrays: laid over the same bytes where both have the same layout.

A :class:`Codec` is made once a column from the array's type; its ``array()`` then takes any run of
rows. What is contiguous, aligned and of this machine's byte order is not copied.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from arrowsmith.formats.numpy.text import binary_from_bytes, texts_from_utf32

_NAT = np.iinfo(np.int64).min
_ARROW_UNITS = ("s", "ms", "us", "ns")
_SECONDS = {"m": 60, "h": 3_600, "D": 86_400, "W": 604_800}
_DATES = {"Y", "M", "W", "D"}
# The years and months that days since 1970 in 32 bits can tell apart, and some that they cannot.
_FARTHEST = {"Y": 5_000_000, "M": 60_000_000, "W": 300_000_000, "D": (1 << 31) - 1}


class NoCounterpartError(ValueError):
    """There is no Arrow type for it."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True)
class Codec:
    """How values of one NumPy type become Arrow's.

    Attributes:
        type: what ``array()`` gives.
        direct: the bytes are the same, so that nothing is copied where the layout allows.
    """

    type: pa.DataType
    direct: bool = field(default=False, kw_only=True)

    def array(self, values: np.ndarray) -> pa.Array:
        """Rows along the first axis; they may be strided, swapped and not aligned.

        Raises:
            ValueError: a value has no counterpart; the message says which and why.
        """
        return pa.Array.from_buffers(self.type, len(values), [None, as_buffer(values)])


def codec(dtype: np.dtype[Any], inner: tuple[int, ...] = (), *, tensor: bool = False) -> Codec:
    """The codec of an array's rows.

    Args:
        dtype: of an element.
        inner: the shape of a row.
        tensor: rows become fixed-shape tensors rather than nested lists of fixed size.

    Raises:
        NoCounterpartError: there is no Arrow type for it.
    """
    if dtype.subdtype is not None:
        base, shape = dtype.subdtype
        return codec(base, (*inner, *shape), tensor=tensor)
    if inner:
        element = codec(dtype)
        kind = _row_type(element.type, inner, tensor)
        return Rows(kind, element, inner, direct=element.direct)
    if dtype.names is not None:
        parts = tuple((name, codec(dtype[name])) for name in dtype.names)
        kind = pa.struct([pa.field(name, part.type) for name, part in parts])
        return Fields(kind, parts)
    return _plain(dtype)


def _plain(dtype: np.dtype[Any]) -> Codec:
    kind, size = dtype.kind, dtype.itemsize
    if kind in "iu":
        return Codec(getattr(pa, f"{'u' if kind == 'u' else ''}int{8 * size}")(), direct=True)
    if kind == "f" and size <= 8:
        return Codec(getattr(pa, f"float{8 * size}")(), direct=True)
    if kind == "c" and size <= 16:
        part = Codec(pa.float32() if size == 8 else pa.float64(), direct=True)
        return Complex(pa.struct([("real", part.type), ("imag", part.type)]), part)
    if kind in "fc":
        raise NoCounterpartError(
            f"{dtype} differs from machine to machine", "save it as float64 or complex128"
        )
    if kind == "b":
        return Booleans(pa.bool_())
    if kind == "U":
        return Texts(pa.string())
    if kind == "S":
        return Texts(pa.binary())
    if kind == "V":
        return Codec(pa.binary(size), direct=True)
    if kind in "mM":
        return _times(dtype)
    raise NoCounterpartError(f"there is no Arrow type for {dtype}", "save it as another type")


def _times(dtype: np.dtype[Any]) -> Codec:
    unit, step = np.datetime_data(dtype)
    moment = dtype.kind == "M"
    if unit in _ARROW_UNITS:
        arrow = pa.timestamp(unit) if moment else pa.duration(unit)
        return Times(arrow, unit, step, direct=step == 1)
    if moment and unit in _DATES:
        return Times(pa.date32(), unit, step)
    if unit in _SECONDS:
        return Times(pa.timestamp("s") if moment else pa.duration("s"), unit, step)
    raise NoCounterpartError(
        f"{dtype} has no counterpart in Arrow",
        "save it with a unit such as array.astype('"
        f"{'datetime64' if moment else 'timedelta64'}[ns]')",
    )


def as_buffer(values: np.ndarray) -> pa.Buffer:
    """The bytes of an array in C order, aligned and native: its own where they are so already."""
    native = values.astype(values.dtype.newbyteorder("="), copy=False)
    sound = np.require(native, requirements=["C", "A"])
    if not sound.size or not sound.dtype.itemsize:
        return pa.py_buffer(b"")
    return pa.py_buffer(sound.reshape(-1).view(np.uint8))


@dataclass(frozen=True)
class Booleans(Codec):
    """A byte a value, as bits."""

    def array(self, values: np.ndarray) -> pa.Array:
        # NumPy holds any byte but 0 for true.
        bits = np.packbits(np.ascontiguousarray(values).view(np.uint8) != 0, bitorder="little")
        return pa.Array.from_buffers(self.type, len(values), [None, pa.py_buffer(bits)])


@dataclass(frozen=True)
class Texts(Codec):
    """Texts padded to one width."""

    def array(self, values: np.ndarray) -> pa.Array:
        unpadded = texts_from_utf32 if values.dtype.kind == "U" else binary_from_bytes
        return unpadded(values)


@dataclass(frozen=True)
class Times(Codec):
    """Times since 1970, or between two moments; NaT is null."""

    unit: str
    step: int

    def array(self, values: np.ndarray) -> pa.Array:
        native = values.astype(values.dtype.newbyteorder("="), copy=False)
        numbers = np.require(native, requirements=["C", "A"]).view(np.int64)
        missing = numbers == _NAT
        nulls = int(np.count_nonzero(missing))
        if not self.direct:
            numbers = self._converted(np.where(missing, 0, numbers) if nulls else numbers)
        valid = None
        if nulls:
            valid = pa.py_buffer(np.packbits(~missing, bitorder="little"))
        return pa.Array.from_buffers(self.type, len(values), [valid, as_buffer(numbers)], nulls)

    def _converted(self, numbers: np.ndarray) -> np.ndarray:
        date = pa.types.is_date32(self.type)
        factor = 1 if date else _SECONDS.get(self.unit, 1)
        most = _FARTHEST[self.unit] if date else np.iinfo(np.int64).max // factor
        low, high = (int(numbers.min()), int(numbers.max())) if len(numbers) else (0, 0)
        if max(-low - date, high) * self.step > most:  # there is a day more before 1970 than after
            raise ValueError(f"a time of the unit {self.unit} is too far away for {self.type}")
        counted = numbers * (self.step * factor)
        if not date:
            return counted
        days = counted.view(f"M8[{self.unit}]").astype("M8[D]").view(np.int64)
        return days.astype(np.int32)


@dataclass(frozen=True)
class Complex(Codec):
    """Real and imaginary part."""

    part: Codec

    def array(self, values: np.ndarray) -> pa.Array:
        parts = [self.part.array(values.real), self.part.array(values.imag)]
        return _struct(self.type, len(values), parts)


@dataclass(frozen=True)
class Fields(Codec):
    """A structure, field by field."""

    parts: tuple[tuple[str, Codec], ...]

    def array(self, values: np.ndarray) -> pa.Array:
        parts = [part.array(values[name]) for name, part in self.parts]
        return _struct(self.type, len(values), parts)


@dataclass(frozen=True)
class Rows(Codec):
    """Rows of several values."""

    element: Codec
    inner: tuple[int, ...]

    def array(self, values: np.ndarray) -> pa.Array:
        array = self.element.array(values.reshape(-1))
        if isinstance(self.type, pa.BaseExtensionType):
            kind = self.type.storage_type
            storage = pa.Array.from_buffers(kind, len(values), [None], children=[array])
            return pa.ExtensionArray.from_storage(self.type, storage)
        return self._listed(self.type, len(values), self.inner, array)

    def _listed(self, kind: Any, rows: int, inner: tuple[int, ...], flat: pa.Array) -> pa.Array:
        size, *deeper = inner
        child = flat
        if deeper:
            child = self._listed(kind.value_type, rows * size, tuple(deeper), flat)
        return pa.Array.from_buffers(kind, rows, [None], children=[child])


def _struct(kind: pa.DataType, rows: int, parts: list[pa.Array]) -> pa.Array:
    return pa.Array.from_buffers(kind, rows, [None], children=parts)


def _row_type(element: pa.DataType, inner: tuple[int, ...], tensor: bool) -> pa.DataType:
    if tensor and math.prod(inner) < 1 << 31:
        return pa.fixed_shape_tensor(element, inner)
    for size in reversed(inner):
        element = pa.list_(element, size)
    return element
