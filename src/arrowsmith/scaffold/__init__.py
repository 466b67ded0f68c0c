"""What ``arrowsmith plugin new`` writes: a plugin that works, from the templates in this package.

The templates are data. ``@@NAME@@`` and its like in them become what the plugin is called.
"""

from __future__ import annotations

import importlib.metadata
import keyword
import os
import re
import shutil
from collections.abc import Mapping
from contextlib import suppress
from importlib.resources import files
from pathlib import Path

import arrowsmith
from arrowsmith.catalog import get_catalog
from arrowsmith.errors import OptionError, TargetExists
from arrowsmith.location.leftovers import hidden_folder, lock, sweep
from arrowsmith.location.writing import target_error

PREFIX = "arrowsmith-"
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_][a-z0-9]+)*")
_LONGEST = 40
_HOLE = re.compile(r"@@([A-Z]+)@@")

FILES = {
    "pyproject.toml": "pyproject.toml.tmpl",
    "README.md": "README.md.tmpl",
    "LICENSE": "LICENSE.tmpl",
    ".gitignore": "gitignore.tmpl",
    "src/@@MODULE@@/__init__.py": "init.py.tmpl",
    "src/@@MODULE@@/layout.py": "layout.py.tmpl",
    "src/@@MODULE@@/lines.py": "lines.py.tmpl",
    "src/@@MODULE@@/reader.py": "reader.py.tmpl",
    "src/@@MODULE@@/sink.py": "sink.py.tmpl",
    "src/@@MODULE@@/trim.py": "trim.py.tmpl",
    "src/@@MODULE@@/py.typed": "",
    "tests/test_@@MODULE@@.py": "test.py.tmpl",
    "tests/data/small.@@NAME@@": "small.tmpl",
}


def words_of(name: str) -> dict[str, str]:
    """What stands for the holes of the templates.

    Raises:
        OptionError: the name is not one that a distribution, a module and a format can bear, or
            another plugin has it.

    Example:
        >>> words_of("sensor-log")["DISTRIBUTION"], words_of("sensor-log")["MODULE"]
        ('arrowsmith-sensor-log', 'arrowsmith_sensor_log')
    """
    short = name.removeprefix(PREFIX)
    if not _NAME.fullmatch(short) or len(short) > _LONGEST or keyword.iskeyword(short):
        raise OptionError(
            f"{name!r} cannot be the name of a plugin",
            hint="use lower-case letters and digits, with single dashes between, such as sensor-log"
            f"; at most {_LONGEST} characters, and no word of Python",
        )
    normal = short.replace("_", "-")
    _check_free(normal)
    release = ".".join(arrowsmith.__version__.split(".")[:2])
    return {
        "NAME": normal,
        "DISTRIBUTION": f"{PREFIX}{normal}",
        "MODULE": f"{PREFIX}{normal}".replace("-", "_"),
        "TRIM": f"{normal}-trim",
        "RELEASE": release,
    }


def _check_free(name: str) -> None:
    catalog = get_catalog()
    for info in catalog.plugins():
        taken = {info.name, *info.readers, *info.sinks, *info.transforms}
        if {name, f"{name}-trim"} & {one.replace("_", "-") for one in taken}:
            raise OptionError(
                f"{name!r} is taken by {info.distribution or info.module} {info.version}".rstrip(),
                hint="choose another; arrowsmith plugins lists those that are installed",
            )
    with suppress(importlib.metadata.PackageNotFoundError):
        found = importlib.metadata.distribution(f"{PREFIX}{name}")
        raise OptionError(f"{found.name} {found.version} is installed", hint="choose another name")


def render(words: Mapping[str, str]) -> dict[str, str]:
    """The files of a plugin by path, from ``words_of()``."""
    templates = files(__name__) / "templates"

    def filled(text: str) -> str:
        return _HOLE.sub(lambda hole: words[hole[1]], text)

    return {
        filled(path): filled((templates / name).read_text(encoding="utf-8")) if name else ""
        for path, name in FILES.items()
    }


def write_plugin(name: str, folder: str | os.PathLike[str] = ".") -> Path:
    """Write the plugin ``arrowsmith-NAME`` into ``folder``, all of it or nothing; its path.

    Raises:
        OptionError: see ``words_of()``.
        TargetExists: there is something of that name.
        TargetError: it cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_plugin("sensor-log", folder).name
        'arrowsmith-sensor-log'
    """
    words = words_of(name)
    target = Path(folder) / words["DISTRIBUTION"]
    if os.path.lexists(target):
        raise TargetExists(
            "is there already", path=str(target), hint="choose another name, or remove it"
        )
    try:
        sweep(folder)  # what a kill may have left of an earlier call
        _publish(render(words), target)
    except OSError as error:
        raise target_error(error, str(target)) from error
    return target


def _publish(texts: Mapping[str, str], target: Path) -> None:
    staging = target.with_name(hidden_folder(target.name, "new"))
    staging.mkdir()
    fd = os.open(staging, os.O_RDONLY | os.O_DIRECTORY)
    try:
        lock(fd)
        for path, text in texts.items():
            place = staging / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, encoding="utf-8")
        staging.rename(target)
    except BaseException:
        shutil.rmtree(staging, ignore_errors=True)
        raise
    finally:
        os.close(fd)
