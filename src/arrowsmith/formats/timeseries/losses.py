"""What files of time series cannot keep. Standard library only."""

from __future__ import annotations

from arrowsmith.plugin.specs import Loss

LOSSES: tuple[Loss | str, ...] = (
    "columns other than series, times, values, label and attributes are left out, with a warning",
    "series have numbers, not names, but in .tsf",
    ".arff and UCR files have no times, and as many values in each series",
    "in UCR files nulls come back as NaN",
    "a series without a value has no row when it is read with layout=long",
    "types are not stored: labels and names come back as text",
    "metadata of the schema and its fields is dropped but for what the format has in its header",
    "texts with the marks of the format, or blanks at their ends, are refused",
    Loss(
        "numbers come back as double, lists as lists of double",
        types=("integer", "float16", "float32", "large_list", "fixed_size_list"),
        kind="type",
    ),
    Loss("integers beyond 2**53 are rounded when read", types=("int64", "uint64"), data=True),
    Loss("in .tsf a series that is null comes back without values", types=("lists",), data=True),
    Loss(
        "a series without a value is refused, but in .tsf, and in .ts where it has a label",
        types=("lists",),
        kind="refused",
        data=True,
    ),
    Loss(
        "values are numbers or lists of numbers: without such a column a table is refused",
        types=(
            *("null", "bool", "decimal", "text", "bytes", "extension", "tensor", "dictionary"),
            *("date", "time", "timestamp", "zoned timestamp", "duration", "interval"),
            *("struct", "map", "list_view", "large_list_view", "union", "run_end_encoded"),
            "inner lists",
        ),
        kind="refused",
        data=True,
    ),
    Loss("times come back in UTC, without their zone", types=("local timestamp",)),
)
