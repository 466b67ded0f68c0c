"""What holds for every plugin, whatever it offers: light specs, discovery, options."""

from __future__ import annotations

import importlib.metadata
import json
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from typing import Any, Literal

from arrowsmith.catalog import PluginInfo, get_catalog
from arrowsmith.catalog.checks import Spec
from arrowsmith.errors import OptionError
from arrowsmith.plugin.options import build_options, describe_options
from arrowsmith.testing.checks import expect

_HEAVY = {"pyarrow", "numpy", "pandas", "polars", "duckdb", "torch"}
_SPEC_MODULES_MAY_USE = {"arrowsmith", "pluggy"}
_IMPORTS = """
import importlib, json, sys
from importlib.metadata import EntryPoint
from arrowsmith.catalog import Catalog
from arrowsmith.plugin.specs import Head
name, module, kind, offered = sys.argv[1:]
known = set(sys.modules)
importlib.import_module(module)
found = {"spec": sorted(set(sys.modules) - known)}
spec = getattr(Catalog([EntryPoint(name, module, "arrowsmith")]), kind)(offered)
if getattr(spec, "probe", None) is not None:
    spec.probe(Head("a.txt", b"a,b\\n1,2\\n", b"a,b\\n1,2\\n", 8))
found["hooks"] = sorted(set(sys.modules) - known)
importlib.import_module(spec.impl.partition(":")[0])
found["impl"] = sorted(set(sys.modules) - known)
print(json.dumps(found))
"""


class PluginContract:
    """The base of the contracts.

    Attributes:
        name: of the reader, sink or transform, as users type it.
        options: given to it in all tests.
    """

    name: str
    options: Mapping[str, Any] = {}
    _kind: Literal["reader", "sink", "transform"]

    @property
    def spec(self) -> Spec:
        """The spec as the catalog has it."""
        return getattr(get_catalog(), self._kind)(self.name)

    def _plugin(self) -> PluginInfo:
        infos = get_catalog().plugins()
        owners = [info for info in infos if self.name in getattr(info, f"{self._kind}s")]
        broken = [f"{info.name} ({info.error})" for info in infos if info.status != "ok"]
        expect(
            len(owners) == 1,
            f"{len(owners)} plugins give a {self._kind} '{self.name}'; is it installed, and named"
            f" by an entry point of the group 'arrowsmith'? Broken: {', '.join(broken) or 'none'}",
        )
        return owners[0]

    def test_plugin_is_found(self) -> None:
        """An entry point leads to it, and the catalog has nothing to warn about."""
        info = self._plugin()
        expect(info.status == "ok", f"plugin {info.name} is broken: {info.error}")
        expect(not info.warnings, f"plugin {info.name}: {'; '.join(info.warnings)}")
        expect(self.spec.summary, f"{self._kind} '{self.name}' has no summary")
        expect(callable(get_catalog().load(self.spec)), f"{self.spec.impl} cannot be called")

    def test_spec_module_is_light(self) -> None:
        """The module of the entry point imports neither pyarrow, numpy nor a dependency of its own.

        The host imports it to list what is installed, also where it is not used. Neither its hooks
        nor its probe import them either.
        """
        info = self._plugin()
        found = self._imported()
        for when in ("spec", "hooks"):
            imported = {name.partition(".")[0] for name in found[when]}
            heavy = sorted(imported & (_HEAVY | _dependencies(info.distribution)))
            expect(
                not heavy,
                f"{info.module}{' with its hooks and probe' * (when == 'hooks')} imports"
                f" {', '.join(heavy)}; leave that to the module of the implementation, which is"
                " imported when it is used",
            )

    def test_implementation_is_imported_when_used(self) -> None:
        """Neither listing nor probing imports the implementation, and it does not import pandas.

        Importing pandas takes as long as everything else together; a plugin that depends on it may.
        """
        info = self._plugin()
        found = self._imported()
        early = self.spec.impl.partition(":")[0]
        expect(
            early == info.module or early not in found["hooks"],
            f"{early} is imported before anything is opened: name it in the spec, and leave its"
            " import to the host",
        )
        expect(
            "pandas" not in found["impl"] or "pandas" in _dependencies(info.distribution),
            f"{early} imports pandas",
        )

    def _imported(self) -> dict[str, list[str]]:
        info = self._plugin()
        return _imports(info.name, info.module, self._kind, self.name)

    def test_unknown_option_is_an_option_error(self) -> None:
        """A misspelt option is told, and nothing is opened."""
        cls = self.spec.options_class
        build_options(cls, self.options, owner=self.name)
        try:
            build_options(cls, {**self.options, "no_such_option": "1"}, owner=self.name)
        except OptionError:
            return
        raise AssertionError(f"{cls.__name__} takes an option that it does not declare")

    def test_options_are_described(self) -> None:
        """Each option says in a line what it is for."""
        silent = [info.name for info in describe_options(self.spec.options_class) if not info.help]
        expect(not silent, f"options without help=: {', '.join(silent)}")

    def test_options_travel(self) -> None:
        """Options can be pickled, to work in another process, and compared."""
        built: Any = build_options(self.spec.options_class, self.options, owner=self.name)
        try:
            again = pickle.loads(pickle.dumps(built))  # noqa: S301 - our own bytes
        except Exception as error:
            raise AssertionError(f"{built!r} cannot be pickled: {error}") from error
        expect(again == built, f"{built!r} is pickled and unpickled to {again!r}")


@cache
def _imports(name: str, module: str, kind: str, offered: str) -> dict[str, list[str]]:
    """What is imported with the spec module, by its hooks and probe, and by what it names."""
    found = subprocess.run(
        [sys.executable, "-c", _IMPORTS, name, module, kind, offered],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        capture_output=True,
        text=True,
        check=False,
    )
    failed = found.stderr.strip()[-500:]
    expect(found.returncode == 0, f"{module} does not import by itself: {failed}")
    imported: dict[str, list[str]] = json.loads(found.stdout.splitlines()[-1])
    return imported


def _dependencies(distribution: str) -> set[str]:
    """The top-level modules of what a distribution depends on, but for arrowsmith itself."""
    if not distribution:  # an entry point that was made by hand
        return set()
    requires = importlib.metadata.requires(distribution) or []
    names = {
        _normal(re.split(r"[^\w.-]", line, maxsplit=1)[0])
        for line in requires
        if "extra ==" not in line
    }
    return {
        module
        for module, owners in importlib.metadata.packages_distributions().items()
        if names & {_normal(owner) for owner in owners}
    } - _SPEC_MODULES_MAY_USE


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
