"""``arrowsmith head``."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import click

from arrowsmith.cli.arguments import open_paths, paths, reading
from arrowsmith.cli.terminal import counted, put, put_json_lines, say

if TYPE_CHECKING:
    from arrowsmith.dataset import Dataset


@click.command("head")
@paths
@reading
@click.option(
    "-n", "--rows", type=click.IntRange(min=0), default=10, metavar="N", help="How many (10)."
)
@click.option("--json", "as_json_lines", is_flag=True, help="Print a JSON object a row.")
def command(
    paths: tuple[str, ...],
    from_: str | None,
    read_options: tuple[str, ...],
    rows: int,
    as_json_lines: bool,
) -> None:
    """Show the first rows, as a table or as JSON Lines.

    No more is read than that takes. Long values are cut in the table, not in JSON.
    """
    dataset = open_paths(paths, from_, read_options).limit(rows)
    if as_json_lines:
        _print_json(dataset)
    else:
        _print_table(dataset)


def _print_json(dataset: Dataset) -> None:
    from arrowsmith.cli.values import rows

    with contextlib.closing(dataset.batches()) as batches:  # type: ignore[type-var]
        for batch in batches:
            put_json_lines(rows(batch))


def _print_table(dataset: Dataset) -> None:
    import pyarrow.types as pt

    from arrowsmith.cli.table import show
    from arrowsmith.cli.values import plain

    schema = dataset.schema
    cells: list[tuple[object, ...]] = []
    with contextlib.closing(dataset.batches()) as batches:  # type: ignore[type-var]
        for batch in batches:
            columns = [[_shown(value) for value in plain(column)] for column in batch.columns]
            cells += zip(*columns, strict=True)
    if not schema.names:
        put("no columns")
        return
    numeric = (pt.is_integer, pt.is_floating, pt.is_decimal)
    right = [at for at, field in enumerate(schema) if any(test(field.type) for test in numeric)]
    left_out = show(schema.names, cells, right=right)
    if left_out:
        say(f"{counted(left_out, 'further column')} left out: the terminal is too narrow")


def _shown(value: object) -> object:
    """Text that reads like a null, or like nothing, stands in quotes."""
    return f'"{value}"' if value in ("", "null") else value
