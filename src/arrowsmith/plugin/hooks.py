"""The hooks that a plugin may implement: this is the whole extension surface.

A plugin is a module named by an entry point of the group ``arrowsmith``. It marks its functions
with :data:`hookimpl` and returns specs from them.
"""

from __future__ import annotations

from collections.abc import Iterable

import pluggy

from arrowsmith.plugin.specs import ReaderSpec, SinkSpec, TransformSpec

ENTRY_POINT_GROUP = "arrowsmith"

hookspec = pluggy.HookspecMarker("arrowsmith")
hookimpl = pluggy.HookimplMarker("arrowsmith")


class Hooks:
    """What the host asks each plugin for, once, when it is loaded."""

    @hookspec
    def arrowsmith_readers(self) -> Iterable[ReaderSpec]:
        """The formats that the plugin reads."""

    @hookspec
    def arrowsmith_transforms(self) -> Iterable[TransformSpec]:
        """The transforms that the plugin offers."""

    @hookspec
    def arrowsmith_sinks(self) -> Iterable[SinkSpec]:
        """The formats that the plugin writes."""
