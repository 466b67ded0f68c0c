"""docs/PLUGINS.md is complete, and its examples run."""

from __future__ import annotations

import dataclasses
import os
import re
import runpy
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import arrowsmith.plugin
import arrowsmith.testing
from arrowsmith.plugin import protocols, specs
from arrowsmith.plugin.hooks import Hooks
from hostile import declare

TEXT = (Path(__file__).parent.parent / "docs" / "PLUGINS.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", TEXT))))
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
FILES = {
    found[1]: body
    for kind, body in BLOCKS
    if kind in ("python", "toml") and (found := re.match(r"# (\S+\.\w+)\n", body))
}
SNIPPETS = [body for kind, body in BLOCKS if kind == "python" and body not in FILES.values()]


def members(cls: type) -> set[str]:
    """Fields and methods that a plugin author meets."""
    names = {*vars(cls), *getattr(cls, "__annotations__", {})}
    return {name for name in names if not name.startswith("_")}


def described() -> list[tuple[str, str]]:
    """Every public class of the plugin interface with each of its members."""
    classes = [
        value
        for module in (specs, protocols)
        for name, value in vars(module).items()
        if isinstance(value, type) and name in arrowsmith.plugin.__all__
    ]
    return [(cls.__name__, name) for cls in classes for name in sorted(members(cls))]


@pytest.mark.parametrize("hook", sorted(members(Hooks)))
def test_every_hook_is_described(hook: str) -> None:
    assert f"`{hook}()`" in TEXT


@pytest.mark.parametrize("name", arrowsmith.plugin.__all__)
def test_every_public_name_is_described(name: str) -> None:
    assert name in CODE


@pytest.mark.parametrize(("owner", "name"), described())
def test_every_field_and_method_is_described(owner: str, name: str) -> None:
    assert name in CODE, f"{owner}.{name} is missing from docs/PLUGINS.md"


@pytest.mark.parametrize("name", arrowsmith.testing.__all__)
def test_every_name_of_the_kit_is_described(name: str) -> None:
    assert name in CODE
    value = getattr(arrowsmith.testing, name)
    if name.endswith("Contract"):
        checks = {check for check in dir(value) if check.startswith("test_")}
        assert not checks - CODE


def test_every_check_that_is_described_exists() -> None:
    contracts = [getattr(arrowsmith.testing, name) for name in arrowsmith.testing.__all__]
    existing = {check for contract in contracts for check in dir(contract)}
    told = set(re.findall(r"`(test_\w+)`", TEXT))
    assert told <= existing


def test_classes_of_the_interface_were_found() -> None:
    """Guards the tests above against finding nothing."""
    found = {owner for owner, _ in described()}
    assert {"ReaderSpec", "ScanRequest", "RunContext", "EncodingSink", "Match"} <= found
    assert dataclasses.is_dataclass(specs.ReaderSpec)


@pytest.mark.parametrize("number", range(len(SNIPPETS)))
def test_snippet_runs(number: int, tmp_path: Path) -> None:
    path = tmp_path / "snippet.py"
    path.write_text(SNIPPETS[number], encoding="utf-8")
    runpy.run_path(str(path))


def test_whole_plugin_passes_its_contract(tmp_path: Path) -> None:
    """The files of the page, installed as a distribution, with their tests."""
    for name, body in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(body, encoding="utf-8")
    project = tomllib.loads(FILES["pyproject.toml"])["project"]
    source = tmp_path / "src"
    entries = project["entry-points"]["arrowsmith"]
    declare(source, project["name"], project["version"], entries)
    run = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(source)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in run.stdout
