"""A row's other columns as one line of JSON."""

from __future__ import annotations

import base64
import json
import math
from typing import Any


def as_json(row: dict[str, Any]) -> bytes:
    """A row as JSON: bytes as base64, times as ISO has them, NaN and infinities as null.

    Example:
        >>> as_json({"a": b"x", "b": [1.5, float("nan")]})
        b'{"a": "eA==", "b": [1.5, null]}'
    """
    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False, default=_plain)
    except ValueError:
        text = json.dumps(_finite(row), ensure_ascii=False, default=_plain)
    return text.encode("utf-8", "replace")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    return value.isoformat() if hasattr(value, "isoformat") else str(value)
