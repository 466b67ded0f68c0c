"""Imports point down the house, modules stay short, and nothing heavy comes with the name."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
MODULES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for folder in ("src", "plugins")
    for path in sorted((ROOT / folder).rglob("*.py"))
}
LONGEST = 400
SPECS = sorted(path.parent.name for path in (ROOT / "src/arrowsmith/formats").glob("*/__init__.py"))


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_import_contracts_hold():
    run = python("from importlinter.cli import lint_imports_command as run; run()", "--no-cache")
    assert run.returncode == 0, run.stdout + run.stderr
    assert " kept, 0 broken" in run.stdout


def test_modules_are_short():
    """Blank lines are free."""
    sizes = {path: sum(map(bool, text.split("\n"))) for path, text in MODULES.items()}
    assert {path: size for path, size in sizes.items() if size > LONGEST} == {}


def test_modules_say_what_they_are_for():
    assert [path for path, text in MODULES.items() if not ast.get_docstring(ast.parse(text))] == []


def test_what_plugins_import_is_light():
    run = python("import sys, arrowsmith.plugin, arrowsmith.errors; print(*sys.modules)")
    assert not {"pyarrow", "numpy", "click", "rich"} & set(run.stdout.split())


@pytest.mark.parametrize("name", SPECS)
def test_the_spec_of_a_format_is_light(name):
    run = python(f"import sys, arrowsmith.formats.{name}; print(*sys.modules)")
    assert f"arrowsmith.formats.{name}" in run.stdout.split()
    assert not {"pyarrow", "numpy"} & set(run.stdout.split())
