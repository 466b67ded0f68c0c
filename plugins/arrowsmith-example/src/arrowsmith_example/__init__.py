"""Access logs of web servers (Common and Combined Log Format): a plugin for arrowsmith.

This module says what the plugin offers and imports neither pyarrow nor the code behind it.
Format: https://httpd.apache.org/docs/current/logs.html#accesslog
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from arrowsmith.plugin import (
    Head,
    Match,
    ReaderCapabilities,
    ReaderSpec,
    SinkCapabilities,
    SinkSpec,
    TransformSpec,
    hookimpl,
    option,
)

_EXTENSIONS = (".accesslog", ".log")
_LINE = re.compile(rb'\S+ \S+ \S+ \[\d\d/[A-Z][a-z]{2}/\d{4}:[^\]\n]{1,20}\] "')


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How a log is read."""

    max_line: int = option(
        64 << 10, help="bytes of a line at most; a longer one is an error", min=64, size=True
    )


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """How a log is written."""

    layout: Literal["combined", "common"] = option(
        "combined", help="with or without referer and user_agent"
    )


@dataclass(frozen=True, slots=True)
class RedactOptions:
    """What is masked, and how."""

    columns: tuple[str, ...] = option(help="columns of strings")
    pattern: str = option(r"\d+$", help="RE2 regular expression of the parts to mask")
    mask: str = option("x", help="what each of them becomes")


def probe(head: Head) -> Match:
    """LIKELY if the first line has the fields up to the request."""
    return Match.LIKELY if _LINE.match(head.head.lstrip(b"\r\n")) else Match.NO


@hookimpl
def arrowsmith_readers() -> Iterable[ReaderSpec]:
    """The reader of access logs."""
    return [
        ReaderSpec(
            name="accesslog",
            impl="arrowsmith_example.reader:AccessLogReader",
            extensions=_EXTENSIONS,
            probe=probe,
            options=ReadOptions,
            capabilities=ReaderCapabilities(projection=True, split=True, residency="ranges"),
            summary="web server access logs (Common and Combined Log Format)",
        )
    ]


@hookimpl
def arrowsmith_sinks() -> Iterable[SinkSpec]:
    """The sink of access logs."""
    return [
        SinkSpec(
            name="accesslog",
            impl="arrowsmith_example.sink:AccessLogSink",
            extensions=_EXTENSIONS,
            options=WriteOptions,
            capabilities=SinkCapabilities(
                losses=(
                    "a text that is a single dash comes back as null",
                    "layout=common leaves referer and user_agent out",
                )
            ),
            summary="web server access logs",
        )
    ]


@hookimpl
def arrowsmith_transforms() -> Iterable[TransformSpec]:
    """The transform that masks parts of texts."""
    return [
        TransformSpec(
            name="redact",
            impl="arrowsmith_example.redact:Redact",
            options=RedactOptions,
            summary="mask what a regular expression finds in columns of strings",
        )
    ]
