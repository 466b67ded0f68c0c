"""Finding plugins and loading each of them alone, so that none can hurt another.

Entry points are read distribution by distribution, since one malformed file makes
``importlib.metadata.entry_points()`` fail for all. Each plugin gets a pluggy manager of its own:
its hooks are then called without any other plugin's, and dropping the manager undoes everything.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Literal

import pluggy

from arrowsmith.catalog.checks import SPEC_TYPES, Spec, check_specs
from arrowsmith.errors import PluginError
from arrowsmith.plugin.hooks import ENTRY_POINT_GROUP, Hooks
from arrowsmith.plugin.options import nearest_names

if TYPE_CHECKING:
    from importlib.metadata import Distribution, EntryPoint

ALLOW_VARIABLE = "ARROWSMITH_PLUGINS"
_MOST_SPECS = 1000  # a generator that never ends must not hang the host


@dataclass(frozen=True, slots=True)
class BrokenPlugin:
    """A plugin that could not be loaded, and why."""

    name: str
    distribution: str
    version: str
    error: str

    def __str__(self) -> str:
        return f"plugin {self.name!r} of {self.distribution} {self.version}".rstrip()


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """The health of one plugin.

    Attributes:
        name: of its entry point.
        distribution, version: what is installed, empty where the metadata does not tell.
        module: the value of its entry point.
        status: ``"ok"`` or ``"broken"``; a broken plugin gives no formats.
        error: why it is broken, one line, else None.
        warnings: what is wrong with it but does not stop it.
        readers, transforms, sinks: the names that it gives.
    """

    name: str
    distribution: str
    version: str
    module: str
    status: Literal["ok", "broken"]
    error: str | None
    warnings: tuple[str, ...]
    readers: tuple[str, ...]
    transforms: tuple[str, ...]
    sinks: tuple[str, ...]


@dataclass(slots=True)
class Entry:
    """One plugin module as it was found, before anything of it is imported.

    ``names`` has more than one where several entry points name the module.
    """

    names: list[str]
    value: str
    distribution: str
    version: str
    point: EntryPoint | None
    error: str | None = None

    @property
    def owner(self) -> str:
        return f"{self.distribution or 'an unknown distribution'} {self.version}".rstrip()


@dataclass(slots=True)
class Plugin:
    """What came of loading an entry."""

    entry: Entry
    error: str | None = None
    warnings: list[str] = field(default_factory=list)
    readers: list[Any] = field(default_factory=list)
    transforms: list[Any] = field(default_factory=list)
    sinks: list[Any] = field(default_factory=list)

    def specs(self, kind: str) -> list[Any]:
        return {"reader": self.readers, "transform": self.transforms, "sink": self.sinks}[kind]

    def warn(self, message: str) -> None:
        if message not in self.warnings:
            self.warnings.append(message)

    def broken(self) -> BrokenPlugin:
        entry = self.entry
        return BrokenPlugin(entry.names[0], entry.distribution, entry.version, self.error or "")


# --- finding -------------------------------------------------------------------------------------


def find_entries(points: Iterable[EntryPoint] | None) -> list[Entry]:
    """The plugins that are installed, one for each module, in the order of ``sys.path``."""
    found = _installed() if points is None else map(_entry, points)
    by_value: dict[str, Entry] = {}
    for entry in found:
        known = by_value.setdefault(entry.value, entry)
        known.names.extend(name for name in entry.names if name not in known.names)
    return list(by_value.values())


def allowed_names() -> frozenset[str] | None:
    """The entry or distribution names in ``ARROWSMITH_PLUGINS``; None allows all."""
    given = os.environ.get(ALLOW_VARIABLE, "")
    return frozenset(_normal(name) for name in given.split(",") if name.strip()) or None


def is_allowed(entry: Entry, allowed: frozenset[str] | None) -> bool:
    return allowed is None or any(
        _normal(name) in allowed for name in (*entry.names, entry.distribution)
    )


def cause(error: BaseException) -> str:
    """An exception as one line of bounded length; its own text may fail or never end."""
    try:
        text = " ".join(str(error)[:2000].split())
    except Exception:
        text = "its message cannot be shown"
    line = f"{type(error).__name__}: {text}" if text else type(error).__name__
    return line if len(line) <= 300 else line[:297] + "..."


def _installed() -> Iterator[Entry]:
    from importlib.metadata import distributions

    seen = set()
    for distribution in distributions():
        name, version = "", ""
        try:
            text = distribution.read_text("entry_points.txt") or ""
            if f"[{ENTRY_POINT_GROUP}]" not in text:
                continue
            name, version = _identity(distribution)
            if _normal(name) in seen:
                continue  # an earlier folder of sys.path has it too, and is what gets imported
            seen.add(_normal(name))
            points = [p for p in distribution.entry_points if p.group == ENTRY_POINT_GROUP]
        except Exception as error:
            bad = f"its entry_points.txt cannot be read: {cause(error)}"
            yield Entry([name], f"<{name}>", name, version, None, bad)
            continue
        for point in points:
            yield Entry([point.name], point.value, name, version, point)


def _entry(point: EntryPoint) -> Entry:
    name, version = _identity(point.dist) if point.dist is not None else ("", "")
    return Entry([point.name], point.value, name, version, point)


def _identity(distribution: Distribution) -> tuple[str, str]:
    """Name and version, read off the headers: parsing them as mail costs ten times as much."""
    text = distribution.read_text("METADATA") or distribution.read_text("PKG-INFO") or ""
    headers = text.partition("\n\n")[0]
    name, version = (
        re.search(rf"^{header}:[ \t]*(.*?)\s*$", headers, re.MULTILINE | re.IGNORECASE)
        for header in ("Name", "Version")
    )
    return name[1] if name else "", version[1] if version else ""


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


# --- loading -------------------------------------------------------------------------------------


def load_plugin(entry: Entry) -> Plugin:
    """Import a plugin and ask it for its specs. Only ``KeyboardInterrupt`` gets past the guard."""
    plugin = Plugin(entry, entry.error)
    if entry.point is None:
        return plugin
    try:
        manager = pluggy.PluginManager(ENTRY_POINT_GROUP)
        manager.add_hookspecs(Hooks)
        module = _imported(entry.point)
        manager.register(module, name=entry.names[0])
        answers = {kind: _ask(manager, kind, plugin) for kind in SPEC_TYPES}
        for kind, specs in answers.items():
            check_specs(kind, specs)
        plugin.warnings.extend(_strange_hooks(manager, module))
    except (Exception, SystemExit) as error:
        plugin.error = error.what if isinstance(error, PluginError) else cause(error)
        return plugin
    for kind, specs in answers.items():
        plugin.specs(kind).extend(specs)
    return plugin


def _imported(point: EntryPoint) -> object:
    if point.pattern.match(point.value) is None:
        raise PluginError(f"its entry point {point.value!r} does not name a module")
    return point.load()


def _ask(manager: pluggy.PluginManager, kind: str, plugin: Plugin) -> list[Spec]:
    """What the plugin's hook for one kind of spec gives, listed here, where it is guarded."""
    name = f"arrowsmith_{kind}s"
    hook = getattr(manager.hook, name)
    answers = hook()
    if not answers and hook.get_hookimpls():
        plugin.warn(f"{name} returned None, so that it gives no {kind}")
    specs: list[Spec] = []
    for answer in answers:
        if isinstance(answer, tuple(SPEC_TYPES.values())):
            raise PluginError(f"{name} returned one spec where a list of them is expected")
        specs.extend(islice(answer, _MOST_SPECS + 1))
    if len(specs) > _MOST_SPECS:
        raise PluginError(f"{name} gives more than {_MOST_SPECS} specs")
    return specs


def _strange_hooks(manager: pluggy.PluginManager, module: object) -> Iterator[str]:
    """Hooks that this host does not know, as of a newer version, and ones that are not marked."""
    known = [f"arrowsmith_{kind}s" for kind in SPEC_TYPES]
    callers: Sequence[Any] = manager.get_hookcallers(module) or []
    marked = {caller.name: caller for caller in callers}
    for name, caller in marked.items():
        if not caller.has_spec() and not all(i.optionalhook for i in caller.get_hookimpls()):
            near = nearest_names(name, known)
            guess = f" (did you mean {near[0]}?)" if near else ""
            yield f"unknown hook {name}{guess}: it is not called"
    for name in known:
        if name not in marked and callable(getattr(module, name, None)):
            yield f"{name} is not marked with @hookimpl: it is not called"
    if not marked:
        yield "it implements no hook of arrowsmith"
