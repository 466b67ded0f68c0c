"""docs/API.md is complete, and its examples and those of the docstrings run."""

from __future__ import annotations

import dataclasses
import doctest
import importlib
import pkgutil
import re
import runpy
from pathlib import Path

import pytest

import arrowsmith
from arrowsmith import (
    Dataset,
    ErrorPolicy,
    Pipeline,
    PipelineConfig,
    RunStats,
    Shape,
    errors,
    registry,
)

TEXT = (Path(__file__).parent.parent / "docs" / "API.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
HEADING = re.compile(r"^## (.+)$", re.MULTILINE)
SOURCE = "id,score\n1,0.25\n2,0.75\n3,0.9\n"


def section(name: str) -> set[str]:
    """The words in code of a section."""
    _, *parts = HEADING.split(TEXT)
    text = dict(zip(parts[::2], parts[1::2], strict=True))[name]
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return set(re.findall(r"\w+", " ".join(re.findall(r"`([^`]+)`", text))))


def public(cls: type) -> list[str]:
    """Methods and properties; not what dataclasses and slots add."""
    return sorted(
        name
        for base in cls.__mro__[:-1]
        for name, value in vars(base).items()
        if not name.startswith("_") and (callable(value) or isinstance(value, property))
    )


def members() -> list[tuple[str, str]]:
    found = [("Dataset", name) for name in (*public(Dataset), "verbs", "__arrow_c_stream__")]
    found += [("Pipeline", name) for name in public(Pipeline)]
    for cls in (PipelineConfig, RunStats, ErrorPolicy, Shape):
        found += [(cls.__name__, field.name) for field in dataclasses.fields(cls)]
        found += [(cls.__name__, name) for name in public(cls)]
    found += [("registry", name) for name in registry.__all__]
    return found


def exceptions() -> list[str]:
    return [name for name, value in vars(errors).items() if isinstance(value, type)
            and issubclass(value, errors.ArrowsmithError)]  # fmt: skip


@pytest.mark.parametrize("name", arrowsmith.__all__)
def test_every_public_name_is_in_the_table(name):
    first = TEXT.split("\n## ")[0]
    assert re.search(rf"^\| \[`{name}`\]\(#\w+\) \|", first, re.MULTILINE)


@pytest.mark.parametrize(("owner", "name"), members())
def test_every_member_is_described(owner, name):
    assert name in section(owner), f"{owner}.{name} is missing from docs/API.md"


@pytest.mark.parametrize("name", exceptions())
def test_every_exception_is_described(name):
    assert name in section("errors")


@pytest.mark.parametrize("owner", ["open", "Dataset", "Pipeline"])
def test_every_argument_is_described(owner):
    import inspect

    function = {"open": arrowsmith.open, "Dataset": Dataset.write, "Pipeline": Pipeline}[owner]
    named = set(inspect.signature(function).parameters) - {"self"}
    assert named <= section(owner)


def test_what_is_described_exists():
    """A table that tells of what is gone misleads."""
    for cls in (PipelineConfig, RunStats, ErrorPolicy, Shape):
        rows = re.split(HEADING, TEXT)
        body = rows[rows.index(cls.__name__) + 1]
        cells = re.findall(r"^\| (`.*?) \|", body, re.MULTILINE)
        told = {name for cell in cells for name in re.findall(r"`(\w+)`", cell)}
        assert told == {field.name for field in dataclasses.fields(cls)}
    body = TEXT.split("\n## errors\n")[1]
    assert set(re.findall(r"^\| `(\w+)` \|", body, re.MULTILINE)) <= set(exceptions())


@pytest.fixture
def folder(tmp_path, monkeypatch):
    (tmp_path / "in.csv").write_text(SOURCE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_file_of_the_page_is_that_of_the_tests():
    assert f"```\n{SOURCE}```" in TEXT


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example_runs(number, folder):
    (folder / "example.py").write_text(BLOCKS[number])
    runpy.run_path(str(folder / "example.py"))


def modules() -> list[str]:
    """All modules of the core with an example in them."""
    found = [arrowsmith.__name__]
    found += [info.name for info in pkgutil.walk_packages(arrowsmith.__path__, "arrowsmith.")]
    root = Path(arrowsmith.__file__).parent.parent
    paths = {name: root.joinpath(*name.split(".")) for name in found}
    texts = {
        name: (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
        for name, path in paths.items()
    }
    return sorted(name for name, text in texts.items() if ">>> " in text)


@pytest.mark.parametrize("name", modules())
def test_docstrings_of_the_module_hold(name, folder):
    module = importlib.import_module(name)
    names = {"pa": importlib.import_module("pyarrow")}
    result = doctest.testmod(module, extraglobs=names, optionflags=doctest.ELLIPSIS)
    assert result.failed == 0
