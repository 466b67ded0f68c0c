"""What JSON cannot keep. Standard library only."""

from __future__ import annotations

from arrowsmith.plugin.specs import Loss

LOSSES: tuple[Loss | str, ...] = (
    "types are not stored: a reader infers them anew or has to be told",
    "metadata of the schema and its fields is dropped, and so is what may not be null",
    Loss("a column without a value comes back as string", types=("any",), kind="type", data=True),
    Loss("a table without rows comes back without columns", types=("any",), data=True),
    Loss("binary becomes base64 text", types=("bytes",)),
    Loss("durations become whole numbers, without their unit", types=("duration",)),
    Loss("zoned timestamps are written in UTC, without their zone", types=("local timestamp",)),
    Loss("maps become objects, or lists of key and value", types=("map",)),
    Loss("structs without fields become text", types=("empty struct",)),
    Loss(
        "NaN and infinities become null with a warning, or text, or an error, by non_finite",
        types=("float",),
        data=True,
    ),
    Loss(
        "integers come back as int64, beyond it as uint64, floats as double",
        types=("int8", "int16", "int32", "uint8", "uint16", "uint32", "float16", "float32"),
        kind="type",
    ),
    Loss("uint64 that fits comes back as int64", types=("uint64",), kind="type", data=True),
    Loss(
        "decimals come back as double, int64, uint64, decimal128 or, with more digits, as string",
        types=("decimal",),
        kind="type",
        data=True,
    ),
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
        " types as the plain ones, lists of fixed size and tensors as lists, extension types as"
        " what they store, null as string",
        types=(
            *("dictionary", "run_end_encoded", "large_string", "string_view", "large_list"),
            *("list_view", "large_list_view", "fixed_size_list", "tensor", "extension", "null"),
        ),
        kind="type",
    ),
    Loss(
        "text that reads as dates or times throughout comes back as such, with an offset in UTC",
        types=("text",),
        data=True,
    ),
    Loss(
        "years outside of 1 to 9999 are refused",
        types=("date", "timestamp", "zoned timestamp"),
        kind="refused",
        data=True,
    ),
    Loss("unions and calendar intervals are refused", types=("union", "interval"), kind="refused"),
)
