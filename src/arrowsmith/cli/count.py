"""``arrowsmith count``."""

from __future__ import annotations

import click

from arrowsmith.cli.arguments import as_json, open_paths, paths, reading
from arrowsmith.cli.terminal import put, put_json


@click.command("count")
@paths
@reading
@click.option(
    "--progress/--no-progress", default=True, help="Figures while it runs, on a terminal."
)
@as_json
def command(
    paths: tuple[str, ...],
    from_: str | None,
    read_options: tuple[str, ...],
    progress: bool,
    as_json: bool,
) -> None:
    """Count the rows: from metadata where that tells it, else by reading all."""
    from arrowsmith.cli.progress import Progress

    dataset = open_paths(paths, from_, read_options)
    with Progress(progress) as shown:
        rows = dataset.count(progress=shown)
    if as_json:
        put_json({"rows": rows})
    else:
        put(str(rows))
