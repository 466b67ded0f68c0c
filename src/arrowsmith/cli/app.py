"""The command group: its help is drawn from a table, so that it imports no command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Any, NoReturn

import click

import arrowsmith
from arrowsmith.cli.guard import guarded, leave

COMMANDS = {
    "convert": "Convert files from any format to any format.",
    "info": "Show format, size, rows, columns and what was guessed.",
    "head": "Show the first rows.",
    "schema": "Show the columns and their types.",
    "count": "Count the rows.",
    "stats": "Show what the columns hold.",
    "cache": "List or clear what was decoded for mapping.",
    "formats": "List the formats, or the options of one.",
    "transforms": "List the transforms, or the options of one.",
    "plugins": "List the plugins and their health.",
    "plugin": "Begin a plugin, or check one that is installed.",
}


class LazyGroup(click.Group):
    """Imports ``arrowsmith.cli.NAME`` when the command NAME is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = import_module(f"arrowsmith.cli.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name = args[0]
        command = self.get_command(ctx, name)
        if command is not None:
            return name, command, args[1:]
        from difflib import get_close_matches

        near = get_close_matches(name, COMMANDS, 1)
        guess = f"did you mean {near[0]!r}" if near else f"there are {', '.join(COMMANDS)}"
        raise click.UsageError(f"no command {name!r}: {guess}", ctx)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def main(  # type: ignore[override]
        self, args: Sequence[str] | None = None, prog_name: str | None = None, **extra: Any
    ) -> NoReturn:
        """Run and exit; every failure becomes a line on stderr and an exit code."""
        given = list(sys.argv[1:] if args is None else args)

        def run() -> None:
            with self.make_context(prog_name or "arrowsmith", given) as ctx:
                self.invoke(ctx)

        leave(guarded(run))


@click.group(
    "arrowsmith",
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(arrowsmith.__version__, message="arrowsmith %(version)s")
def app() -> None:
    """Open any dataset as one stream of Arrow record batches.

    arrowsmith COMMAND --help tells more of a command, arrowsmith formats NAME of a format.
    """
