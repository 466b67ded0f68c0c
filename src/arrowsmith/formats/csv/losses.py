"""What CSV cannot keep. Standard library only."""

from __future__ import annotations

from arrowsmith.plugin.specs import Loss

LOSSES: tuple[Loss | str, ...] = (
    "types are not stored: a reader infers them anew or has to be told",
    "metadata of the schema and its fields is dropped, and so is what may not be null",
    Loss("a column without a value comes back as string", types=("any",), kind="type", data=True),
    Loss("binary becomes lowercase hexadecimal digits", types=("bytes",)),
    Loss("lists, structs and maps become JSON text", types=("nested", "tensor")),
    Loss("durations become whole numbers, without their unit", types=("duration",)),
    Loss("zoned timestamps are written in UTC, without their zone", types=("local timestamp",)),
    Loss(
        "integers come back as int64, beyond it as string, floats as double",
        types=(
            *("int8", "int16", "int32", "uint8", "uint16", "uint32", "uint64"),
            *("float16", "float32"),
        ),
        kind="type",
    ),
    Loss(
        "decimals come back as double or int64; all their digits are written, and a double takes"
        " the nearest value: types= reads them as decimals",
        types=("decimal",),
        kind="type",
    ),
    Loss("more digits than a double has are rounded when inferred", types=("decimal",), data=True),
    Loss(
        "dates come back as date32, times as time64[us], timestamps as timestamp[us]",
        types=(
            *("date64", "time32", "timestamp[s]", "timestamp[ms]"),
            *("zoned timestamp[s]", "zoned timestamp[ms]"),
        ),
        kind="type",
    ),
    Loss(
        "nanoseconds of a day or of zoned timestamps come back as string",
        types=("time64[ns]", "zoned timestamp[ns]"),
        kind="type",
    ),
    Loss(
        "dictionaries and run-end encoded columns come back as their values, large and view"
        " types as the plain ones, extension types as what they store, null as string",
        types=(
            *("dictionary", "run_end_encoded", "large_string", "string_view"),
            *("extension", "null"),
        ),
        kind="type",
    ),
    Loss(
        "text that reads as numbers, dates, booleans or words for null (NA) throughout comes back"
        " as such, 1.50 as 1.5: types= or infer=none keeps it",
        types=("text",),
        data=True,
    ),
    Loss(
        "years outside of 1 to 9999 are refused",
        types=("date", "timestamp", "zoned timestamp"),
        kind="refused",
        data=True,
    ),
    Loss(
        "text with NUL is refused",
        types=("text",),
        kind="refused",
        data=True,
    ),
    Loss("unions and calendar intervals are refused", types=("union", "interval"), kind="refused"),
)
