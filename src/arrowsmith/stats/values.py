"""Values of Arrow as Python and JSON have them."""

from __future__ import annotations

import base64
import datetime
import decimal
import math
from typing import Any

import numpy as np
import pyarrow as pa


def plain(scalar: pa.Scalar | None) -> Any:
    """A Python value; times finer than a microsecond are text, since Python has none such."""
    if scalar is None or not scalar.is_valid:
        return None
    kind = scalar.type
    types = pa.types
    if types.is_timestamp(kind) or types.is_time64(kind) or types.is_duration(kind):
        try:
            coarse = _coarse(kind)
            return scalar.cast(coarse).as_py() if coarse is not None else scalar.as_py()
        except (pa.ArrowInvalid, OverflowError, ValueError):  # finer than that, or beyond 9999
            return str(scalar.cast(pa.string()).as_py())
    try:
        return scalar.as_py()
    except (OverflowError, ValueError):
        return str(scalar.cast(pa.string()).as_py())


def _coarse(kind: pa.DataType) -> pa.DataType | None:
    if kind.unit != "ns":
        return None
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.time64("us") if pa.types.is_time64(kind) else pa.duration("us")


def from_number(number: float, kind: pa.DataType) -> Any:
    """The value of a date or time type that an integer stands for; other numbers as they are."""
    if not pa.types.is_temporal(kind):
        return number
    width = kind.bit_width // 8
    limits = np.iinfo(f"i{width}")  # floats near the end are rounded beyond it
    data = np.array([min(max(round(number), limits.min), limits.max)], limits.dtype)
    return plain(pa.Array.from_buffers(kind, 1, [None, pa.py_buffer(data)])[0])


def as_json(value: Any) -> Any:
    """A value that JSON has: dates and times as ISO text, bytes as base64, NaN as text."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, datetime.datetime | datetime.date | datetime.time):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, decimal.Decimal):
        return str(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value
