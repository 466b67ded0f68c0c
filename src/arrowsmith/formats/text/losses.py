"""What text cannot keep. Standard library only."""

from __future__ import annotations

from arrowsmith.plugin.specs import Loss

LOSSES: tuple[Loss | str, ...] = (
    "one column of text is written, the others are left out",
    "metadata of the schema is dropped",
    Loss(
        "nulls become empty lines, or are left out, or an error, by nulls",
        types=("text",),
        data=True,
    ),
    Loss(
        "large strings and views come back as string, dictionaries as their values",
        types=("large_string", "string_view", "dictionary"),
        kind="type",
    ),
)
