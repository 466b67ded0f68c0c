"""Series as text: lines of a ``.ts`` or ``.tsf`` file from record batches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.errors import DataError
from arrowsmith.formats.timeseries.layout import Columns
from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.plain import unwrapped
from arrowsmith.kernels.scalars import text_scalar

Ints = NDArray[np.int64]

_COMMA, _COLON, _MISSING, _NONE = map(text_scalar, (",", ":", "?", ""))
_OPEN, _CLOSE, _LINE = map(text_scalar, ("(", ")", "\n"))
_REFUSED = r"[:\n\r\x1f]|^[\s#@%]|\s$|^\?$"
_REFUSED_LABEL = r"[\s:,()\x1f]|^[#@%]|^\?$|^$"


@dataclass(frozen=True, slots=True)
class Lines:
    """Series of a batch, as text.

    Attributes:
        names: what tells the first and the last series from others.
        heads: what stands before the values of each.
        bodies: the text of the values, an array for each column of them.
        tails: what stands behind.
        lengths: how many points each has.
        times: the first and the last time of each as the type stores it; None if they count.
        labels: those that occur.
        missing: whether a value is null or NaN.
    """

    names: tuple[str, str]
    heads: pa.StringArray
    bodies: list[pa.StringArray]
    tails: pa.StringArray
    lengths: Ints
    times: tuple[Ints, Ints] | None
    labels: frozenset[str]
    missing: bool

    @property
    def nbytes(self) -> int:
        return int(sum(body.nbytes for body in self.bodies)) + self.heads.nbytes + self.tails.nbytes

    def joined(self, start: int, stop: int) -> pa.Buffer:
        """The lines of some of the series."""
        parts = [self.heads, *self._bodies(), self.tails]
        lines = pc.binary_join_element_wise(
            *(one.slice(start, stop - start) for one in parts), _NONE
        )
        offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset :]
        data = lines.buffers()[2]
        if data is None or stop <= start:
            return pa.py_buffer(b"")
        return data.slice(int(offsets[0]), int(offsets[stop - start] - offsets[0]))

    def _bodies(self) -> list[pa.StringArray]:
        first, *others = self.bodies
        return [first, *(pc.binary_join_element_wise(_NONE, one, _COLON) for one in others)]


def render(batch: pa.RecordBatch, columns: Columns, path: str) -> Lines:
    """The series of a batch that is not empty."""
    if columns.lists:
        bounds = np.arange(batch.num_rows + 1)
    else:
        bounds = _runs(batch, columns)
    firsts = int64_array(bounds[:-1])
    heads, tails, labels = _around(batch, columns, firsts, bounds, path)
    bodies, lengths, missing = [], np.diff(bounds), False
    points: list[pa.Array] = []
    for name in columns.values:
        column = batch.column(name)
        inner, values = _lists(column) if columns.lists else (bounds, column)
        missing = missing or bool(values.null_count) or _has_nan(values)
        points.append(values)
        texts = _texts(values)
        if columns.kind == "ts" and not columns.counted:
            texts = _timed(batch, columns, texts, inner)
        bodies.append(pc.binary_join(_as_lists(texts, inner), _COMMA))
        lengths = np.diff(inner)
    if (
        columns.kind == "ts"
        and not columns.label
        and len(columns.values) == 1
        and not lengths.all()
    ):
        raise DataError(
            f"column '{columns.values[0]}' has a series without a value, and without a label it has"
            " no line in .ts",
            path=path,
            hint="filter such rows out, or write .tsf",
        )
    names = (_name(batch, columns, 0), _name(batch, columns, batch.num_rows - 1))
    times = _times(batch, columns, bounds, path)
    return Lines(names, heads, bodies, tails, lengths, times, labels, missing)


def _runs(batch: pa.RecordBatch, columns: Columns) -> Ints:
    """Where series begin in long rows, and the end."""
    if columns.series is None:
        return np.array([0, batch.num_rows])
    coded = unwrapped(batch.column(columns.series)).dictionary_encode(null_encoding="encode")
    codes = numpy_view(coded.indices)
    return np.concatenate(([0], np.flatnonzero(np.diff(codes)) + 1, [batch.num_rows]))


def _name(batch: pa.RecordBatch, columns: Columns, row: int) -> str:
    if columns.series is None:
        return ""
    return repr(unwrapped(batch.column(columns.series).slice(row, 1))[0].as_py())


def _lists(column: pa.Array) -> tuple[Ints, pa.Array]:
    lengths = numpy_view(pc.fill_null(pc.list_value_length(column).cast(pa.int64()), _ZERO))
    return np.concatenate(([0], np.cumsum(lengths))), column.flatten()


_ZERO = int64_array(np.zeros(1, np.int64))[0]


def _as_lists(texts: pa.StringArray, bounds: Ints) -> pa.ListArray:
    ends = pa.py_buffer(bounds.astype(np.int32))
    kind = pa.list_(pa.string())
    return pa.Array.from_buffers(kind, len(bounds) - 1, [None, ends], children=[texts])


def _has_nan(values: pa.Array) -> bool:
    if not pa.types.is_floating(values.type):
        return False
    return bool(pc.any(pc.is_nan(values), min_count=0).as_py())


def _texts(values: pa.Array) -> pa.StringArray:
    """The shortest digits that give the numbers back; ``?`` for null."""
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    if pa.types.is_float32(values.type):  # read as double, which its own digits would not be
        values = values.cast(pa.float64())
    return pc.fill_null(values.cast(pa.string()), _MISSING)


def _timed(
    batch: pa.RecordBatch, columns: Columns, values: pa.StringArray, bounds: Ints
) -> pa.StringArray:
    column = batch.column(columns.time)
    if columns.lists:
        inner, column = _lists(column)
        if not np.array_equal(inner, bounds):
            raise DataError(f"'{columns.time}' has not as many times as there are values")
    if column.null_count:
        raise DataError(f"column '{columns.time}' has a null, which .ts cannot say")
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.timestamp(column.type.unit))
    times = column.cast(pa.string())
    pairs = pc.binary_join_element_wise(times, values, _COMMA)
    return pc.binary_join_element_wise(_OPEN, pairs, _CLOSE, _NONE)


def _around(
    batch: pa.RecordBatch, columns: Columns, firsts: pa.Array, bounds: Ints, path: str
) -> tuple[pa.StringArray, pa.StringArray, frozenset[str]]:
    """What stands before and behind the values of each series, and the labels."""
    empty = text_scalar("")
    count = len(firsts)
    blank = pc.if_else(int64_array(np.zeros(count, np.int64)).is_valid(), empty, empty)
    ended = pc.binary_join_element_wise(blank, _LINE, _NONE)
    if columns.kind == "ts":
        if columns.label is None:
            return blank, ended, frozenset()
        texts = _constant(batch, columns.label, "", firsts, bounds, path, _REFUSED_LABEL)
        tails = pc.binary_join_element_wise(_COLON, texts, _LINE, _NONE)
        known = frozenset(texts.unique().to_pylist()) - {"?"}
        return blank, tails, known
    heads = blank
    for own, _, sort in _fields(columns):
        texts = _constant(batch, own, sort, firsts, bounds, path, _REFUSED)
        heads = pc.binary_join_element_wise(heads, texts, _COLON, _NONE)
    return heads, ended, frozenset()


def _fields(columns: Columns) -> list[tuple[str, str, str]]:
    """The attributes as they are written: names, then the first time, then the others."""
    found = list(columns.attributes)
    if columns.time is not None and not columns.counted:
        at = sum(name == "series_name" for _, name, _ in found[:1])
        found.insert(at, (columns.time, "start_timestamp", "start"))
    return found


def attribute_lines(columns: Columns) -> list[tuple[str, str]]:
    """The names and types of the attributes of a ``.tsf`` header."""
    kinds = {"text": "string", "number": "numeric", "date": "date", "start": "date"}
    return [(shown, kinds[sort]) for _, shown, sort in _fields(columns)]


def _constant(
    batch: pa.RecordBatch,
    name: str,
    sort: str,
    firsts: pa.Array,
    bounds: Ints,
    path: str,
    refused: str,
) -> pa.StringArray:
    """The texts of a column that says one thing of each series."""
    column = unwrapped(batch.column(name))
    if sort != "start" and len(firsts) < batch.num_rows:
        codes = numpy_view(column.dictionary_encode(null_encoding="encode").indices)
        changes = np.flatnonzero(np.diff(codes)) + 1
        wrong = changes[~np.isin(changes, bounds)]
        if len(wrong):
            raise DataError(
                f"column '{name}' changes within a series, which has one value of it",
                path=path,
                hint="leave the column out with drop",
            )
    column = column.take(firsts)
    if sort in ("start", "date"):
        try:
            return _dates(column)
        except pa.ArrowInvalid:
            raise DataError(f"column '{name}' has fractions of a second", path=path) from None
    texts = (
        _texts(column) if not pa.types.is_large_string(column.type) else column.cast(pa.string())
    )
    given = texts.filter(column.is_valid()) if column.null_count else texts
    bad = pc.match_substring_regex(given, refused)
    if pc.any(bad, min_count=0).as_py():
        place = int(np.flatnonzero(numpy_view(bad.cast(pa.uint8())))[0])
        raise DataError(
            f"column '{name}' has {given[place].as_py()[:60]!r}, which the format cannot say",
            path=path,
            hint="replace blanks, colons and commas, or leave the column out",
        )
    return pc.fill_null(texts, _MISSING)


def _dates(column: pa.Array) -> pa.StringArray:
    plain = column.cast(pa.timestamp(column.type.unit)).cast(pa.timestamp("s"))
    texts = pc.replace_substring(plain.cast(pa.string()), ":", "-")
    return pc.fill_null(texts, _MISSING)


def _times(
    batch: pa.RecordBatch, columns: Columns, bounds: Ints, path: str
) -> tuple[Ints, Ints] | None:
    """The first and last time of each series of long rows, once it is clear that those between
    follow from the first."""
    if columns.lists or columns.time is None:
        return None
    column = batch.column(columns.time)
    if column.null_count:
        raise DataError(f"column '{columns.time}' has a null", path=path)
    if columns.kind == "ts" and not columns.counted:
        return None
    times = numpy_view(column).astype(np.int64)
    inside = np.ones(len(times), np.bool_)
    inside[bounds[:-1]] = False
    rows = np.flatnonzero(inside)
    if not follows(times[rows - 1], times[rows], columns, column.type).all():
        raise irregular(columns, path)
    return times[bounds[:-1]], times[bounds[1:] - 1]


def follows(before: Ints, after: Ints, columns: Columns, kind: pa.DataType) -> NDArray[np.bool_]:
    """Whether times come one step behind others."""
    if columns.counted:
        same: NDArray[np.bool_] = after == before + 1
        return same
    frequency = columns.frequency
    if frequency is None or frequency.unit == "step":
        raise DataError(".tsf needs a frequency", hint="say it with -w frequency=hourly")
    if frequency.unit == "month":
        months = [
            one.astype(f"M8[{kind.unit}]").astype("M8[M]").astype(np.int64)
            for one in (before, after)
        ]
        right: NDArray[np.bool_] = months[1] == months[0] + frequency.count
        return right
    try:
        step = frequency.in_unit(kind.unit)
    except ValueError as error:
        raise DataError(str(error), hint="cast the times to a finer unit") from None
    found: NDArray[np.bool_] = after == before + step
    return found


def irregular(columns: Columns, path: str) -> DataError:
    steps = (
        "0, 1, 2 ..." if columns.counted or columns.frequency is None else columns.frequency.text
    )
    return DataError(
        f"the times in column '{columns.time}' are not {steps}, without a gap, in each series",
        path=path,
        hint="use fill_gaps or resample before, or drop the column",
    )
