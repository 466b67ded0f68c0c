"""The catalog: what the installed plugins give, by name, by content and by suffix."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import reduce
from importlib import import_module
from typing import TYPE_CHECKING, Any, Literal

from arrowsmith.catalog import known as known_plugins
from arrowsmith.catalog import probing
from arrowsmith.catalog.checks import Spec
from arrowsmith.catalog.discovery import (
    ALLOW_VARIABLE,
    BrokenPlugin,
    Entry,
    Plugin,
    PluginInfo,
    allowed_names,
    cause,
    find_entries,
    is_allowed,
    load_plugin,
)
from arrowsmith.errors import AmbiguousFormat, PluginError, UnknownFormat, UnknownName
from arrowsmith.plugin.options import nearest_names
from arrowsmith.plugin.specs import Head, ReaderSpec, SinkSpec, TransformSpec

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Kind = Literal["reader", "transform", "sink"]


class Catalog:
    """The readers, transforms and sinks that are installed. Thread-safe; scans when first asked.

    Args:
        entry_points: what to load instead of the entry points of the installed distributions.

    A plugin that fails to load is kept as broken and named in :meth:`plugins` and in errors that
    it may be the cause of. Two plugins that give one name do not disturb the other names.

    Example:
        >>> catalog = Catalog(entry_points=[])
        >>> catalog.readers()
        {}
    """

    def __init__(self, entry_points: Iterable[EntryPoint] | None = None) -> None:
        self._points = entry_points
        # Reentrant: a plugin that asks for the catalog while it is loaded finds what is there.
        self._lock = threading.RLock()
        self._pending: list[Entry] | None = None
        self._left_out: list[Entry] = []
        self._plugins: list[Plugin] = []

    # --- what is installed ---

    def readers(self) -> dict[str, ReaderSpec]:
        """The readers by name; a name that two plugins claim is left out."""
        return self._by_name("reader")

    def transforms(self) -> dict[str, TransformSpec]:
        """The transforms by name, without those whose name two plugins claim."""
        return self._by_name("transform")

    def sinks(self) -> dict[str, SinkSpec]:
        """The sinks by name, without those whose name two plugins claim."""
        return self._by_name("sink")

    def plugins(self) -> list[PluginInfo]:
        """Every plugin and its health, by name; broken ones too."""
        infos = [self._info(plugin) for plugin in self._all()]
        return sorted(infos, key=lambda info: (info.name, info.distribution))

    def broken(self) -> list[BrokenPlugin]:
        """The plugins that could not be loaded."""
        return [plugin.broken() for plugin in self._all() if plugin.error is not None]

    # --- by name ---

    def reader(self, name: str) -> ReaderSpec:
        """The reader of that name.

        An entry point that bears the name decides; only where there is none, or it gives no such
        reader, are all plugins loaded.

        Raises:
            UnknownName: none is installed; the nearest names, or what to install, are told.
            PluginError: two plugins claim the name.
        """
        return self._named("reader", name)

    def transform(self, name: str) -> TransformSpec:
        """The transform of that name; raises as :meth:`reader` does."""
        return self._named("transform", name)

    def sink(self, name: str) -> SinkSpec:
        """The sink of that name; raises as :meth:`reader` does."""
        return self._named("sink", name)

    def load(self, spec: Spec) -> Any:
        """The implementation that a spec names, imported now.

        Raises:
            PluginError: it cannot be imported; ``install_hint`` is told where a module is missing.
        """
        module, _, attribute = spec.impl.partition(":")
        try:
            return reduce(getattr, attribute.split("."), import_module(module))
        except ImportError as error:
            hint = spec.install_hint or "reinstall the plugin with all that it depends on"
            missing = isinstance(error, ModuleNotFoundError) and error.name
            what = f"needs {error.name!r}, which is not installed" if missing else cause(error)
            raise PluginError(f"{self._title(spec)}: {what}", hint=hint) from error
        except (Exception, SystemExit) as error:
            raise PluginError(f"{self._title(spec)} fails to import: {cause(error)}") from error

    def provider(self, spec: Spec) -> str:
        """The distribution and version that a spec comes from: another one may do otherwise."""
        for plugin in self._plugins:
            if any(spec is own for own in (*plugin.readers, *plugin.transforms, *plugin.sinks)):
                return f"{plugin.entry.distribution} {plugin.entry.version}"
        return ""

    # --- by content and by suffix ---

    def probe(
        self, head: Head, *, format: str | None = None, path: str | None = None
    ) -> ReaderSpec:
        """The reader for a source.

        Args:
            head: its name, first and last bytes, compression peeled.
            format: a reader's name; it is taken whatever the source holds.
            path: the source as the user knows it, for messages.

        Raises:
            UnknownFormat: no reader recognises it; says what was tried and what could help.
            AmbiguousFormat: several recognise it equally well.
            UnknownName: ``format`` is not installed.
            PluginError: two plugins claim the name of the reader that matches best.
        """
        if format is not None:
            return self.reader(format)
        where = path or head.name
        claims = probing.best_claims(self._specs("reader"), head)
        if not claims:
            raise self._unrecognised(head, where)
        return self._only("reader", claims, where, "--from")

    def sink_for(self, path: str) -> SinkSpec:
        """The sink for a path, by its longest known suffix, a compression suffix peeled off.

        Raises:
            UnknownName: no sink has the suffix; the known ones are told.
            AmbiguousFormat: several sinks have it.
            PluginError: two plugins claim the name of the sink.
        """
        claims = probing.best_sinks(self._specs("sink"), path)
        if not claims:
            known = sorted({ext for spec in self.sinks().values() for ext in spec.extensions})
            more = self._could_help(probing.peeled(path))
            parts = [
                "say the format with --to or format=",
                *more,
                f"known suffixes are {' '.join(known) or 'none'}",
            ]
            raise UnknownName(
                "its name does not tell a format that can be written",
                path=path,
                hint="; ".join(parts),
            )
        return self._only("sink", claims, path, "--to")

    # --- loading ---

    def _all(self) -> list[Plugin]:
        return self._loaded(lambda entry: True)

    def _loaded(self, wanted: Callable[[Entry], bool]) -> list[Plugin]:
        """Load the wanted plugins that are not loaded yet; all that are loaded by now."""
        with self._lock:
            if self._pending is None:
                self._find()
            assert self._pending is not None
            for entry in [entry for entry in self._pending if wanted(entry)]:
                if entry not in self._pending:
                    continue  # a plugin that asked for the catalog had it loaded meanwhile
                self._pending.remove(entry)
                try:
                    self._plugins.append(load_plugin(entry))
                except BaseException:
                    self._pending.append(entry)  # interrupted: it gets another chance
                    raise
            return [plugin for plugin in self._plugins if wanted(plugin.entry)]

    def _find(self) -> None:
        allowed = allowed_names()
        entries = find_entries(self._points)
        self._pending = [entry for entry in entries if is_allowed(entry, allowed)]
        self._left_out = [entry for entry in entries if not is_allowed(entry, allowed)]

    def _specs(self, kind: Kind) -> Iterator[tuple[Any, Plugin]]:
        return ((spec, plugin) for plugin in self._all() for spec in plugin.specs(kind))

    def _by_name(self, kind: Kind) -> dict[str, Any]:
        found: dict[str, list[Any]] = {}
        for spec, _ in self._specs(kind):
            found.setdefault(spec.name, []).append(spec)
        return {name: specs[0] for name, specs in sorted(found.items()) if len(specs) == 1}

    # --- resolving ---

    def _named(self, kind: Kind, name: str) -> Any:
        bearing = self._loaded(lambda entry: name in entry.names)
        claims = _giving(bearing, kind, name) or _giving(self._all(), kind, name)
        if not claims:
            raise self._unknown(kind, name)
        if len(claims) > 1:
            raise _contested(kind, name, [plugin for _, plugin in claims], None)
        return claims[0][0]

    def _only(self, kind: Kind, claims: Sequence[probing.Claim], where: str, flag: str) -> Any:
        """The one spec of the claims, if there is one and no other plugin claims its name."""
        names = sorted({claim.spec.name for claim in claims})
        if len(names) > 1:
            raise AmbiguousFormat(
                f"{' and '.join(names)} match equally well",
                path=where,
                hint=f"say which, as in {flag} {names[0]} or format={names[0]!r}",
            )
        givers = _giving(self._all(), kind, names[0])
        if len(givers) > 1:
            raise _contested(kind, names[0], [plugin for _, plugin in givers], where)
        return claims[0].spec

    # --- messages ---

    def _info(self, plugin: Plugin) -> PluginInfo:
        entry = plugin.entry
        return PluginInfo(
            name=entry.names[0],
            distribution=entry.distribution,
            version=entry.version,
            module=entry.value,
            status="ok" if plugin.error is None else "broken",
            error=plugin.error,
            warnings=(*plugin.warnings, *self._rivals(plugin)),
            readers=tuple(spec.name for spec in plugin.readers),
            transforms=tuple(spec.name for spec in plugin.transforms),
            sinks=tuple(spec.name for spec in plugin.sinks),
        )

    def _rivals(self, plugin: Plugin) -> Iterator[str]:
        kinds: tuple[Kind, ...] = ("reader", "transform", "sink")
        for kind in kinds:
            for spec in plugin.specs(kind):
                for _, other in _giving(self._all(), kind, spec.name):
                    if other is not plugin:
                        yield f"{kind} {spec.name!r} is also claimed by {other.entry.owner}"

    def _title(self, spec: Spec) -> str:
        for plugin in self._plugins:
            if any(spec is own for own in (*plugin.readers, *plugin.transforms, *plugin.sinks)):
                return f"{spec.name!r} of {plugin.entry.owner}"
        return repr(spec.name)

    def _unknown(self, kind: Kind, name: str) -> UnknownName:
        noun = "transform" if kind == "transform" else "format"
        done = {"reader": "be read", "sink": "be written", "transform": "be applied"}[kind]
        known = list(self._by_name(kind))
        owners = known_plugins.TRANSFORMS if kind == "transform" else known_plugins.FORMATS
        parts = [
            *self._left_out_hint(name),
            *self._broken_hint({name}),
            *self._install_hint(owners.get(name)),
        ]
        near = nearest_names(name, known)
        guess = f"did you mean {' or '.join(map(repr, near))}? " if near else ""
        parts.append(f"{guess}known {noun}s are {', '.join(known) or 'none'}")
        return UnknownName(f"no {noun} named {name!r} can {done}", hint="; ".join(parts))

    def _unrecognised(self, head: Head, where: str) -> UnknownFormat:
        tried = sorted({spec.name for spec, _ in self._specs("reader")})
        parts = [
            f"tried {', '.join(tried) or 'nothing, since no reader is installed'}",
            *self._could_help(head.name, head.head),
            "say the format with --from or format= if you know it",
        ]
        return UnknownFormat("no format recognises it", path=where, hint="; ".join(parts))

    def _could_help(self, name: str, content: bytes = b"") -> list[str]:
        """Broken, left-out and known but missing plugins for a file's content and suffix."""
        suffix = name[name.rfind(".") :].lower() if "." in name else ""
        install = known_plugins.by_content(content) or known_plugins.SUFFIXES.get(suffix)
        names = {suffix.removeprefix("."), install or ""} - {""}
        left_out = (hint for known in sorted(names) for hint in self._left_out_hint(known))
        return [*left_out, *self._broken_hint(names), *self._install_hint(install)]

    def _left_out_hint(self, name: str) -> list[str]:
        owners = [e.owner for e in self._left_out if name in (*e.names, e.distribution)]
        return [f"{owner} is left out by {ALLOW_VARIABLE}" for owner in owners[:1]]

    def _broken_hint(self, names: set[str]) -> list[str]:
        plugins = [plugin for plugin in self._all() if plugin.error is not None]
        return [
            f"{plugin.broken()} is broken ({plugin.error})"
            for plugin in plugins
            if names & {*plugin.entry.names, plugin.entry.distribution}
        ]

    def _install_hint(self, distribution: str | None) -> list[str]:
        plugins = [plugin.entry for plugin in self._all()]
        if distribution is None or any(
            entry.distribution == distribution for entry in (*plugins, *self._left_out)
        ):
            return []
        return [f"pip install {distribution} adds it"]


def _giving(plugins: Iterable[Plugin], kind: Kind, name: str) -> list[tuple[Any, Plugin]]:
    return [(spec, p) for p in plugins for spec in p.specs(kind) if spec.name == name]


def _contested(kind: Kind, name: str, plugins: Sequence[Plugin], path: str | None) -> PluginError:
    owners = " and ".join(plugin.entry.owner for plugin in plugins)
    return PluginError(
        f"{kind} {name!r} is claimed by {owners}",
        path=path,
        hint=f"uninstall one of them, or name the plugins to use in {ALLOW_VARIABLE}",
    )
