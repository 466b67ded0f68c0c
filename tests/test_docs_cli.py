"""docs/CLI.md names every command, every flag and every exit code."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest

from arrowsmith.cli.app import COMMANDS, app

PAGE = Path(__file__).parent.parent / "docs" / "CLI.md"


def section(name: str) -> str:
    found = re.search(rf"^## {name}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    assert found is not None, f"docs/CLI.md has no section on {name}"
    return found[1]


def flags(command: click.Command) -> set[str]:
    options = (param for param in command.params if isinstance(param, click.Option))
    return {flag for option in options for flag in (*option.opts, *option.secondary_opts)}


def command(name: str) -> click.Command:
    found = app.get_command(click.Context(app), name)
    assert found is not None
    return found


@pytest.mark.parametrize("name", COMMANDS)
def test_every_flag_is_described(name):
    text = section(name)
    described = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", text))
    assert flags(command(name)) <= described


@pytest.mark.parametrize("name", COMMANDS)
def test_no_flag_is_described_that_does_not_exist(name):
    first_cells = re.findall(r"^\| (.*?) \|", section(name), re.MULTILINE)
    described = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", " ".join(first_cells)))
    assert described <= flags(command(name))


def test_the_table_lists_the_commands_in_order():
    assert re.findall(r"^\| \[`(\w+)`\]", PAGE.read_text(), re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("flag", ["--help", "-h", "--version"])
def test_the_flags_of_the_program_are_described(flag):
    assert f"{flag}`" in PAGE.read_text() or f"`{flag}" in PAGE.read_text()
