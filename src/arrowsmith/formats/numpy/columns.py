"""How the arrays of a file make columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from arrowsmith.errors import DataError, OptionError, UsageError
from arrowsmith.formats.numpy import NumpyOptions
from arrowsmith.formats.numpy.arrays import ArrayFile, StoredArray
from arrowsmith.formats.numpy.decode import Codec, NoCounterpartError, codec
from arrowsmith.plugin.options import nearest_names

MASK_SUFFIX = "__valid"
_MOST_COLUMNS = 1 << 16  # that a 2-d array is taken apart into
_SHOWN = 12

Part = Callable[[np.ndarray], np.ndarray]


@dataclass
class Column:
    """One column: which part of which array, and how it becomes Arrow's.

    Attributes:
        row_bytes: of its part of the array.
        mask: the column of booleans that are false where this one is null.
    """

    name: str
    array: StoredArray
    codec: Codec
    part: Part
    row_bytes: int
    mask: Column | None = field(default=None)

    @property
    def arrays(self) -> list[StoredArray]:
        return [self.array, *(self.mask.arrays if self.mask else ())]

    @property
    def copies(self) -> bool:
        """Its bytes are not laid out as Arrow's. The array has to be loaded."""
        values = self._part()
        flags = values.flags
        sound = flags.c_contiguous and flags.aligned and values.dtype.isnative
        return not (self.codec.direct and sound and self.mask is None)

    def read(self, start: int, stop: int) -> pa.Array:
        """Some of the rows. The array has to be loaded.

        Raises:
            ValueError: a value has no counterpart in Arrow.
        """
        found = self.codec.array(self._part()[start:stop])
        if self.mask is None:
            return found
        return _masked(found, self.mask._part()[start:stop])

    def _part(self) -> np.ndarray:
        assert self.array.values is not None
        return self.part(self.array.values)


def columns_of(file: ArrayFile, options: NumpyOptions, path: str) -> list[Column]:
    """The columns that a file's arrays make, by the options.

    Raises:
        DataError: the arrays do not go together, or one has no counterpart in Arrow.
        UsageError: an option does not fit the arrays.
    """
    maker = _Maker(options, path)
    if not file.archive or options.member is not None:
        found = maker.single(_chosen(file, options.member, path))
    else:
        _check_rows(file.arrays, path)
        found = [column for array in file.arrays for column in maker.of(array, array.name)]
    names = [column.name for column in found]
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(
            f"two columns would have the name {twice!r}", path=path, hint="read one with member="
        )
    return _with_masks(found) if options.masks else found


class _Maker:
    def __init__(self, options: NumpyOptions, path: str) -> None:
        self._options = options
        self._path = path

    def single(self, array: StoredArray) -> list[Column]:
        """All of one array, its fields as columns."""
        dtype = array.header.dtype
        if dtype.names is None or array.header.inner:
            return self.of(array, self._options.column)
        return [self._column(array, name, dtype[name], (), _picked(name)) for name in dtype.names]

    def of(self, array: StoredArray, name: str) -> list[Column]:
        """An array as a column, or a 2-d one as several."""
        header = array.header
        wanted = self._options.columns
        if (wanted or self._options.layout == "columns") and (wanted or len(header.shape) > 1):
            return self._across(array, name, wanted)
        return [self._column(array, name, header.dtype, header.inner, lambda values: values)]

    def _across(self, array: StoredArray, name: str, wanted: tuple[str, ...]) -> list[Column]:
        header = array.header
        if len(header.shape) != 2:
            raise UsageError(
                f"an array of shape {header.shape} is not read as columns: only 2-d ones are",
                path=self._path,
                hint="leave out columns= and layout=",
            )
        count = header.shape[1]
        if len(set(wanted)) < len(wanted):
            raise OptionError("columns= has a name twice", path=self._path)
        if count > _MOST_COLUMNS or (wanted and len(wanted) != count):
            raise UsageError(
                f"the array has {count} columns"
                + (f", and columns= names {len(wanted)}" if wanted else ""),
                path=self._path,
                hint="name each of them" if wanted else "read it as a tensor",
            )
        names = wanted or tuple(f"{name}_{number}" for number in range(count))
        return [
            self._column(array, one, header.dtype, (), _picked((slice(None), at)))
            for at, one in enumerate(names)
        ]

    def _column(
        self,
        array: StoredArray,
        name: str,
        dtype: np.dtype[Any],
        inner: tuple[int, ...],
        part: Part,
    ) -> Column:
        try:
            made = codec(dtype, inner, tensor=self._options.layout == "tensor")
        except NoCounterpartError as error:
            raise DataError(
                str(error), path=self._path, place=f"column '{name}'", hint=error.hint
            ) from error
        size = dtype.itemsize
        for length in inner:
            size *= length
        return Column(name, array, made, part, size)


def _picked(key: Any) -> Part:
    return lambda values: values[key]


def _chosen(file: ArrayFile, name: str | None, path: str) -> StoredArray:
    """The array of a ``.npy`` file, or a member by its name."""
    if not file.archive:
        if name is not None:
            raise UsageError("it is one array without members", path=path, hint="leave out member=")
        return file.arrays[0]
    for array in file.arrays:
        if name in (array.name, f"{array.name}.npy"):
            return array
    names = [array.name for array in file.arrays]
    near = nearest_names(name or "", names)
    raise UsageError(
        f"there is no member {name!r}",
        path=path,
        hint=f"did you mean {near[0]!r}?" if near else f"there are {', '.join(names[:_SHOWN])}",
    )


def _check_rows(arrays: list[StoredArray], path: str) -> None:
    if len({array.header.shape[:1] for array in arrays}) == 1:
        return
    shapes = [f"{array.name} {array.header.shape}" for array in arrays]
    more = f" and {len(shapes) - _SHOWN} more" if len(shapes) > _SHOWN else ""
    raise DataError(
        "its arrays differ in their first dimension, so make no table:"
        f" {', '.join(shapes[:_SHOWN])}{more}",
        path=path,
        hint="read one of them with member=NAME",
    )


def _with_masks(columns: list[Column]) -> list[Column]:
    by_name = {column.name: column for column in columns}
    masks = set()
    for column in columns:
        mask = by_name.get(column.name + MASK_SUFFIX)
        if mask is not None and pa.types.is_boolean(mask.codec.type):
            column.mask = mask
            masks.add(mask.name)
    return [column for column in columns if column.name not in masks]


def _masked(array: pa.Array, there: np.ndarray) -> pa.Array:
    """The array with nulls where ``there`` is false, beside those that it has."""
    if isinstance(array.type, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(array.type, _masked(array.storage, there))
    bits = np.packbits(np.ascontiguousarray(there).view(np.uint8) != 0, bitorder="little")
    buffers = array.buffers()
    if buffers[0] is not None:
        bits &= np.frombuffer(buffers[0], np.uint8)[: len(bits)]
    valid = pa.py_buffer(bits)
    kind = array.type
    if pa.types.is_struct(kind):
        children = [array.field(at) for at in range(kind.num_fields)]
        return pa.Array.from_buffers(kind, len(array), [valid], children=children)
    if pa.types.is_fixed_size_list(kind):
        return pa.Array.from_buffers(kind, len(array), [valid], children=[array.values])
    return pa.Array.from_buffers(kind, len(array), [valid, *buffers[1:]])
