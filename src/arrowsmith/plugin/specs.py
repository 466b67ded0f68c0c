"""What a plugin says about itself: specs of readers, transforms and sinks, and their capabilities.

A spec names its implementation as ``"module:attribute"``, imported when it is first used, so that a
plugin costs nothing until then. Its options may be named in the same way. Standard library only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from importlib import import_module
from typing import Any, Literal

from arrowsmith.errors import PluginError

Residency = Literal["mapped", "ranges", "stream"]
TransformKind = Literal["stateless", "ordered", "fitted"]
LossKind = Literal["type", "value", "refused"]


class Match(IntEnum):
    """How well a reader recognises a source. ``VETO`` is final; the highest of the rest wins."""

    VETO = -1
    NO = 0
    HINT = 1
    LIKELY = 2
    CERTAIN = 3


@dataclass(frozen=True, slots=True)
class Magic:
    """Bytes that stand at a fixed offset; a negative offset counts from the file's end.

    Example:
        >>> Magic(0, b"PAR1").matches(b"PAR1...", b"")
        True
    """

    offset: int
    pattern: bytes

    def matches(self, head: bytes, tail: bytes) -> bool:
        if self.offset >= 0:
            return head[self.offset : self.offset + len(self.pattern)] == self.pattern
        start = len(tail) + self.offset
        return start >= 0 and tail[start : start + len(self.pattern)] == self.pattern


@dataclass(frozen=True, slots=True)
class Head:
    """What a probe may look at: the name and the first and last bytes, compression already peeled.

    Attributes:
        name: the file's name without directories and without a compression suffix.
        head: the first bytes (up to 64 KiB).
        tail: the last bytes (up to 4 KiB); empty where the source cannot seek.
        size: the size in bytes, None where it is not known before the end.
    """

    name: str
    head: bytes
    tail: bytes = b""
    size: int | None = None


@dataclass(frozen=True, slots=True)
class NoOptions:
    """The options of a format that has none."""


@dataclass(frozen=True, slots=True)
class ReaderCapabilities:
    """What a reader can do better than the runner would do for it.

    Attributes:
        projection: reads only the columns asked for; elsewhere the runner drops the others.
        predicate: may leave out rows that cannot match; the runner filters what is left.
        split: ``splits()`` gives pieces that can be read apart, also in other processes.
        random_access: any row range is read without the rows before it.
        count: ``count()`` answers from metadata alone.
        residency: ``"mapped"`` batches lie over the mapped file without a copy, ``"ranges"`` bytes
            are read at offsets, ``"stream"`` the file is read from front to end.
    """

    projection: bool = False
    predicate: bool = False
    split: bool = False
    random_access: bool = False
    count: bool = False
    residency: Residency = "stream"


@dataclass(frozen=True, slots=True)
class Loss:
    """Something that does not come back from a file as it was written.

    Attributes:
        what: a short sentence that says what becomes of it.
        types: the types concerned, by the names that ``arrowsmith.plugin.types.families()`` gives
            them: ``"duration"``, ``"integer"``, ``"timestamp[ns]"``, ``"list"`` ... A type within
            another counts. None for what concerns the file as a whole.
        kind: ``"type"`` the values come back equal, as another type; ``"value"`` something of the
            values themselves is lost; ``"refused"`` they cannot be written.
        data: it depends on the values. The host warns of columns whose values are certain to
            suffer; of what only some values suffer a sink warns as it meets one.
        when: the sink's options with which it happens, ``("maps=object",)``; none for any.

    Example:
        >>> loss = Loss("durations become numbers", types=("duration",), kind="value")
        >>> loss.concerns(frozenset({"duration", "duration[s]"}))
        True
    """

    what: str
    types: tuple[str, ...] = ()
    kind: LossKind = "value"
    data: bool = False
    when: tuple[str, ...] = ()

    def concerns(self, families: frozenset[str]) -> bool:
        """Whether a type of these names is among those concerned."""
        return not families.isdisjoint(self.types)

    def happens(self, options: object) -> bool:
        """Whether it happens with the options of a sink."""
        chosen = (choice.partition("=") for choice in self.when)
        return all(str(getattr(options, name)) == value for name, _, value in chosen)


@dataclass(frozen=True, slots=True)
class SinkCapabilities:
    """What a sink can do, and what it cannot keep.

    Attributes:
        parallel: has ``chunk``, ``encode()`` and ``append()``, so that workers encode
            (see :class:`~arrowsmith.plugin.protocols.EncodingSink`).
        compressible: the file may be compressed as a whole (``out.csv.gz``).
        append: rows can be added to a file that is there
            (see :class:`~arrowsmith.plugin.protocols.AppendingSink`).
        directory: suffixes of the files of a directory that one sink writes as a whole, under
            names of its own (see :class:`~arrowsmith.plugin.folders.TargetFolder`); none of a
            sink that writes files.
        losses: what does not come back as it was written, a :class:`Loss` each, or a short
            sentence that concerns the file as a whole.
    """

    parallel: bool = False
    compressible: bool = True
    append: bool = False
    directory: tuple[str, ...] = ()
    losses: tuple[Loss | str, ...] = ()


class _Optioned:
    """A spec that has options."""

    __slots__ = ()
    name: str
    options: type | str

    @property
    def options_class(self) -> type:
        """The dataclass of the options, imported now where ``options`` only names it.

        Raises:
            PluginError: it cannot be imported.
        """
        if not isinstance(self.options, str):
            return self.options
        module, _, attribute = self.options.partition(":")
        try:
            found: Any = import_module(module)
            for part in attribute.split("."):
                found = getattr(found, part)
        except Exception as error:
            raise PluginError(
                f"the options of {self.name!r}, {self.options}, cannot be imported: {error}"
            ) from error
        named: type = found
        return named


@dataclass(frozen=True, slots=True)
class ReaderSpec(_Optioned):
    """A format that can be read.

    Attributes:
        name: what users type after ``--from``.
        impl: ``"package.module:Class"``; called as ``Class(source, options, ctx)``.
        extensions: suffixes without compression, with the dot: ``(".csv", ".tsv")``.
        magic: any one of these makes the match certain.
        probe: for formats without magic; must not raise on any bytes.
        options: a frozen dataclass whose fields are the format's options, or where it stands,
            ``"package.module:Class"``; see ``options_class``.
        capabilities: what the reader can do.
        gathers: files are rows: one reader takes all files of an input, as a ``SourceGroup``
            (see :class:`~arrowsmith.plugin.protocols.SourceGroup`), or a single one as it is. A
            column ``path`` tells the file of each row, for ``file_path_column``.
        sidecars: patterns, in lower case, of the names of files that belong to those beside them
            (``"metadata.csv"``): the group has them too, and no other format gets them.
        summary: one line for ``arrowsmith formats``.
        install_hint: what to install when the implementation's own dependency is missing.
    """

    name: str
    impl: str
    extensions: tuple[str, ...] = ()
    magic: tuple[Magic, ...] = ()
    probe: Callable[[Head], Match] | None = None
    options: type | str = NoOptions
    capabilities: ReaderCapabilities = field(default_factory=ReaderCapabilities)
    gathers: bool = False
    sidecars: tuple[str, ...] = ()
    summary: str = ""
    install_hint: str = ""


@dataclass(frozen=True, slots=True)
class SinkSpec(_Optioned):
    """A format that can be written; ``impl`` called as ``impl(target, schema, options, ctx)``."""

    name: str
    impl: str
    extensions: tuple[str, ...] = ()
    options: type | str = NoOptions
    capabilities: SinkCapabilities = field(default_factory=SinkCapabilities)
    summary: str = ""
    install_hint: str = ""


@dataclass(frozen=True, slots=True)
class TransformSpec(_Optioned):
    """A step from batches to batches; ``impl`` is called as ``Class(options, ctx)``."""

    name: str
    impl: str
    options: type | str = NoOptions
    kind: TransformKind = "stateless"
    summary: str = ""
    install_hint: str = ""
