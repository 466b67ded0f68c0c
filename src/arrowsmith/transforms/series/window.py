"""``window``: pieces of series of one length, as a model takes them; never across series."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from arrowsmith.errors import SchemaMismatch
from arrowsmith.kernels.arrays import int64_array
from arrowsmith.plugin import RunContext
from arrowsmith.transforms.columns import first_repeated
from arrowsmith.transforms.series.adding import History
from arrowsmith.transforms.series.options import WindowOptions
from arrowsmith.transforms.series.order import SeriesOrder, value_columns

Ints = NDArray[np.int64]


class Window:
    """Gives a row for each window, in place of the rows of its input:

    - the columns of ``by``;
    - the time of the last row of the context;
    - ``VALUE_context``, fixed_size_list[context], and ``VALUE_horizon``, fixed_size_list[horizon].
    """

    def __init__(self, options: WindowOptions, ctx: RunContext) -> None:
        self._options = options

    def bind(self, schema: pa.Schema) -> BoundWindow:
        options = self._options
        SeriesOrder(schema, options.time, options.by)
        values = value_columns(schema, options.time, options.by, options.values)
        return BoundWindow(schema, options, values)


class BoundWindow:
    """The step for one run: it keeps the rows that later windows begin with."""

    kind: Literal["ordered"] = "ordered"

    def __init__(self, schema: pa.Schema, options: WindowOptions, values: Sequence[str]) -> None:
        self._options = options
        self._values = tuple(values)
        self._order = SeriesOrder(schema, options.time, options.by)
        self._length = options.context + options.horizon
        self._history = History(self._length - 1)
        self._parts = [("context", 0, options.context), ("horizon", options.context, self._length)]
        self._parts = self._parts[: 1 + (options.horizon > 0)]
        fields = [schema.field(name) for name in (*options.by, options.time)]
        for name in self._values:
            kind = schema.field(name).type
            for part, start, stop in self._parts:
                fields.append(pa.field(f"{name}_{part}", pa.list_(kind, stop - start)))
        repeated = first_repeated([field.name for field in fields])
        if repeated is not None:
            raise SchemaMismatch(f"two columns would be named '{repeated}'")
        self.schema = pa.schema(fields, metadata=schema.metadata)

    def needed(self, outputs: frozenset[str]) -> frozenset[str]:
        made = {
            name
            for name in self._values
            if any(f"{name}_{part}" in outputs for part, _, _ in self._parts)
        }
        return frozenset({*made, self._options.time, *self._options.by})

    def narrowed(self, schema: pa.Schema) -> BoundWindow:
        values = [name for name in self._values if name in schema.names]
        return BoundWindow(schema, self._options, values)

    def __call__(self, batch: pa.RecordBatch) -> pa.RecordBatch:
        options, length = self._options, self._length
        places = self._order.follow(batch).places - (length - 1)
        last = np.flatnonzero((places >= 0) & (places % options.stride == 0))
        arrays = [batch.column(name).take(int64_array(last)) for name in options.by]
        times, skipped = self._history.before(options.time, batch.column(options.time))
        begins = last + skipped - (length - 1)
        arrays.append(times.take(int64_array(begins + options.context - 1)))
        for name in self._values:
            whole, skipped = self._history.before(name, batch.column(name))
            begins = last + skipped - (length - 1)
            arrays += (_lists(whole, begins, start, stop) for _, start, stop in self._parts)
        return pa.RecordBatch.from_arrays(arrays, schema=self.schema)


def _lists(whole: pa.Array, begins: Ints, start: int, stop: int) -> pa.Array:
    places = begins[:, None] + np.arange(start, stop)[None, :]
    items = whole.take(int64_array(places.reshape(-1)))
    kind = pa.list_(whole.type, stop - start)
    return pa.Array.from_buffers(kind, len(begins), [None], children=[items])
