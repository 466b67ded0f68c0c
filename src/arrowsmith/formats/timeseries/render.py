"""Series as text: lines of a file from record batches."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.errors import DataError
from arrowsmith.formats.timeseries.layout import Columns
from arrowsmith.formats.timeseries.quoting import quoted
from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.plain import unwrapped
from arrowsmith.kernels.scalars import text_array, text_scalar

Ints = NDArray[np.int64]

_COMMA, _MISSING, _NAN, _NONE = map(text_scalar, (",", "?", "nan", ""))
_OPEN, _CLOSE, _LINE, _QUOTE, _TAB = map(text_scalar, ("(", ")", "\n", "'", "\t"))
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
        between: what stands between dimensions.
    """

    names: tuple[str, str]
    heads: pa.StringArray
    bodies: list[pa.StringArray]
    tails: pa.StringArray
    lengths: Ints
    times: tuple[Ints, Ints] | None
    labels: frozenset[str]
    missing: bool
    between: str

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
        mark = text_scalar(self.between)
        return [first, *(pc.binary_join_element_wise(mark, one, _NONE) for one in others)]


def render(batch: pa.RecordBatch, columns: Columns, path: str) -> Lines:
    """The series of a batch that is not empty."""
    if columns.lists:
        bounds = np.arange(batch.num_rows + 1)
    else:
        bounds = _runs(batch, columns)
    firsts = int64_array(bounds[:-1])
    heads, tails, labels = _around(batch, columns, firsts, bounds, path)
    bodies, lengths, missing = [], np.diff(bounds), False
    for name in columns.values:
        column = batch.column(name)
        inner, values = _lists(column) if columns.lists else (bounds, column)
        missing = missing or bool(values.null_count) or _has_nan(values)
        texts = _texts(values, _NAN if columns.kind == "ucr" else _MISSING)
        if columns.kind == "ts" and not columns.counted:
            texts = _timed(batch, columns, texts, inner)
        bodies.append(pc.binary_join(_as_lists(texts, inner), columns.between_values))
        if columns.relational and bodies[1:] and not np.array_equal(lengths, np.diff(inner)):
            raise DataError("dimensions of a series have different lengths", path=path, hint=_TS)
        lengths = np.diff(inner)
    bare = columns.label is None and len(columns.values) == 1
    if not lengths.all() and (columns.kind == "ucr" or (columns.kind != "tsf" and bare)):
        raise DataError(
            f"column '{columns.values[0]}' has a series without a value, which has no line in such"
            " a file",
            path=path,
            hint="filter such rows out, or write .tsf",
        )
    names = (_name(batch, columns, 0), _name(batch, columns, batch.num_rows - 1))
    times = _times(batch, columns, bounds, path)
    between = columns.between_dimensions
    return Lines(names, heads, bodies, tails, lengths, times, labels, missing, between)


_TS = "write .ts, which has series of any length"


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


def _texts(values: pa.Array, null: pa.Scalar = _MISSING) -> pa.StringArray:
    """The shortest digits that give the numbers back."""
    if pa.types.is_float16(values.type):
        values = values.cast(pa.float32())
    if pa.types.is_float32(values.type):  # read as double, which its own digits would not be
        values = values.cast(pa.float64())
    return pc.fill_null(values.cast(pa.string()), null)


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
        column = _clock(column, columns.time)
    times = column.cast(pa.string())
    values = pc.replace_substring_regex(values, r"^(-?[0-9]+)$", r"\1.0")  # and no whole numbers
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
    if columns.kind != "tsf":
        quote = pc.binary_join_element_wise(blank, _QUOTE, _NONE) if columns.relational else blank
        if columns.label is None:
            return quote, pc.binary_join_element_wise(quote, _LINE, _NONE), frozenset()
        refused = None if columns.kind == "arff" else _REFUSED_LABEL
        texts = _constant(batch, columns.label, "", firsts, bounds, path, refused)
        known = frozenset(texts.drop_null().unique().to_pylist())
        texts = pc.fill_null(_quoted(texts) if columns.kind == "arff" else texts, _MISSING)
        if columns.kind == "ucr":
            return pc.binary_join_element_wise(texts, _TAB, _NONE), ended, known
        mark = text_scalar("," if columns.kind == "arff" else ":")
        return quote, pc.binary_join_element_wise(quote, mark, texts, _LINE, _NONE), known
    heads = blank
    for own, _, sort in _fields(columns):
        texts = pc.fill_null(_constant(batch, own, sort, firsts, bounds, path, _REFUSED), _MISSING)
        heads = pc.binary_join_element_wise(heads, texts, text_scalar(":"), _NONE)
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
    refused: str | None,
) -> pa.StringArray:
    """The texts of a column that says one thing of each series; null where there is none."""
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
            return _dates(column, name)
        except pa.ArrowInvalid:
            raise DataError(f"column '{name}' has fractions of a second", path=path) from None
    texts = column.cast(pa.string())
    if pa.types.is_floating(column.type):
        texts = _texts(column, pa.nulls(1, pa.string())[0])
    if refused is None:
        return texts
    given = texts.drop_null()
    bad = pc.match_substring_regex(given, refused)
    if pc.any(bad, min_count=0).as_py():
        place = int(np.flatnonzero(numpy_view(bad.cast(pa.uint8())))[0])
        raise DataError(
            f"column '{name}' has {given[place].as_py()[:60]!r}, which the format cannot say",
            path=path,
            hint="replace blanks, colons and commas, or leave the column out",
        )
    return texts


def _quoted(texts: pa.StringArray) -> pa.StringArray:
    """As values of ``.arff``."""
    coded = texts.dictionary_encode()
    values = text_array([quoted(text) for text in coded.dictionary.to_pylist()])
    return values.take(coded.indices)


def _clock(column: pa.Array, name: str | None) -> pa.Array:
    """Times as .ts says them: without a zone, in whole seconds where that loses nothing, since
    aeon takes fractions for values."""
    plain = column.cast(pa.timestamp(column.type.unit))
    try:
        coarse = plain.cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        raise DataError(
            f"column '{name}' has times finer than a microsecond, which would not be read",
            hint="cast it to timestamp[us], or to int64",
        ) from None
    with suppress(pa.ArrowInvalid):
        coarse = coarse.cast(pa.timestamp("s"))
    _check_years(coarse, name)
    return coarse


def _check_years(column: pa.Array, name: str | None) -> None:
    ends = pc.min_max(pc.year(column)).as_py()
    if ends["min"] is not None and not 1 <= ends["min"] <= ends["max"] <= 9999:
        raise DataError(f"column '{name}' has years outside of 1 to 9999")


def _dates(column: pa.Array, name: str) -> pa.StringArray:
    plain = column.cast(pa.timestamp(column.type.unit)).cast(pa.timestamp("s"))
    _check_years(plain, name)
    return pc.replace_substring(plain.cast(pa.string()), ":", "-")


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
