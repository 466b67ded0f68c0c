"""What text cannot keep. Standard library only."""

from __future__ import annotations

from arrowsmith.plugin.specs import Loss

LOSSES: tuple[Loss | str, ...] = (
    "one column of text is written, the others are left out; it comes back as text",
    "metadata of the schema and its fields is dropped, and so is what may not be null",
    Loss(
        "a null becomes an empty line, with a warning",
        types=("text",),
        data=True,
        when=("nulls=empty",),
    ),
    Loss("nulls are left out", types=("text",), data=True, when=("nulls=skip",)),
    Loss("nulls are refused", types=("text",), kind="refused", data=True, when=("nulls=error",)),
    Loss(
        "a text with a line end in it is refused",
        types=("text",),
        kind="refused",
        data=True,
        when=("line_breaks=error",),
    ),
    Loss(
        "a line end within a text becomes a space",
        types=("text",),
        data=True,
        when=("line_breaks=space",),
    ),
    Loss("a mark of byte order before the first text is dropped", types=("text",), data=True),
    Loss("a table without rows comes back without columns", types=("any",), data=True),
    Loss(
        "large strings and views come back as string, dictionaries as their values",
        types=("large_string", "string_view", "dictionary"),
        kind="type",
    ),
    Loss(
        "columns of anything but text are refused",
        types=(
            *("null", "bool", "integer", "float", "decimal", "bytes", "extension", "tensor"),
            *("date", "time", "timestamp", "zoned timestamp", "duration", "interval"),
            *("nested", "union", "run_end_encoded"),
        ),
        kind="refused",
    ),
)
