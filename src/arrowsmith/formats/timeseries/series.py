"""The series of a range: their attributes, times and values, and what is wrong with the others."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from arrowsmith.formats.timeseries.header import Attribute, Header
from arrowsmith.formats.timeseries.numbers import moments, numbers, split_lists
from arrowsmith.formats.timeseries.points import Points, joined, padded
from arrowsmith.formats.timeseries.quoting import SEPARATOR, has_quotes, plain, separated
from arrowsmith.kernels.arrays import int64_array, numpy_view
from arrowsmith.kernels.scalars import text_array

Ints = NDArray[np.int64]

_HIDDEN = "\x1f"  # stands for a colon inside of parentheses


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with the series at a place in its range, and with which value of it."""

    place: int
    what: str
    column: str | None = None
    value: int | None = None

    @property
    def reason(self) -> str:
        """For people."""
        return self.what if self.value is None else f"value {self.value} {self.what}"


@dataclass(slots=True)
class Series:
    """Series of a range.

    Attributes:
        places: of each in the range.
        attributes: an array for each of the header's, by name.
        points: times and values.
    """

    places: Ints
    attributes: dict[str, pa.Array]
    points: Points

    @classmethod
    def none(cls) -> Series:
        """No series."""
        return cls(np.empty(0, np.int64), {}, Points(np.zeros(1, np.int64), None, []))

    def kept(self, good: NDArray[np.bool_]) -> Series:
        """Those for which ``good`` is true."""
        chosen = np.flatnonzero(good)
        if len(chosen) == len(good):
            return self
        indices = int64_array(chosen)
        attributes = {name: array.take(indices) for name, array in self.attributes.items()}
        return Series(self.places[chosen], attributes, self.points.kept(chosen))


