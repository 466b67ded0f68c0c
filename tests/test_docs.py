"""The examples in the documents run, and give what the documents show.

- A ``console`` block holds commands, each behind ``$``, and the output of each. Times, sizes and
  memory may differ.
- A ``python`` block runs; if a ``text`` block follows at once, that is what it prints.
- The command lines in docs/CLI.md run over files of the names that stand there.

Each document's examples run in order in one folder that holds ``fixtures/``.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import click
import duckdb
import pytest

from arrowsmith.cli.app import COMMANDS, app

ROOT = Path(__file__).parent.parent
PAGES = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "docs/formats").glob("*.md"))
PROSE = ("README.md", "docs/ARCHITECTURE.md", "docs/FIDELITY.md", *PAGES)
LINKED = (*PROSE, "CONTRIBUTING.md", "CHANGELOG.md", "fixtures/README.md", "benchmarks/README.md")
LINKED += tuple(str(path.relative_to(ROOT)) for path in (ROOT / "docs").glob("*.md"))
LINKED += tuple(str(path.relative_to(ROOT)) for path in ROOT.glob("plugins/*/README.md"))
FIGURE = re.compile(r"\d[\d,.]* (?:s|B|KB|MB|GB)\b")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[tuple[str, str]]:
    """The fenced blocks of a document: language and content."""
    return BLOCK.findall(text(name))


def settled(output: str) -> str:
    """Output without what differs from run to run, and without blanks at line ends."""
    return "\n".join(line.rstrip() for line in FIGURE.sub("#", output).strip().splitlines())


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a line of shell with this Python's programs first."""
    programs = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={**os.environ, "PATH": programs, "LC_ALL": "C.UTF-8"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        check=False,
    )


@pytest.fixture
def folder(tmp_path, monkeypatch):
    shutil.copytree(ROOT / "fixtures", tmp_path / "fixtures")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", [*PROSE, "docs/CLI.md"])
def test_examples_give_what_is_shown(name, folder):
    found = blocks(name)
    for number, (language, body) in enumerate(found):
        following = found[number + 1] if number + 1 < len(found) else ("", "")
        if language == "console":
            for command, shown in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", body, re.MULTILINE):
                assert settled(run(command, folder).stdout) == settled(shown), command
        elif language == "python":
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec(compile(body, f"{name}, block {number}", "exec"), {"__name__": "__main__"})
            if following[0] == "text":
                assert settled(printed.getvalue()) == settled(following[1])


def test_the_readme_shows_examples_of_both_kinds():
    languages = [language for language, _ in blocks("README.md")]
    assert languages.count("console") >= 3
    assert languages.count("python") >= 1
    assert languages[:2] == ["sh", "sh"]  # the two commands, which .ci/run runs


def cli_examples() -> list[str]:
    """The lines of docs/CLI.md that are commands, not patterns of commands."""
    fences = re.findall(r"^```(\w*)\n(.*?)^```$", text("docs/CLI.md"), re.MULTILINE | re.DOTALL)
    lines = [line for language, fence in fences if not language for line in fence.splitlines()]
    return [line for line in lines if not re.search(r"\[|\.\.\.|COMMAND", line)]


@pytest.fixture
def named_files(folder):
    """The files that docs/CLI.md speaks of."""
    (folder / "raw").mkdir()
    shutil.copy(folder / "fixtures" / "orders.csv.gz", folder / "raw")
    duckdb.sql(
        "copy (select i as id, 'text ' || i as text, i / 10 as score,"
        " ['en', 'de'][i % 2 + 1] as lang from range(50) t(i)) to 'big.parquet'"
    )
    return folder


@pytest.mark.parametrize("command", cli_examples())
def test_command_line_example_runs(command, named_files):
    done = run(command, named_files)
    assert done.returncode == 0, done.stdout


def test_command_line_examples_were_found():
    assert len(cli_examples()) >= 2


@pytest.mark.parametrize("name", PROSE)
def test_commands_and_flags_in_prose_exist(name):
    """In running text and blocks alike: ``arrowsmith convert --where``."""
    known = {"arrowsmith", "tox"}
    flags = {"--help", "--version"}
    for command in COMMANDS:
        found = app.get_command(click.Context(app), command)
        assert found is not None
        flags |= {flag for param in found.params for flag in (*param.opts, *param.secondary_opts)}
    shown = re.findall(r"`arrowsmith ([a-z]\w*)([^`]*)`", text(name))
    assert {command for command, _ in shown} <= {*COMMANDS, *known}
    used = {flag for _, rest in shown for flag in re.findall(r"(?<!\S)--[a-z-]+", rest)}
    assert used <= flags


@pytest.mark.parametrize("name", sorted(set(LINKED)))
def test_links_lead_somewhere(name):
    here = (ROOT / name).parent
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", text(name))
    local = [target for target in targets if "://" not in target]
    assert [target for target in local if not (here / target).exists()] == []


@pytest.mark.parametrize("name", sorted(set(LINKED)))
def test_links_within_a_document_lead_to_its_headings(name):
    headings = re.findall(r"^#+ (.*)$", BLOCK.sub("", text(name)), re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    assert set(re.findall(r"\]\(#([^)]+)\)", text(name))) <= slugs
