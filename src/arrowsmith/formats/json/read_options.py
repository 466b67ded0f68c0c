"""The options of the JSON readers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin.options import option


@dataclass(frozen=True, slots=True)
class JsonlReadOptions:
    """How to read JSON Lines.

    Attributes:
        types: column to Arrow type, such as ``{"id": "int64", "at": "timestamp[us]"}``; a field
            within objects is named by its path, ``"place.zip"``. A value that does not fit is a
            bad record, whereas one that does not fit an inferred type contradicts the inference.
            A column that the sample does not have is added.
        infer: ``"sample"`` looks at the head, middle and tail, ``"full"`` at the whole file.
        unknown_fields: what a field means that the sample did not have: ``"conflict"`` widens the
            schema or is an error, ``"ignore"`` leaves the field out.
        sample_bytes: how much text to infer from.
        range_bytes: how much text one task parses. Batches follow from it, so that it is a
            constant and never a matter of memory or threads.
        max_record_bytes: the longest record; longer ones are an error.
        max_depth: the deepest nesting of lists and objects; a deeper record is bad.
    """

    types: Mapping[str, str] = option({}, help="Arrow types of columns, such as id:int64")
    infer: Literal["sample", "full"] = option(
        "sample", help="infer types from a sample or the full file"
    )
    unknown_fields: Literal["conflict", "ignore"] = option(
        "conflict", help="whether a field that the sample did not have widens the schema"
    )
    sample_bytes: int = option(
        256 << 10, help="how much text to infer from", min=16, max=1 << 30, size=True
    )
    range_bytes: int = option(
        2 << 20, help="how much text one task parses", min=16, max=1 << 30, size=True
    )
    max_record_bytes: int = option(
        256 << 20, help="the longest record", min=16, max=1 << 30, size=True
    )
    max_depth: int = option(64, help="the deepest nesting of a record", min=1, max=500)


@dataclass(frozen=True, slots=True)
class JsonReadOptions(JsonlReadOptions):
    """How to read JSON that is not one object a line; the rest is as for JSON Lines.

    Attributes:
        records: the path of the array that holds the records, such as ``"data.items"``; ``""`` is
            the top level. None: an array at the top, or else the one array of objects within the
            object there.
    """

    records: str | None = option(None, help="path of the array of records, such as data.items")
