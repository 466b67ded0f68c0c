"""``arrowsmith plugin new``: what it writes installs, is found, and keeps the contract as it is."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from arrowsmith import scaffold
from arrowsmith.errors import OptionError, TargetError, TargetExists
from arrowsmith.scaffold import render, words_of, write_plugin
from hostile import declare

LONG = "a" * 40


def run(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )


def installed(name: str, folder: Path) -> Path:
    """A new plugin, laid out as an editable installation; the folder to import from."""
    made = write_plugin(name, folder)
    project = tomllib.loads((made / "pyproject.toml").read_text())["project"]
    entries = project["entry-points"]["arrowsmith"]
    declare(made / "src", project["name"], project["version"], entries)
    return made


def test_it_keeps_the_contract_unchanged(tmp_path: Path) -> None:
    made = installed("sensor-log", tmp_path)
    args = ("-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider")
    done = run(*args, cwd=made, PYTHONPATH=str(made / "src"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout


def test_the_command_checks_and_uses_it(tmp_path: Path) -> None:
    folder = tmp_path / "made"
    folder.mkdir()
    made = run(
        "-m", "arrowsmith", "plugin", "new", "sensor-log", "--dir", str(folder), cwd=tmp_path
    )
    assert (made.returncode, made.stderr) == (0, "")
    project = folder / "arrowsmith-sensor-log"
    assert f"pytest {project}" in made.stdout
    declare(
        project / "src", "arrowsmith-sensor-log", "0.1.0", {"sensor-log": "arrowsmith_sensor_log"}
    )
    site = str(project / "src")
    sample = str(project / "tests/data/small.sensor-log")
    listed = run("-m", "arrowsmith", "plugins", cwd=tmp_path, PYTHONPATH=site)
    assert "reads sensor-log; writes sensor-log" in listed.stdout
    converted = run(
        "-m", "arrowsmith", "convert", sample, "out.csv", "--transform", "sensor-log-trim",
        cwd=tmp_path, PYTHONPATH=site,
    )  # fmt: skip
    assert converted.returncode == 0, converted.stderr
    assert (tmp_path / "out.csv").read_text().splitlines()[:3] == [
        "id,text",
        "1,one",
        "2,two words",
    ]
    back = run(
        "-m", "arrowsmith", "convert", sample, "again.sensor-log", cwd=tmp_path, PYTHONPATH=site
    )
    assert back.returncode == 0, back.stderr
    assert (tmp_path / "again.sensor-log").read_bytes() == Path(sample).read_bytes()


@pytest.mark.parametrize("name", ["q", "sensor-log", LONG])
def test_it_is_clean_for_ruff(tmp_path: Path, name: str) -> None:
    pytest.importorskip("ruff", reason="ruff is installed where the code is linted, not everywhere")
    made = write_plugin(name, tmp_path)
    for args in (("check", "."), ("format", "--check", ".")):
        done = run("-m", "ruff", *args, "--no-cache", cwd=made)
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_is_clean_for_mypy(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="mypy is installed where the code is linted, not everywhere")
    made = write_plugin("sensor-log", tmp_path)
    done = run("-m", "mypy", cwd=made)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_template_is_used_and_no_hole_is_left(tmp_path: Path) -> None:
    folder = Path(scaffold.__file__).parent / "templates"
    assert {path.name for path in folder.iterdir()} == {n for n in scaffold.FILES.values() if n}
    for path, text in render(words_of("sensor-log")).items():
        assert "@@" not in path + text


@pytest.mark.parametrize(
    ("given", "module"),
    [
        ("sensor-log", "arrowsmith_sensor_log"),
        ("sensor_log", "arrowsmith_sensor_log"),
        ("arrowsmith-foo2", "arrowsmith_foo2"),
    ],
)
def test_names_become_distribution_and_module(given: str, module: str) -> None:
    words = words_of(given)
    assert (words["MODULE"], words["DISTRIBUTION"]) == (module, module.replace("_", "-"))


@pytest.mark.parametrize(
    "name",
    ["", "Foo", "2foo", "foo--bar", "-foo", "foo-", "foo.bar", "../foo", "foo/bar", "é", "class",
     "a" * 41, "foo bar", "foo\n", "arrowsmith-"],
)  # fmt: skip
def test_names_that_nothing_can_bear_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="cannot be the name"):
        write_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["csv", "parquet", "arrow", "json", "jsonl", "numpy", "select"])
def test_names_that_are_taken_are_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(OptionError, match="is taken by"):
        write_plugin(name, tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["folder", "file", "link"])
def test_what_is_there_is_left_alone(tmp_path: Path, kind: str) -> None:
    place = tmp_path / "arrowsmith-foo"
    if kind == "folder":
        place.mkdir()
    elif kind == "file":
        place.write_text("mine")
    else:
        place.symlink_to("nowhere")
    with pytest.raises(TargetExists, match="there already"):
        write_plugin("foo", tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["arrowsmith-foo"]


def test_a_folder_that_is_missing_is_told(tmp_path: Path) -> None:
    with pytest.raises(TargetError, match="folder does not exist"):
        write_plugin("foo", tmp_path / "nowhere")


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException
) -> None:
    write, left = Path.write_text, [3]

    def failing(self: Path, *args: object, **more: object) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise error
        return write(self, *args, **more)

    monkeypatch.setattr(Path, "write_text", failing)
    with pytest.raises(TargetError if isinstance(error, OSError) else KeyboardInterrupt):
        write_plugin("foo", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_refusal_is_one_line(tmp_path: Path) -> None:
    done = run("-m", "arrowsmith", "plugin", "new", "csv", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "is taken by" in done.stderr
