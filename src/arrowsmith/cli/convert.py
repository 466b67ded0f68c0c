"""``arrowsmith convert``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from arrowsmith.cli.arguments import (
    as_json,
    column_names,
    key_values,
    open_paths,
    reading,
    storage_options,
    transform_call,
)
from arrowsmith.cli.state import save_state, with_state
from arrowsmith.cli.terminal import counted, json_text, one_line, put_json, say, size_in_words
from arrowsmith.errors import OptionError

if TYPE_CHECKING:
    from arrowsmith.pipeline import ErrorPolicy, RunStats, Shape


@click.command("convert")
@click.argument("sources", nargs=-1, required=True, metavar="SOURCE...")
@click.argument("target")
@reading
@click.option("--to", metavar="FORMAT", help="The target's format; else its suffix tells.")
@click.option(
    "-w",
    "--write",
    "write_options",
    multiple=True,
    metavar="KEY=VALUE",
    help="An option of the target's format, see arrowsmith formats NAME. Repeatable.",
)
@click.option("--where", metavar="CONDITION", help="Keep rows such as \"score > 0.5 and x = 'a'\".")
@click.option(
    "--transform",
    "transforms",
    multiple=True,
    metavar="NAME:K=V,...",
    help="Apply a transform, after --where. Repeatable.",
)
@click.option("--save-state", metavar="FILE", help="Write what fitted transforms learned: JSON.")
@click.option("--load-state", metavar="FILE", help="Take it from such a file: no fit is made.")
@click.option("--columns", metavar="A,B", help="Keep these columns, in this order.")
@click.option("--limit", type=click.IntRange(min=0), metavar="ROWS", help="Write the first rows.")
@click.option("--overwrite", is_flag=True, help="Replace a target that is there.")
@click.option("--append", is_flag=True, help="Add to the file or directory that is there.")
@click.option(
    "--rows-per-file",
    type=click.IntRange(min=1),
    metavar="N",
    help="TARGET is a directory of files of N rows.",
)
@click.option(
    "--bytes-per-file", metavar="SIZE", help="Or of about this much data, uncompressed: 128MB."
)
@click.option(
    "--partition-by", metavar="A,B", help="Or of directories A=.../B=... by these columns."
)
@click.option(
    "--max-partitions",
    type=click.IntRange(min=1),
    default=10_000,
    metavar="N",
    help="Most such directories (10000).",
)
@click.option("--memory", metavar="SIZE", help="Memory for the run: 512MB; default a quarter.")
@click.option("--threads", type=click.IntRange(1, 1024), help="Workers; default one a core.")
@click.option(
    "--on-error",
    type=click.Choice(["raise", "skip", "quarantine"]),
    help="Bad records: stop (default), leave out, or write to --rejects.",
)
@click.option("--rejects", metavar="FILE", help="Bad records go here: .jsonl or .parquet.")
@click.option("--max-errors", type=click.IntRange(min=0), help="Stop after more bad records.")
@click.option("--file-path-column", metavar="NAME", help="Add a column with each row's file.")
@click.option(
    "--max-ratio", type=float, default=1000.0, help="Most bytes from one compressed byte (1000)."
)
@click.option("--batch-rows", type=click.IntRange(min=1), help="Rows a batch; alters no output.")
@click.option(
    "--progress/--no-progress", default=True, help="Figures while it runs, on a terminal."
)
@as_json
def command(sources: tuple[str, ...], target: str, **given: Any) -> None:
    """Convert files from any format to any format, in bounded memory.

    SOURCE is a file, a glob, a directory or several of these, compressed or not; they become one
    TARGET file, which appears when it is complete. Its suffix tells format and compression.
    A TARGET that ends in / is a directory of files; - is standard output and needs --to.

    Rows are kept by --where, then transformed, then cut to --columns and --limit.
    """
    stats, format_ = _run(sources, target, given)
    say(summary("standard output" if target == "-" else target, stats, given["rejects"]))
    if given["as_json"]:
        figures = {"target": target, "format": format_, **stats.as_dict()}
        if target == "-":  # the data is there
            say(json_text(figures))
        else:
            put_json(figures)


def _run(sources: tuple[str, ...], target: str, given: dict[str, Any]) -> tuple[RunStats, str]:
    """Check all that can be known without opening a source, then convert."""
    write_options = key_values(given["write_options"], "--write")
    steps = with_state(_steps(given), given)
    errors = _error_policy(given)

    from arrowsmith.cli.progress import Progress
    from arrowsmith.memory import MemoryBudget
    from arrowsmith.pipeline import Pipeline, PipelineConfig

    shape = _shape(given)
    format_ = _checked_target(target, shape, given, write_options)
    budget = MemoryBudget(given["memory"])
    config = PipelineConfig(worker_threads=given["threads"])
    if given["batch_rows"] is not None:
        config = PipelineConfig(worker_threads=given["threads"], batch_rows=given["batch_rows"])
    dataset = open_paths(
        sources,
        given["from_"],
        given["read_options"],
        on_error=errors.on_error,
        rejects=errors.rejects,
        max_errors=errors.max_errors,
        budget=budget,
        config=config,
        file_path_column=given["file_path_column"],
        max_ratio=given["max_ratio"],
    )
    with Progress(given["progress"]) as progress:
        stats = Pipeline(
            dataset,
            steps,
            target,
            budget=budget,
            config=config,
            format=format_,
            options=write_options,
            overwrite=given["overwrite"],
            shape=shape,
            storage_options=storage_options(),
            errors=errors,
            progress=progress,
        ).run()
    if given["save_state"] is not None:
        save_state(given["save_state"], steps, dataset, overwrite=given["overwrite"])
    return stats, format_


def _steps(given: dict[str, Any]) -> list[Any]:
    columns = column_names(given["columns"]) if given["columns"] is not None else None
    calls = [transform_call(text) for text in given["transforms"]]

    from arrowsmith.pipeline import plan

    steps: list[Any] = [plan.where(given["where"])] if given["where"] is not None else []
    steps += [plan.transform(name, options) for name, options in calls]
    if columns is not None:
        steps.append(plan.select(columns))
    if given["limit"] is not None:
        steps.append(plan.limit(given["limit"]))
    return steps


def _error_policy(given: dict[str, Any]) -> ErrorPolicy:
    from arrowsmith.pipeline import ErrorPolicy

    on_error: Any = given["on_error"] or ("raise" if given["rejects"] is None else "quarantine")
    return ErrorPolicy(on_error, given["rejects"], given["max_errors"])


def _shape(given: dict[str, Any]) -> Shape:
    from arrowsmith.pipeline import Shape

    columns = given["partition_by"]
    return Shape(
        rows_per_file=given["rows_per_file"],
        bytes_per_file=given["bytes_per_file"],
        partition_by=column_names(columns, "--partition-by") if columns is not None else None,
        max_partitions=given["max_partitions"],
        append=given["append"],
    )


def _checked_target(
    target: str, shape: Shape, given: dict[str, Any], options: dict[str, str]
) -> str:
    """The name of the target's format, after making sure that it can be written as asked for."""
    from arrowsmith.pipeline.output import Destination
    from arrowsmith.pipeline.rejects import RejectLog

    destination = Destination(
        target,
        format=given["to"],
        options=options,
        overwrite=given["overwrite"],
        shape=shape,
        storage_options=storage_options(),
    )
    place = destination.checked()
    rejects = given["rejects"]
    if rejects is not None:
        RejectLog(rejects, overwrite=given["overwrite"])
        if os.path.realpath(Path(rejects).expanduser()) == os.path.realpath(place):
            raise OptionError("the target and the rejects file are one file", path=target)
    return destination.spec.name


def summary(target: str, stats: RunStats, rejects: str | None) -> str:
    """What was done, in one line."""
    parts = [
        counted(stats.rows_out, "row"),
        f"{size_in_words(stats.bytes_out)} in {stats.elapsed:.2f} s",
    ]
    if stats.rejected:
        where = f" to {rejects}" if rejects is not None else ""
        parts.append(f"{counted(stats.rejected, 'bad record')} left out{where}")
    parts.append(f"peak memory {size_in_words(stats.peak_memory)}")
    return one_line(f"{target}: {', '.join(parts)}")
