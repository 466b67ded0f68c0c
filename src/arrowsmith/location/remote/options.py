"""Storage options: how patient to be, and what is handed on to the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from arrowsmith.errors import OptionError

_OURS = ("timeout", "attempts", "backoff")


@dataclass(frozen=True, slots=True)
class StorageOptions:
    """What ``storage_options=`` holds, taken apart.

    Attributes:
        timeout: seconds without a byte after which a request has failed.
        attempts: how often a request is tried.
        backoff: seconds before the second attempt; doubled each time, and varied at random.
        rest: what the store itself is told, secrets among it.
    """

    timeout: float = 30.0
    attempts: int = 5
    backoff: float = 0.5
    rest: Mapping[str, Any] = field(default_factory=dict, repr=False)


def storage_options(given: Mapping[str, Any] | None) -> StorageOptions:
    """Check them as far as no store is needed.

    Raises:
        OptionError: a value is out of range; values of other keys are never shown.

    Example:
        >>> storage_options({"attempts": "2", "key": "secret"})
        StorageOptions(timeout=30.0, attempts=2, backoff=0.5)
    """
    given = dict(given or {})
    ours = {name: given.pop(name) for name in _OURS if name in given}
    return StorageOptions(
        timeout=_number(ours.get("timeout", 30.0), "timeout", 0.01),
        attempts=int(_number(ours.get("attempts", 5), "attempts", 1)),
        backoff=_number(ours.get("backoff", 0.5), "backoff", 0),
        rest=given,
    )


def _number(value: Any, name: str, least: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not least <= number <= 86_400:
        raise OptionError(f"storage option {name} is a number of at least {least}, not {value!r}")
    return number


def flag(value: Any, name: str) -> bool:
    """A switch, also as text.

    Example:
        >>> flag("true", "anon"), flag(False, "anon")
        (True, False)
    """
    text = str(value).lower()
    if text in ("true", "1", "yes"):
        return True
    if text in ("false", "0", "no", ""):
        return False
    raise OptionError(f"storage option {name} is true or false")


def unknown(keys: list[str], known: list[str], scheme: str) -> OptionError:
    """The error for keys that a store has no use for."""
    import difflib

    near = difflib.get_close_matches(keys[0], known, n=1)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(sorted(known))}"
    return OptionError(f"{scheme}:// has no storage option '{keys[0]}'", hint=hint)
