"""``arrowsmith stats``."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING, Any

import click

from arrowsmith.cli.arguments import as_json, column_names, open_paths, paths, reading
from arrowsmith.cli.terminal import counted, escaped, put, put_json

if TYPE_CHECKING:
    from arrowsmith.dataset import Dataset
    from arrowsmith.stats import ColumnSummary

_BARS = " ▁▂▃▄▅▆▇█"
_WIDEST = 40  # characters shown of a value
_SHOWN = 5  # of the most frequent values


@click.command("stats")
@paths
@reading
@click.option("--columns", metavar="A,B", help="Look at these columns only.")
@click.option("--where", metavar="CONDITION", help="Only rows such as \"score > 0.5 and x = 'a'\".")
@click.option("--limit", type=click.IntRange(min=0), metavar="ROWS", help="Only the first rows.")
@click.option("--memory", metavar="SIZE", help="Memory for the run: 512MB; default a quarter.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Workers; default one a core.")
@click.option(
    "--on-error", type=click.Choice(["raise", "skip"]), help="Bad records: stop, or leave out."
)
@click.option(
    "--progress/--no-progress", default=True, help="Figures while it runs, on a terminal."
)
@as_json
def command(paths: tuple[str, ...], **given: Any) -> None:
    """Show what the columns hold: counts, bounds, quantiles, most frequent values.

    One pass over the rows in bounded memory. What is marked with ~ is an estimate: different and
    most frequent values and quantiles, where there are too many to keep.
    """
    from arrowsmith.cli.progress import Progress

    dataset = _narrowed(paths, given)
    with Progress(given["progress"]) as progress:
        found = dataset.stats(progress=progress)
    if given["as_json"]:
        put_json(found.as_dict())
        return
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    put(counted(found.rows, "row"))
    for column in found.columns:
        put("")
        for line in described(column):
            for part in folded(line, width):
                put(part)


def _narrowed(paths: tuple[str, ...], given: dict[str, Any]) -> Dataset:
    columns = column_names(given["columns"]) if given["columns"] is not None else None

    from arrowsmith.pipeline import PipelineConfig

    dataset = open_paths(
        paths,
        given["from_"],
        given["read_options"],
        on_error=given["on_error"],
        budget=given["memory"],
        config=PipelineConfig(worker_threads=given["threads"]),
    )
    if given["where"] is not None:
        dataset = dataset.filter(given["where"])
    if columns is not None:
        dataset = dataset.select(*columns)
    return dataset if given["limit"] is None else dataset.limit(given["limit"])


def described(column: ColumnSummary) -> list[str]:
    """A few lines for each column: what it is, its bounds and moments, its shape."""
    lines = [f"{escaped(column.name)}  {column.type}", _counts(column)]
    bounds = [("min", column.min), ("mean", column.mean), ("max", column.max), ("std", column.std)]
    lines.append(_pairs(bounds))
    about = "" if column.quantiles_exact else "~"
    lines.append(
        _pairs((f"{about}{share:.0%}", value) for share, value in column.quantiles.items())
    )
    if column.length:
        lines.append("length  " + _pairs(column.length.items()))
    lines.append(_top(column))
    lines.append(bars(column.histogram.get("counts", [])))
    return [lines[0], *(f"  {line}" for line in lines[1:] if line.strip())]


def _counts(column: ColumnSummary) -> str:
    parts = [counted(column.count, "value"), f"{column.nulls:,} null"]
    if column.nan:
        parts.append(f"{column.nan:,} NaN")
    if column.distinct is not None:
        about = "" if column.distinct_exact else "~"
        parts.append(f"{about}{column.distinct:,} distinct")
    return ", ".join(parts)


def _pairs(pairs: Any) -> str:
    return "  ".join(f"{name} {_shown(value)}" for name, value in pairs if value is not None)


def _top(column: ColumnSummary) -> str:
    """The most frequent values, unless every value is there once."""
    about = "" if column.top_exact else "~"
    found = [(value, count) for value, count in column.top[:_SHOWN] if count > 1]
    if not found:
        return ""
    return "top  " + "  ".join(f"{_shown(value)} ({about}{count:,})" for value, count in found)


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, bytes):
        text = value[:_WIDEST].hex() + ("…" if len(value) > _WIDEST else "")
    else:
        text = str(value) if not isinstance(value, str) or value.strip() else f'"{value}"'
    text = escaped(text[: _WIDEST + 1])
    return text if len(text) <= _WIDEST else f"{text[: _WIDEST - 1]}…"


def folded(line: str, width: int | None) -> list[str]:
    """A line in several where it is wider than the terminal, cut between its pairs.

    Example:
        >>> folded("  min 1  mean 2  max 3", 16)
        ['  min 1  mean 2', '    max 3']
    """
    from rich.cells import cell_len

    if width is None or cell_len(line) <= width:
        return [line]
    first, *pieces = line.strip().split("  ")
    lines = [line[: len(line) - len(line.lstrip())] + first]
    for piece in pieces:
        if cell_len(lines[-1]) + cell_len(piece) + 2 <= width:
            lines[-1] += f"  {piece}"
        else:
            lines.append(f"    {piece}")
    return lines


def bars(counts: list[int]) -> str:
    """A histogram in one line; what is not zero shows at least a trace.

    Example:
        >>> bars([1, 8, 0, 4])
        '▁█ ▄'
    """
    most = max(counts, default=0)
    if not most:
        return ""
    steps = len(_BARS) - 1
    return "".join(_BARS[-(-count * steps // most)] for count in counts)
