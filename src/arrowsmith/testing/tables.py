"""Rows to write, and sinks made as the host makes them: the ground of the contracts for sinks."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from arrowsmith.catalog import get_catalog
from arrowsmith.pipeline import Pipeline, PipelineConfig
from arrowsmith.pipeline.output import Shape
from arrowsmith.plugin.options import build_options
from arrowsmith.plugin.protocols import Target
from arrowsmith.plugin.specs import SinkSpec
from arrowsmith.testing.checks import KitContext, quiet
from arrowsmith.testing.feed import TableFeed
from arrowsmith.testing.plugins import PluginContract
from arrowsmith.testing.targets import MemoryTarget, write_batches


class TableContract(PluginContract):
    """What the contracts of sinks share."""

    table: pa.Table
    _kind = "sink"

    def _sink_spec(self) -> SinkSpec:
        assert isinstance(self.spec, SinkSpec)
        return self.spec

    def _name(self) -> str:
        return "out" + next(iter(self._sink_spec().extensions), f".{self.name}")

    def _sink(self, target: Target, schema: pa.Schema | None = None) -> Any:
        return made_sink(self.name, self.options, target, schema or self.table.schema)

    def _run(self, feed: TableFeed, path: Path, threads: int) -> None:
        run_to(feed, path, self.name, self.options, threads)

    def _bytes(self, table: pa.Table | None = None) -> bytes:
        """What the sink writes for one batch of all rows."""
        table = table if table is not None else self.table
        target = MemoryTarget(self._name())
        with self._sink(target, table.schema) as sink:
            write_batches(sink, table.combine_chunks().to_batches())
            sink.commit()
        return target.stream.getvalue()


def made_sink(name: str, options: Mapping[str, Any], target: Target, schema: pa.Schema) -> Any:
    """A sink as the host makes it."""
    spec = get_catalog().sink(name)
    built: Any = build_options(spec.options_class, options, owner=f"sink '{name}'")
    return get_catalog().load(spec)(target, schema, built, KitContext())


def run_to(
    feed: TableFeed,
    path: Path,
    name: str,
    options: Mapping[str, Any],
    threads: int,
    *,
    append: bool = False,
) -> None:
    """Run a pipeline from ``feed`` to a file of the format ``name``, replacing what is there, or
    adding to it."""
    config = PipelineConfig(worker_threads=threads, batch_rows=feed.rows)
    with quiet():
        Pipeline(
            feed,
            (),
            path,
            format=name,
            options=options,
            overwrite=not append,
            shape=Shape(append=append),
            budget="1GB",
            config=config,
        ).run()
