"""``arrowsmith count``."""

from __future__ import annotations

import click

from arrowsmith.cli.arguments import as_json, open_paths, paths, reading
from arrowsmith.cli.terminal import put, put_json


@click.command("count")
@paths
@reading
@as_json
def command(
    paths: tuple[str, ...], from_: str | None, read_options: tuple[str, ...], as_json: bool
) -> None:
    """Count the rows: from metadata where that tells it, else by reading all."""
    rows = open_paths(paths, from_, read_options).count()
    if as_json:
        put_json({"rows": rows})
    else:
        put(str(rows))
