"""docs/TRANSFORMS.md tells of every transform of the core, option and function, and runs."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from arrowsmith.plugin.options import describe_options
from arrowsmith.predicate.functions import FUNCTIONS
from arrowsmith.transforms import SPECS

TEXT = (Path(__file__).parent.parent / "docs" / "TRANSFORMS.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
CODE = set(re.findall(r"\w+", " ".join(re.findall(r"`([^`\n]+)`", TEXT))))


@pytest.mark.parametrize("number", range(len(BLOCKS)))
def test_example_runs(number, tmp_path, monkeypatch):
    (tmp_path / "in.csv").write_text("id,score\n1,0.25\n2,0.75\n3,0.9\n")
    (tmp_path / "example.py").write_text(BLOCKS[number])
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(tmp_path / "example.py"))


@pytest.mark.parametrize("spec", SPECS, ids=lambda spec: spec.name)
def test_every_transform_is_in_the_table(spec):
    assert re.search(rf"^\| `{spec.name}:", TEXT, re.MULTILINE)
    needed = {one.name for one in describe_options(spec.options_class) if one.default is None}
    assert needed <= CODE


def test_every_function_of_formulas_is_told():
    assert set(FUNCTIONS) <= CODE
