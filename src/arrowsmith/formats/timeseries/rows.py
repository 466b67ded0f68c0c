"""Record batches of series: a row a point, or a row a series."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import DataError
from arrowsmith.formats.timeseries.header import Attribute, Header
from arrowsmith.formats.timeseries.series import Series
from arrowsmith.kernels.arrays import int64_array, numpy_view

Ints = NDArray[np.int64]
Make = Callable[[Series, Ints], pa.Array]

NAMED = pa.dictionary(pa.int32(), pa.string())


class Rows:
    """Makes batches of one layout.

    Args:
        header: of the file.
        layout: ``"long"`` or ``"series"``.
        time_type: of the times that stand with the values, else None.
        path: for messages.

    Attributes:
        schema: of the batches, with what the header says in its metadata.
    """

    def __init__(
        self, header: Header, layout: str, time_type: pa.DataType | None, path: str
    ) -> None:
        self._header = header
        self._path = path
        self._long = layout == "long"
        self._makers: dict[str, Make] = {}
        fields = self._fields(time_type)
        notes = {"format": "timeseries", "kind": header.kind, "layout": layout}
        # the host drops the notes when rows are written elsewhere, and keeps the header
        told = {"kind": header.kind, **header.told}
        metadata = {"arrowsmith": json.dumps(notes), "timeseries": json.dumps(told)}
        self.schema = pa.schema(fields, metadata=metadata)

    def batch(self, series: Series, first: int, schema: pa.Schema) -> pa.RecordBatch:
        """The columns of ``schema``, of series whose range begins at series ``first``."""
        numbers = series.places + first
        rows = int(series.points.bounds[-1]) if self._long else len(numbers)
        arrays = [self._makers[name](series, numbers) for name in schema.names]
        if arrays:
            return pa.RecordBatch.from_arrays(arrays, schema=schema)
        flags = pa.Array.from_buffers(pa.bool_(), rows, [None, pa.py_buffer(bytes(rows // 8 + 1))])
        batch = pa.RecordBatch.from_arrays([flags], names=["row"]).select([])
        return batch.replace_schema_metadata(schema.metadata)

    # --- which columns there are -----------------------------------------------------------------

    def _fields(self, time_type: pa.DataType | None) -> list[pa.Field]:
        header = self._header
        by_name = {one.name: one for one in header.attributes}
        fields = [self._id(by_name.pop("series_id", None))]
        start = header.started_by
        if self._long:
            fields.append(self._time(start, time_type))
        elif time_type is not None:
            fields.append(self._list("timestamp", time_type, lambda points: points.times))
        elif start is not None:
            fields.append(self._attribute(start))
        for place, name in enumerate(header.value_names):
            fields.append(self._value(name, place))
        kept = [one for one in by_name.values() if not (self._timed_by(start) and one is start)]
        if not self._long and start is not None:
            kept = [one for one in kept if one is not start]
        return [*fields, *map(self._attribute, kept)]

    def _timed_by(self, start: Attribute | None) -> bool:
        """Whether times follow from a start and the frequency."""
        return start is not None and self._header.has_steps

    def _id(self, name: Attribute | None) -> pa.Field:
        if name is not None:
            return self._attribute(name)
        self._makers["series_id"] = lambda series, numbers: int64_array(
            np.repeat(numbers, series.points.lengths) if self._long else numbers
        )
        return pa.field("series_id", pa.int64())

    def _attribute(self, one: Attribute) -> pa.Field:
        kinds = {"text": pa.string(), "number": pa.float64(), "date": pa.timestamp("s")}
        kind = kinds[one.kind]
        if not self._long:
            self._makers[one.name] = lambda series, _: series.attributes[one.name]
            return pa.field(one.name, kind)

        def repeated(series: Series, _: Ints) -> pa.Array:
            array = series.attributes[one.name]
            lengths = series.points.lengths
            if kind != pa.string():
                return array.take(int64_array(np.repeat(np.arange(len(array)), lengths)))
            coded = array.dictionary_encode()
            places = int64_array(np.repeat(np.arange(len(array)), lengths))
            return pa.DictionaryArray.from_arrays(coded.indices.take(places), coded.dictionary)

        self._makers[one.name] = repeated
        return pa.field(one.name, NAMED if kind == pa.string() else kind)

    def _time(self, start: Attribute | None, time_type: pa.DataType | None) -> pa.Field:
        if time_type is not None:
            self._makers["timestamp"] = lambda series, _: series.points.times
            return pa.field("timestamp", time_type)
        if start is not None and self._timed_by(start):
            name = start.name
            unit = self._unit()
            self._makers["timestamp"] = lambda series, _: self._stepped(series, name, unit)
            return pa.field("timestamp", pa.timestamp(unit))
        self._makers["timestamp"] = lambda series, _: int64_array(series.points.numbers)
        return pa.field("timestamp", pa.int64())

    def _unit(self) -> str:
        """The coarsest unit in which the steps are whole."""
        frequency = self._header.frequency
        if frequency is None or frequency.unit == "month":
            return "s"
        sizes = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}
        return next(unit for unit, size in sizes.items() if frequency.count % size == 0)

    def _stepped(self, series: Series, name: str, unit: str) -> pa.Array:
        frequency = self._header.frequency
        assert frequency is not None
        try:
            starts = series.attributes[name].cast(pa.timestamp(unit))
        except pa.ArrowInvalid:
            raise DataError(f"a {name} does not fit timestamp[{unit}]", path=self._path) from None
        begins = np.repeat(numpy_view(starts), series.points.lengths)
        moments = frequency.steps(begins, series.points.numbers, unit)
        return int64_array(moments).view(pa.timestamp(unit))

    def _value(self, name: str, place: int) -> pa.Field:
        if self._long:
            self._makers[name] = lambda series, _: series.points.values[place]
            return pa.field(name, pa.float64())
        return self._list(name, pa.float64(), lambda points: points.values[place])

    def _list(self, name: str, kind: pa.DataType, of: Callable[[Any], pa.Array]) -> pa.Field:
        def make(series: Series, _: Ints) -> pa.Array:
            bounds = pa.py_buffer(series.points.bounds.astype(np.int32))
            count = len(series.points.bounds) - 1
            values = of(series.points)
            return pa.Array.from_buffers(pa.list_(kind), count, [None, bounds], children=[values])

        self._makers[name] = make
        return pa.field(name, pa.list_(kind))
