"""``arrowsmith schema``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from arrowsmith.cli.arguments import as_json, open_paths, paths, reading
from arrowsmith.cli.terminal import put_json

if TYPE_CHECKING:
    import pyarrow as pa


@click.command("schema")
@paths
@reading
@as_json
def command(
    paths: tuple[str, ...], from_: str | None, read_options: tuple[str, ...], as_json: bool
) -> None:
    """Show the columns and their types."""
    schema = open_paths(paths, from_, read_options).schema
    if as_json:
        put_json({"columns": described(schema)})
    else:
        show_columns(schema)


def described(schema: pa.Schema) -> list[dict[str, Any]]:
    """Name, type and nullability of each column."""
    return [
        {"name": field.name, "type": str(field.type), "nullable": field.nullable}
        for field in schema
    ]


def show_columns(schema: pa.Schema) -> None:
    """The columns as a table."""
    from arrowsmith.cli.table import show

    rows = [(f.name, f"{f.type}{'' if f.nullable else ' not null'}") for f in schema]
    show(("column", "type"), rows, widest=500)
