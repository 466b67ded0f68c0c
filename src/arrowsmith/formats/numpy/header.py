"""The header of a ``.npy`` array: read with every size checked, and written.

Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import numpy as np

from arrowsmith.formats.numpy.literal import LiteralError, parse

MAGIC = b"\x93NUMPY"
_ALIGNED = 64
_PREFIX = len(MAGIC) + 2
_LONGEST = 1 << 20  # bytes of a header: some 40,000 fields
_MOST_DIMENSIONS = 32
_LARGEST_ITEM = (1 << 31) - 1  # what NumPy and Arrow's fixed sizes can have
_MOST_EMPTY_ROWS = 1 << 24  # rows without a byte: the file's size says nothing about them

_CODE = re.compile(
    r"(?P<order>[<>|=]?)(?P<kind>[?bBiufcSaUVmMO])(?P<size>[0-9]{0,9})"
    r"(?P<unit>\[[0-9]{0,9}(?:[YMWDhms]|ms|us|ns|ps|fs|as)\])?"
)
_OBJECTS = "it holds Python objects, which are pickled and may run any code when read"


class HeaderError(ValueError):
    """The bytes are no header of an array that can be read."""

    def __init__(self, what: str, hint: str = "the file is damaged") -> None:
        super().__init__(what)
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Header:
    """What a header says.

    Attributes:
        dtype: of an element.
        shape: as written; empty for a single value.
        fortran: the first dimension varies fastest.
        start: bytes before the array.
        size: bytes of the array.
    """

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    fortran: bool
    start: int
    size: int

    @property
    def rows(self) -> int:
        return self.shape[0] if self.shape else 1

    @property
    def inner(self) -> tuple[int, ...]:
        """The shape of a row."""
        return self.shape[1:]


def header_size(head: bytes) -> int:
    """Bytes up to the end of the header, from its first 12.

    Raises:
        HeaderError: the bytes do not begin a header.
    """
    if head[: len(MAGIC)] != MAGIC:
        raise HeaderError("it does not begin with NumPy's magic")
    if len(head) < _PREFIX + 4:
        raise HeaderError("it ends within the header", "the file is cut short")
    version = tuple(head[len(MAGIC) : _PREFIX])
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise HeaderError(f"version {version[0]}.{version[1]} of the format is not known")
    width = 2 if version == (1, 0) else 4
    size = int.from_bytes(head[_PREFIX : _PREFIX + width], "little")
    if size > _LONGEST:
        raise HeaderError(f"its header claims {size} bytes, more than the {_LONGEST} allowed")
    return _PREFIX + width + size


def read_header(data: bytes, available: int) -> Header:
    """The header at the beginning of an array.

    Args:
        data: the bytes up to :func:`header_size` at least.
        available: bytes of the whole, header and array.

    Raises:
        HeaderError: it makes no sense, holds objects, or does not fit ``available``.
    """
    start = header_size(data)
    if len(data) < start:
        raise HeaderError("it ends within the header", "the file is cut short")
    first = _PREFIX + (2 if data[len(MAGIC)] == 1 else 4)
    try:
        text = data[first:start].decode("utf-8" if data[len(MAGIC)] == 3 else "latin-1")
        found = parse(text)
    except UnicodeDecodeError:
        raise HeaderError("its header is no UTF-8") from None
    except LiteralError as error:
        raise HeaderError(f"its header cannot be understood: {error}") from None
    if not isinstance(found, dict) or set(found) != {"descr", "fortran_order", "shape"}:
        raise HeaderError("its header does not have just descr, fortran_order and shape")
    fortran = found["fortran_order"]
    if not isinstance(fortran, bool):
        raise HeaderError("fortran_order is neither True nor False")
    shape = _dimensions(found["shape"])
    dtype = _dtype(found["descr"])
    row = math.prod(shape[1:]) * dtype.itemsize
    if row > _LARGEST_ITEM or math.prod(shape[1:]) > _LARGEST_ITEM:
        raise HeaderError(f"a row of shape {shape[1:]} has {row} bytes, which is too large")
    size = math.prod(shape) * dtype.itemsize
    left = available - start
    if size > left:
        raise HeaderError(
            f"shape {shape} of {dtype} needs {size} bytes, and {left} follow the header",
            "the file is cut short or damaged",
        )
    if size < left:
        raise HeaderError(
            f"{left - size} bytes follow the array of {size}",
            "save each array to a file of its own, or all to an .npz file",
        )
    if not row and shape and shape[0] > _MOST_EMPTY_ROWS:
        raise HeaderError(f"it claims {shape[0]} rows without a byte")
    return Header(dtype, shape, fortran and len(shape) > 1, start, size)


def write_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """The header of an array in C order, padded as NumPy does."""
    text = repr(
        {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    )
    for version, encoding, width in ((1, "latin-1", 2), (2, "latin-1", 4), (3, "utf-8", 4)):
        try:
            body = text.encode(encoding)
        except UnicodeEncodeError:
            continue
        start = _PREFIX + width
        padded = -(-(start + len(body) + 1) // _ALIGNED) * _ALIGNED - start
        if padded < 1 << (8 * width):
            body = body.ljust(padded - 1) + b"\n"
            return MAGIC + bytes((version, 0)) + padded.to_bytes(width, "little") + body
    raise ValueError("the header is too long")


def _dimensions(found: object) -> tuple[int, ...]:
    if not isinstance(found, tuple):
        raise HeaderError("shape is no tuple")
    if len(found) > _MOST_DIMENSIONS:
        raise HeaderError(f"it has {len(found)} dimensions, more than the {_MOST_DIMENSIONS} known")
    for size in found:
        if type(size) is not int or not 0 <= size < 1 << 63:
            raise HeaderError(f"{size!r} is no size of a dimension")
    return found


def _dtype(descr: object, depth: int = 0) -> np.dtype[Any]:
    if isinstance(descr, str):
        return _plain(descr)
    if isinstance(descr, tuple) and len(descr) == 2:  # a type and the shape of a subarray
        return _subarray(_dtype(descr[0], depth), _dimensions(descr[1]))
    if isinstance(descr, list):
        return _structured(descr, depth)
    raise HeaderError("descr is no type")


def _plain(code: str) -> np.dtype[Any]:
    match = _CODE.fullmatch(code)
    if match is None:
        raise HeaderError(f"there is no type {code[:40]!r}")
    kind, size = match["kind"], match["size"]
    if kind == "O":
        raise HeaderError(
            _OBJECTS,
            "save numbers or texts of fixed width: np.save(path, array.astype('U'))",
        )
    if kind in "SaUV" and int(size or 0) * (4 if kind == "U" else 1) > _LARGEST_ITEM:
        raise HeaderError(f"{code!r} is too large for an element")
    # NumPy has given up the letter a.
    text = code.replace("a", "S", 1) if kind == "a" else code
    try:
        return np.dtype(text)
    except (TypeError, ValueError, OverflowError):
        raise HeaderError(f"there is no type {code[:40]!r}") from None


def _subarray(base: np.dtype[Any], shape: tuple[int, ...]) -> np.dtype[Any]:
    if base.itemsize * math.prod(shape) > _LARGEST_ITEM or math.prod(shape) > _LARGEST_ITEM:
        raise HeaderError(f"a field of shape {shape} is too large")
    if any(size > _LARGEST_ITEM for size in shape):
        raise HeaderError(f"a field of shape {shape} is too large")
    try:
        return np.dtype((base, shape))
    except (TypeError, ValueError):
        raise HeaderError(f"a field cannot have the shape {shape}") from None


def _structured(descr: list[Any], depth: int) -> np.dtype[Any]:
    names: list[str] = []
    formats: list[np.dtype[Any]] = []
    offsets: list[int] = []
    offset = 0
    for field in descr:
        if not isinstance(field, tuple) or len(field) not in (2, 3):
            raise HeaderError("a field is no tuple of name, type and shape")
        title = field[0]
        name = title[1] if isinstance(title, tuple) and len(title) == 2 else title
        if not isinstance(name, str):
            raise HeaderError("a field's name is no text")
        kind = _dtype(field[1], depth + 1)
        if len(field) == 3:
            shape = (field[2],) if type(field[2]) is int else field[2]
            kind = _subarray(kind, _dimensions(shape))
        if name or kind.kind != "V" or kind.names or kind.subdtype:  # else it is padding
            names.append(name)
            formats.append(kind)
            offsets.append(offset)
        offset += kind.itemsize
        if offset > _LARGEST_ITEM:
            raise HeaderError("its fields are too large together")
    if len(set(names)) < len(names):
        raise HeaderError("two fields have the same name")
    if not names:
        raise HeaderError("it is structured, but has no field")
    try:
        return np.dtype(
            {"names": names, "formats": formats, "offsets": offsets, "itemsize": offset}
        )
    except (TypeError, ValueError):
        raise HeaderError("its fields make no structure") from None