class SeriesParser:
    """Parses the lines of a file.

    Args:
        header: of the file.
        time_type: of the times that stand with the values, else None.
        started: times are reckoned from where a series begins, which every one has to say.
    """

    def __init__(self, header: Header, time_type: pa.DataType | None, *, started: bool) -> None:
        self._header = header
        self._time_type = time_type
        self._start = header.started_by if started and header.has_steps else None

    def parse(self, texts: pa.BinaryArray, before: int | None = None) -> tuple[Series, list[Fault]]:
        """The sound series of lines, and the faults of the others.

        Args:
            texts: the lines.
            before: where the only line is a piece of a longer one, how many points stand before it.

        Raises:
            TimesDifferError: the dimensions of a piece have different times.
        """
        faults: dict[int, Fault] = {}
        lines, places = _decoded(texts, faults)
        if self._header.kind == "ucr" or self._header.numbers:
            series = self._flat(lines, places, faults)
        elif self._header.relational:
            series = self._relational(lines, places, faults)
        else:
            series = self._fields(lines, places, faults, merge=before is None)
        if before:
            series = replace(series, points=replace(series.points, before=before))
        if faults:
            bad = np.fromiter(faults, np.int64, len(faults))
            series = series.kept(~np.isin(series.places, bad))
        return series, [faults[place] for place in sorted(faults)]

    # --- .ts and .tsf: fields between colons -----------------------------------------------------

    def _fields(
        self, lines: pa.StringArray, places: Ints, faults: dict[int, Fault], *, merge: bool
    ) -> Series:
        header = self._header
        if header.timestamps:
            lines = _hide(lines)
        parts, bounds = split_lists(lines, ":")
        right = np.diff(bounds) == header.fields
        for row in np.flatnonzero(~right).tolist():
            found = int(bounds[row + 1] - bounds[row])
            _add(faults, int(places[row]), wrong_count(header, found))
        rows = np.flatnonzero(right)
        places = places[rows]
        begins = bounds[rows]
        attributes = {}
        for one in header.attributes:
            at = one.place if one.place >= 0 else header.fields + one.place
            texts = parts.take(int64_array(begins + at))
            attributes[one.name] = self._attribute(one, texts, places, faults)
        first = len(header.attributes) if header.kind == "tsf" else 0
        count = header.dimensions
        fields = parts
        if header.fields != count or len(rows) != len(right):
            inner = begins[:, None] + (first + np.arange(count))[None, :]
            fields = parts.take(int64_array(inner.reshape(-1)))
        if header.timestamps:
            return Series(places, attributes, self._timed(fields, places, faults, merge=merge))
        tokens, inner_bounds = split_lists(fields, ",")
        values = self._values(tokens, inner_bounds, places, faults)
        return Series(places, attributes, padded(values, inner_bounds, count))

    def _timed(
        self, fields: pa.StringArray, places: Ints, faults: dict[int, Fault], *, merge: bool
    ) -> Points:
        """Points from fields of ``(time,value),(time,value)``."""
        count = self._header.dimensions
        fields = pc.ascii_trim_whitespace(fields)
        sound = pc.or_(
            pc.and_(pc.starts_with(fields, "("), pc.ends_with(fields, ")")),
            pc.equal(fields, _EMPTY),
        )
        for row in np.flatnonzero(numpy_view(sound.cast(pa.uint8())) == 0).tolist():
            _add(faults, int(places[row // count]), "the points are not (time,value), in a row")
        pairs, bounds = split_lists(_inside(fields), ")")
        tokens, inner = split_lists(pairs, ",")
        right = np.diff(inner) == 2
        for pair in np.flatnonzero(~right).tolist():
            row = int(np.searchsorted(bounds, pair, "right")) - 1
            _add(faults, int(places[row // count]), "a point is not (time,value)")
        begins = np.where(right, inner[:-1], 0)
        if not len(tokens):
            tokens = text_array(["0"])
        values = self._values(
            tokens.take(int64_array(np.where(right, begins + 1, 0))), bounds, places, faults
        )
        times, bad = moments(_shown(tokens.take(int64_array(begins))), self._time_type)
        for pair in bad.tolist():
            row = int(np.searchsorted(bounds, pair, "right")) - 1
            reason = f"a time is no {self._time_type}, as the first of the file is"
            _add(faults, int(places[row // count]), reason, "timestamp")
        return joined(times, values, bounds, count, merge=merge)

    def _values(
        self, tokens: pa.StringArray, bounds: Ints, places: Ints, faults: dict[int, Fault]
    ) -> pa.DoubleArray:
        """The values of the fields that ``bounds`` tells apart."""
        values, bad = numbers(tokens)
        count = max((len(bounds) - 1) // max(len(places), 1), 1)
        names = self._header.value_names
        for place in bad.tolist():
            field = int(np.searchsorted(bounds, place, "right")) - 1
            name = names[field % count] if count == len(names) else names[0]
            text = tokens[place].as_py()
            number = place - int(bounds[field])
            reason = f"is {_quoted(text)}, which is no number"
            _add(faults, int(places[field // count]), reason, name, number)
        return values

    # --- dense ARFF and UCR: one separator -------------------------------------------------------

    def _flat(self, lines: pa.StringArray, places: Ints, faults: dict[int, Fault]) -> Series:
        header = self._header
        separator = header.separator
        if header.kind == "arff" and has_quotes(lines):
            lines, unclosed = separated(lines)
            separator = SEPARATOR
            for row in unclosed.tolist():
                _add(faults, int(places[row]), "has quotes that do not close")
        parts, bounds = split_lists(lines, separator)
        counts = np.diff(bounds)
        right = counts == header.fields if header.fields else counts > 0
        for row in np.flatnonzero(~right).tolist():
            reason = f"has {counts[row]} fields where the header has {header.fields}"
            sparse = header.kind == "arff" and lines[row].as_py().startswith("{")
            _add(faults, int(places[row]), "is a sparse ARFF line" if sparse else reason)
        rows = np.flatnonzero(right)
        places, begins, ends = places[rows], bounds[:-1][rows], bounds[1:][rows]
        attributes = {}
        for one in header.attributes:
            texts = parts.take(int64_array(begins + one.place))
            attributes[one.name] = self._attribute(one, texts, places, faults)
        if header.kind == "ucr":
            lengths = ends - begins - 1
            inner = _spread(begins + 1, lengths)
        else:
            lengths = np.full(len(rows), len(header.numbers))
            wanted = begins[:, None] + np.array(header.numbers, np.int64)[None, :]
            inner = wanted.reshape(-1)
        bounds = np.concatenate(([0], np.cumsum(lengths)))
        values = self._values(parts.take(int64_array(inner)), bounds, places, faults)
        return Series(places, attributes, padded(values, bounds, 1))

    # --- relational ARFF: dimensions in quotes, between \n ---------------------------------------

    def _relational(self, lines: pa.StringArray, places: Ints, faults: dict[int, Fault]) -> Series:
        header = self._header
        pattern = r"""^(?:'(?P<a>[^']*)'|"(?P<b>[^"]*)")\s*(?:,\s*(?P<label>.*))?$"""
        found = pc.extract_regex(lines, pattern)
        body = pc.binary_join_element_wise(
            pc.struct_field(found, "a"), pc.struct_field(found, "b"), text_array([""])[0]
        )
        labelled = pc.binary_length(pc.struct_field(found, "label")).fill_null(_NONE)
        right = numpy_view(found.is_valid().cast(pa.uint8())) == 1
        right &= (numpy_view(labelled) > 0) == bool(header.attributes)
        for row in np.flatnonzero(~right).tolist():
            _add(faults, int(places[row]), "is no series in quotes with a label behind it")
        rows = int64_array(np.flatnonzero(right))
        places = places[np.flatnonzero(right)]
        attributes = {}
        for one in header.attributes:
            texts = pc.struct_field(found, "label").take(rows)
            attributes[one.name] = self._attribute(one, texts, places, faults)
        fields, bounds = split_lists(body.take(rows), "\\n")
        right = np.diff(bounds) == header.dimensions
        for row in np.flatnonzero(~right).tolist():
            count = int(bounds[row + 1] - bounds[row])
            reason = f"has {count} dimensions where the first series has {header.dimensions}"
            _add(faults, int(places[row]), reason)
        kept = np.flatnonzero(right)
        fields = fields.take(int64_array(_spread(bounds[:-1][kept], np.diff(bounds)[kept])))
        indices = int64_array(kept)
        attributes = {name: array.take(indices) for name, array in attributes.items()}
        places = places[kept]
        tokens, inner = split_lists(fields, ",")
        values = self._values(tokens, inner, places, faults)
        return Series(places, attributes, padded(values, inner, header.dimensions))

    # --- attributes ------------------------------------------------------------------------------

    def _attribute(
        self, one: Attribute, texts: pa.StringArray, places: Ints, faults: dict[int, Fault]
    ) -> pa.Array:
        if self._header.kind == "arff":
            texts, wrong = plain(texts)
            for place in wrong.tolist():
                _add(faults, int(places[place]), "has quotes within a value", one.name)
        else:
            texts = pc.ascii_trim_whitespace(texts)
            texts = pc.if_else(pc.equal(texts, _MISSING), _NULL, texts)
        if one.kind == "number":
            values, bad = numbers(texts)
            self._tell(faults, one, texts, places, bad, "is no number")
            return values
        if one.kind == "date":
            dates, bad = moments(texts, pa.timestamp("s"), one.pattern)
            self._tell(faults, one, texts, places, bad, "is no moment")
            if one is self._start and dates.null_count:
                for place in np.flatnonzero(numpy_view(dates.is_null().cast(pa.uint8()))).tolist():
                    _add(faults, int(places[place]), "has no moment at which it begins", one.name)
            return dates
        if one.values:
            known = pc.is_in(texts, value_set=text_array(one.values))
            known = pc.or_(known, texts.is_null())
            bad = np.flatnonzero(numpy_view(known.cast(pa.uint8())) == 0)
            self._tell(faults, one, texts, places, bad, "is none of the header's labels")
        return texts

    def _tell(
        self,
        faults: dict[int, Fault],
        one: Attribute,
        texts: pa.StringArray,
        places: Ints,
        bad: Ints,
        what: str,
    ) -> None:
        for place in bad.tolist():
            _add(faults, int(places[place]), f"{_quoted(texts[place].as_py())} {what}", one.name)


_MISSING, _EMPTY = text_array(["?"])[0], text_array([""])[0]
_NULL = pa.nulls(1, pa.string())[0]
_NONE = pa.Array.from_buffers(pa.int32(), 1, [None, pa.py_buffer(bytes(4))])[0]


def _add(
    faults: dict[int, Fault],
    place: int,
    what: str,
    column: str | None = None,
    value: int | None = None,
) -> None:
    """Note a fault; the first of a series stands."""
    faults.setdefault(place, Fault(place, what, column, value))


def _quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


def wrong_count(header: Header, found: int) -> str:
    if header.kind == "tsf":
        return f"has {found} fields where the header has {header.fields - 1} attributes and values"
    label = " and a label" if header.attributes else ""
    return f"has {found} fields where there are {header.dimensions} dimensions{label}"


def _spread(begins: Ints, lengths: Ints) -> Ints:
    """All places from each begin on, one behind another."""
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(begins - (ends - lengths), lengths) + np.arange(total)


def _decoded(texts: pa.BinaryArray, faults: dict[int, Fault]) -> tuple[pa.StringArray, Ints]:
    """The lines that are UTF-8, and their places."""
    places = np.arange(len(texts))
    try:
        return texts.cast(pa.string()), places
    except pa.ArrowInvalid:
        good = [_is_text(one.as_py()) for one in texts]
    for place in np.flatnonzero(~np.array(good)).tolist():
        _add(faults, place, "is no UTF-8")
    places = places[np.array(good)]
    return texts.take(int64_array(places)).cast(pa.string()), places


def _is_text(raw: bytes) -> bool:
    try:
        raw.decode()
    except UnicodeDecodeError:
        return False
    return True


def _hide(lines: pa.StringArray) -> pa.StringArray:
    """The lines with another character in the place of colons inside of parentheses."""
    offsets = np.frombuffer(lines.buffers()[1], np.int32)[lines.offset :][: len(lines) + 1]
    data = np.array(np.frombuffer(lines.buffers()[2] or b"", np.uint8))
    depth = np.cumsum((data == ord("(")).astype(np.int32) - (data == ord(")")))
    # what a line leaves open is not carried into the next
    before = np.where(offsets > 0, depth[np.maximum(offsets - 1, 0)], 0) if len(depth) else offsets
    depth = depth[: int(offsets[-1])] - np.repeat(before[:-1], np.diff(offsets))
    data[: len(depth)][(data[: len(depth)] == ord(":")) & (depth > 0)] = ord(_HIDDEN)
    buffers = [None, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pa.Array.from_buffers(pa.string(), len(lines), buffers)


def _inside(fields: pa.StringArray) -> pa.StringArray:
    """The points of fields with a closing parenthesis between them and no other ones."""
    fields = pc.utf8_slice_codeunits(fields, 1, -1)
    joined = pc.replace_substring(fields, "),(", ")")
    if pc.any(pc.match_substring(joined, "("), min_count=0).as_py():  # blanks around the commas
        return pc.replace_substring_regex(fields, r"\)\s*,\s*\(", ")")
    return joined


def _shown(times: pa.StringArray) -> pa.StringArray:
    return pc.replace_substring(times, _HIDDEN, ":")
