"""Checks in a Python process of their own: what pickles carry, what memory is taken, a kill."""

from __future__ import annotations

import pickle
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import arrowsmith.catalog
from arrowsmith.catalog import Catalog, get_catalog

_CODE = "import sys; sys.path[:] = {path!r}; from arrowsmith.testing.child import main; main()"
_PATIENCE = 180.0  # seconds


@dataclass(frozen=True, slots=True)
class Ended:
    """How a child ended.

    Attributes:
        code: its exit code; negative for the signal that ended it.
        result: what the function returned; None unless it did.
        stderr: the last of what it said.
    """

    code: int
    result: Any
    stderr: str


def in_child(function: Callable[..., Any], /, **given: Any) -> Ended:
    """Call a function of a module in another process, where the same plugins are installed.

    Raises:
        AssertionError: it has no end.
    """
    entries = [(info.name, info.module) for info in get_catalog().plugins()]
    with tempfile.TemporaryDirectory(prefix="arrowsmith-testing-") as folder:
        answer = Path(folder) / "answer"
        try:
            run = subprocess.run(
                [sys.executable, "-c", _CODE.format(path=sys.path)],
                input=pickle.dumps((entries, function, given, str(answer))),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                timeout=_PATIENCE,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise AssertionError(f"no end after {_PATIENCE:g} seconds in a child process") from None
        done = run.returncode == 0 and answer.exists()
        result = pickle.loads(answer.read_bytes()) if done else None  # noqa: S301 - our own bytes
        return Ended(run.returncode, result, run.stderr.decode(errors="replace")[-2000:].strip())


def main() -> None:
    """The child's side: the call comes through standard input."""
    entries, function, given, answer = pickle.load(sys.stdin.buffer)  # noqa: S301 - our parent's
    points = [EntryPoint(name, module, "arrowsmith") for name, module in entries]
    arrowsmith.catalog._shared = Catalog(points)
    Path(answer).write_bytes(pickle.dumps(function(**given)))
