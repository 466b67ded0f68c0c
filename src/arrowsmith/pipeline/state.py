"""What fitted steps have learned, as a JSON file.

``{"arrowsmith": "state", "version": 1, "steps": [...]}``; a step has its ``position`` among the
fitted steps of the chain, from 0, ``name``, ``options``, ``columns`` (their types by name), and
``state``. Steps that need no fit do not count: the same state serves another selection of rows.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, NoReturn

from arrowsmith.errors import DataError, OptionError, PluginError, SourceError, SourceNotFound
from arrowsmith.location import FileTarget
from arrowsmith.pipeline.fit import Learned
from arrowsmith.pipeline.plan import Fit, Verb

_VERSION = 1
_LARGEST = 1 << 30  # bytes of a state file
_AGAIN = "save the state again from the chain that it shall serve"


def document(verbs: Sequence[Verb], learned: Learned) -> dict[str, Any]:
    """What the fitted steps have learned, as JSON values.

    Raises:
        OptionError: no step is fitted, or one has not learned yet.
    """
    steps: list[dict[str, Any]] = []
    for place, verb in enumerate(verbs):
        if not verb.fitted:
            continue
        fit = learned.latest(verbs[: place + 1])
        if fit is None:
            raise OptionError(f"{verb.label} has not learned anything yet")
        steps.append(
            {
                "position": len(steps),
                "name": verb.name,
                "options": verb.options,
                "columns": dict(fit.columns),
                "state": fit.state,
            }
        )
    check_fitted(verbs)
    return {"arrowsmith": "state", "version": _VERSION, "steps": steps}


def check_fitted(verbs: Sequence[Verb]) -> None:
    """Raise ``OptionError`` where there is nothing to save or to load."""
    if not any(verb.fitted for verb in verbs):
        raise OptionError(
            "no step of the chain is fitted, so that there is no state",
            hint="arrowsmith transforms lists the kinds",
        )


def save_state(
    path: str | os.PathLike[str],
    verbs: Sequence[Verb],
    learned: Learned,
    *,
    overwrite: bool = False,
) -> None:
    """Write what the steps have learned; the file appears when it is complete.

    Raises:
        OptionError: there is nothing to save.
        PluginError: a step has learned what JSON cannot hold.
        TargetError: it cannot be written, or is there already.
    """
    try:
        text = json.dumps(document(verbs, learned), allow_nan=False, indent=1)
    except (TypeError, ValueError) as error:
        raise PluginError(f"a step has learned what JSON cannot hold: {error}") from None
    with FileTarget(path, overwrite=overwrite) as target:
        stream = target.open()
        stream.write(text.encode() + b"\n")
        target.finish()
        target.publish()


def load_state(path: str | os.PathLike[str], verbs: Sequence[Verb]) -> list[Verb]:
    """The verbs with what is in the file; types of columns are checked when a run begins.

    Raises:
        SourceError: the file cannot be read.
        DataError: it is no saved state.
        OptionError: it was saved from another chain.
    """
    check_fitted(verbs)
    name = os.fspath(path)
    fits = [_step(step, name) for step in _steps(_parsed(_read(name), name), name)]
    fitted = [verb for verb in verbs if verb.fitted]
    if len(fits) != len(fitted):
        raise OptionError(
            f"the state is of {len(fits)} fitted steps, the chain has {len(fitted)}",
            path=name,
            hint=_AGAIN,
        )
    loaded = {}
    for number, (verb, (step, fit)) in enumerate(zip(fitted, fits, strict=True)):
        _check_same(verb, step, number, name)
        loaded[verb] = replace(verb, fit=fit, key=verb.key and (verb.key, fit))
    return [loaded.get(verb, verb) for verb in verbs]


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            data = file.read(_LARGEST + 1)
    except FileNotFoundError:
        raise SourceNotFound("no such file", path=path) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise SourceError(f"cannot be read: {reason}", path=path) from None
    if len(data) > _LARGEST:
        raise DataError(f"is larger than {_LARGEST >> 20} MB: no saved state", path=path)
    return data


def _parsed(data: bytes, path: str) -> Any:
    def no_number(text: str) -> NoReturn:
        raise ValueError(f"{text} is no number of JSON")

    try:
        return json.loads(data, parse_constant=no_number)
    except (ValueError, RecursionError) as error:
        raise DataError(f"is no saved state: {error}", path=path, hint=_AGAIN) from None


def _steps(found: Any, path: str) -> list[Any]:
    if not isinstance(found, dict) or found.get("arrowsmith") != "state":
        raise DataError("is no saved state", path=path, hint=_AGAIN)
    if found.get("version") != _VERSION:
        raise DataError(
            f"is a state of version {found.get('version')!r}, this program reads {_VERSION}",
            path=path,
            hint=_AGAIN,
        )
    steps = found.get("steps")
    if not isinstance(steps, list):
        raise DataError("is no saved state: it has no list of steps", path=path, hint=_AGAIN)
    return steps


def _step(step: Any, path: str) -> tuple[Mapping[str, Any], Fit]:
    parts = {"name": str, "options": dict, "columns": dict, "state": dict, "position": int}
    if not isinstance(step, dict) or any(
        not isinstance(step.get(key), kind) for key, kind in parts.items()
    ):
        raise DataError("is no saved state: a step lacks a part", path=path, hint=_AGAIN)
    if any(not isinstance(kind, str) for kind in step["columns"].values()):
        raise DataError("is no saved state: a type is no text", path=path, hint=_AGAIN)
    return step, Fit(step["columns"], step["state"])


def _check_same(verb: Verb, step: Mapping[str, Any], number: int, path: str) -> None:
    # through JSON, since tuples become lists there
    options = json.loads(json.dumps(verb.options, default=str))
    if (step["name"], step["position"]) != (verb.name, number):
        raise OptionError(
            f"fitted step {number} is {step['name']} in the state, {verb.name} in the chain",
            path=path,
            hint=_AGAIN,
        )
    for key in sorted(options.keys() | step["options"].keys()):
        if options.get(key) != step["options"].get(key):
            raise OptionError(
                f"fitted step {number}, {verb.name}, has {key}={step['options'].get(key)!r} in the"
                f" state and {options.get(key)!r} in the chain",
                path=path,
                hint=_AGAIN,
            )
