"""The facade over everything that is installed: open a source, list formats and plugins.

Example:
    >>> from arrowsmith import registry
    >>> registry.open("in.csv").count()
    3
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from arrowsmith.catalog import PluginInfo, get_catalog
from arrowsmith.dataset import open_dataset as open
from arrowsmith.plugin.specs import ReaderSpec, SinkSpec, TransformSpec

__all__ = ["FormatInfo", "formats", "open", "plugins", "transforms"]


@dataclass(frozen=True, slots=True)
class FormatInfo:
    """A format: its reader, its sink, or both."""

    name: str
    reader: ReaderSpec | None
    sink: SinkSpec | None


def formats() -> list[FormatInfo]:
    """All formats that can be read or written, by name."""
    readers, sinks = get_catalog().readers(), get_catalog().sinks()
    return [
        FormatInfo(name, readers.get(name), sinks.get(name))
        for name in sorted(readers.keys() | sinks.keys())
    ]


def transforms() -> Mapping[str, TransformSpec]:
    """All transforms, by name."""
    return get_catalog().transforms()


def plugins() -> list[PluginInfo]:
    """All plugins that were found, the broken ones with their cause."""
    return get_catalog().plugins()
