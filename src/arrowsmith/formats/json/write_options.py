"""The options of the JSON sinks. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin.options import option


@dataclass(frozen=True, slots=True)
class JsonWriteOptions:
    """How JSON is written.

    Attributes:
        nulls: ``write`` gives every object every key; ``omit`` leaves out the keys whose value is
            null, in nested objects too. Nulls in lists are always written.
        non_finite: what becomes of NaN and the infinities, for which JSON has no number: ``null``
            with a warning that names the column, the ``string`` ``"NaN"``, ``"Infinity"`` or
            ``"-Infinity"``, or an ``error``.
        maps: a map whose keys are text is an ``object``, in which a key that is twice is an error,
            or, with ``pairs``, a list of ``{"key": ..., "value": ...}`` as all other maps are.
        timestamp_separator: what stands between date and time, ``T`` or ``space``. DuckDB takes
            timestamps with a ``T`` and fractions of a second for text.

    Example:
        >>> JsonWriteOptions(nulls="omit").non_finite
        'null'
    """

    nulls: Literal["write", "omit"] = option("write", help="keys whose value is null")
    non_finite: Literal["null", "string", "error"] = option(
        "null", help="what NaN and infinities become; null comes with a warning"
    )
    maps: Literal["object", "pairs"] = option("object", help="what maps with text keys become")
    timestamp_separator: Literal["T", "space"] = option(
        "T", help="what stands between date and time"
    )
