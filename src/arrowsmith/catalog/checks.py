"""Whether what a plugin says about itself can be used: types, names and bounds of its specs."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from typing import Any, get_args

from arrowsmith.errors import PluginError
from arrowsmith.plugin.specs import (
    Magic,
    ReaderCapabilities,
    ReaderSpec,
    Residency,
    SinkCapabilities,
    SinkSpec,
    TransformKind,
    TransformSpec,
)

Spec = ReaderSpec | TransformSpec | SinkSpec
SPEC_TYPES: dict[str, type[Any]] = {
    "reader": ReaderSpec,
    "transform": TransformSpec,
    "sink": SinkSpec,
}

_NAME = re.compile(r"[a-z][a-z0-9_-]{0,63}")
_IMPL = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*(\.[^\W\d]\w*)*")
_EXTENSION = re.compile(r"\.[^\s/\\A-Z]{1,32}")
_HEAD_BYTES = 64 << 10  # what a probe is given of a file's beginning and end
_TAIL_BYTES = 4 << 10


def check_specs(kind: str, specs: Iterable[object]) -> None:
    """Raise ``PluginError`` that says which spec of a plugin is wrong, and how."""
    expected = SPEC_TYPES[kind]
    seen = set()
    for spec in specs:
        if not isinstance(spec, expected):
            raise PluginError(
                f"arrowsmith_{kind}s gives a {type(spec).__name__} where a "
                f"{expected.__name__} is expected"
            )
        if not (isinstance(spec.name, str) and _NAME.fullmatch(spec.name)):
            raise PluginError(
                f"{kind} name {str(spec.name)[:80]!r} is not made of lower-case letters, digits, "
                "'-' and '_', beginning with a letter"
            )
        if spec.name in seen:
            raise PluginError(f"{kind} {spec.name!r} is given twice")
        seen.add(spec.name)
        for fault in _faults(spec):
            raise PluginError(f"{kind} {spec.name!r}: {fault}")


def _faults(spec: Any) -> Iterable[str]:
    if not (isinstance(spec.impl, str) and _IMPL.fullmatch(spec.impl)):
        yield f"impl {str(spec.impl)[:80]!r} is not of the form 'package.module:Class'"
    if not (isinstance(spec.summary, str) and isinstance(spec.install_hint, str)):
        yield "summary and install_hint must be strings"
    options = spec.options
    if isinstance(options, str):
        if not _IMPL.fullmatch(options):
            yield f"options {options[:80]!r} is not of the form 'package.module:Class'"
    elif not (isinstance(options, type) and dataclasses.is_dataclass(options)):
        yield "options is not a dataclass"
    elif not getattr(options, "__dataclass_params__").frozen:  # noqa: B009 - not in the stubs
        yield f"options {options.__name__} is not a frozen dataclass"
    if isinstance(spec, TransformSpec):
        if spec.kind not in get_args(TransformKind):
            yield f"kind {spec.kind!r} is not one of {', '.join(get_args(TransformKind))}"
        return
    if not isinstance(spec.extensions, tuple):
        yield "extensions is not a tuple"
    for extension in spec.extensions:
        if not (isinstance(extension, str) and _EXTENSION.fullmatch(extension)):
            yield f"extension {extension!r} is not a lower-case suffix that begins with a dot"
    yield from _reader_faults(spec) if isinstance(spec, ReaderSpec) else _sink_faults(spec)


def _sink_faults(spec: SinkSpec) -> Iterable[str]:
    if not isinstance(spec.capabilities, SinkCapabilities):
        yield "capabilities is not a SinkCapabilities"


def _reader_faults(spec: ReaderSpec) -> Iterable[str]:
    if not isinstance(spec.capabilities, ReaderCapabilities):
        yield "capabilities is not a ReaderCapabilities"
    elif spec.capabilities.residency not in get_args(Residency):
        yield f"residency {spec.capabilities.residency!r} is unknown"
    if not isinstance(spec.magic, tuple):
        yield "magic is not a tuple"
    for magic in spec.magic:
        if not (isinstance(magic, Magic) and _can_match(magic)):
            yield f"magic {magic!r} is not a Magic that lies within the head or tail of a file"
    if spec.probe is not None and not callable(spec.probe):
        yield "probe cannot be called"


def _can_match(magic: Magic) -> bool:
    if not (isinstance(magic.offset, int) and isinstance(magic.pattern, bytes) and magic.pattern):
        return False
    end = magic.offset + len(magic.pattern)
    return end <= _HEAD_BYTES if magic.offset >= 0 else end <= 0 and -magic.offset <= _TAIL_BYTES
